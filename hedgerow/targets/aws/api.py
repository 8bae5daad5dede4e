"""The one door to AWS: every call goes through `Aws.call`, by its name, so that the calls can be counted and listed.

Proxies, CA bundles, profiles and credentials are boto3's own affair: nothing is set here that would override them.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from hedgerow.errors import UnreachableError
from hedgerow.targets.aws.actions import actions_of
from hedgerow.targets.cloud.patience import patiently

TAG = "hedgerow:deployment"
NAME_TAG = "hedgerow:name"
PASSING = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "TooManyRequestsException",
        "SlowDown",
        "ServiceUnavailable",
        "InternalError",
        "InternalFailure",
        "Unavailable",
        "OperationAborted",
        "ConcurrentModificationException",
        "LimitExceededException",
        "WAFInternalErrorException",
        # What was made a moment ago, and AWS WAF cannot use yet.
        "WAFUnavailableEntityException",
    }
)
"""AWS's words for "not now"."""
REFUSED = frozenset({"UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "AuthorizationError"})
"""AWS's words for "you may not"."""
UNSETTLED = (
    "Invalid IAM Instance Profile",
    "cannot be assumed",
    "Check the trust relationships",
    "InsufficientDeliveryPolicyException",
    "Invalid principal",
)
"""What a role that was made a moment ago gives rise to, until all of AWS knows it."""


class Aws:
    """AWS in one region, as one deployment sees it. Safe to use from several threads."""

    def __init__(self, region: str, deployment: str) -> None:
        self.region = region
        self.deployment = deployment
        self._session = boto3.session.Session(region_name=region)
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._account = ""

    @property
    def account(self) -> str:
        """The account's id. It is for calls, and never for a log or a report."""
        if not self._account:
            self._account = str(self.call("sts.get_caller_identity")["Account"])
        return self._account

    @property
    def partition(self) -> str:
        """The part of AWS that the region lies in, as ARNs begin."""
        return str(self._session.get_partition_for_region(self.region))

    def arn(self, service: str, rest: str, *, region: bool = True) -> str:
        """Return the ARN of something in this account."""
        return f"arn:{self.partition}:{service}:{self.region if region else ''}:{self.account}:{rest}"

    def tags(self, name: str) -> list[dict[str, str]]:
        """Return the tags that mark a thing as this deployment's."""
        return [
            {"Key": TAG, "Value": self.deployment},
            {"Key": NAME_TAG, "Value": name},
            {"Key": "Name", "Value": name},
        ]

    def filters(self, name: str) -> list[dict[str, Any]]:
        """Return EC2's filters that find it again."""
        return [
            {"Name": f"tag:{TAG}", "Values": [self.deployment]},
            {"Name": f"tag:{NAME_TAG}", "Values": [name]},
        ]

    def call(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Make one call, such as "ec2.create_vpc", patiently. Raises UnreachableError."""
        try:
            return self.attempt(name, **arguments)
        except (ClientError, BotoCoreError) as error:
            raise refusal(name, error) from error

    def ask(self, name: str, /, *absent: str, **arguments: Any) -> dict[str, Any] | None:
        """Make one call, and return None where AWS answers with one of these codes. Raises UnreachableError."""
        try:
            return self.attempt(name, **arguments)
        except ClientError as error:
            if code(error) in absent:
                return None
            raise refusal(name, error) from error
        except BotoCoreError as error:
            raise refusal(name, error) from error

    def pages(self, name: str, key: str, /, **arguments: Any) -> Iterator[Any]:
        """Return every item of a list, whatever number of calls that takes. Raises UnreachableError."""
        client, operation = self._client(name)
        try:
            pages = client.get_paginator(operation).paginate(**arguments)
            for page in patiently(lambda: list(pages), lambda e: passing(e) or isinstance(e, HTTPClientError)):
                yield from page.get(key, [])
        except (ClientError, BotoCoreError) as error:
            raise refusal(name, error) from error

    def attempt(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Make one call, patiently; raise what botocore raises."""
        client, operation = self._client(name)
        answer: dict[str, Any] = patiently(
            lambda: getattr(client, operation)(**arguments),
            lambda error: passing(error) or (isinstance(error, HTTPClientError) and asks(operation)),
        )
        return answer

    def wait(self, ready: Callable[[], bool], what: str, seconds: float = 600) -> None:
        """Ask until it is so. Raises UnreachableError when that takes too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                raise UnreachableError(f"AWS takes too long: waited for {what}", "Run the same command again.")
            time.sleep(3)

    def _client(self, name: str) -> tuple[Any, str]:
        service, _, operation = name.partition(".")
        with self._lock:
            if service not in self._clients:
                # One attempt: botocore would also repeat a creation whose answer was lost, and make the thing twice.
                # `patiently` repeats what was refused, and what only asks; the next run finds what was made.
                config = Config(
                    user_agent_extra="hedgerow",
                    connect_timeout=10,
                    max_pool_connections=16,
                    retries={"total_max_attempts": 1},
                )
                self._clients[service] = self._session.client(service, config=config)
            return self._clients[service], operation


def code(error: Exception) -> str:
    """Return AWS's code of an error, "" where it has none."""
    return str(error.response["Error"].get("Code", "")) if isinstance(error, ClientError) else ""


def asks(operation: str) -> bool:
    """Tell whether an operation changes nothing."""
    return operation.startswith(("describe_", "get_", "list_", "head_"))


def passing(error: Exception) -> bool:
    """Tell whether the same call may succeed in a moment."""
    return code(error) in PASSING or (isinstance(error, ClientError) and any(word in str(error) for word in UNSETTLED))


def refusal(name: str, error: Exception) -> UnreachableError:
    """Return the error for a person: what was asked, what that needs, what AWS said; without the account's id."""
    said = re.sub(r"\b\d{12}\b", "ACCOUNT", str(error))
    refused = code(error) in REFUSED
    fix = (
        "Give these credentials the policy that `preflight --iam-policy` prints, then run the same command again."
        if refused
        else "Run the same command again: what is there is kept. Credentials are boto3's, as for the AWS CLI."
    )
    needs = f" (it needs {', '.join(actions_of(name))})" if refused else ""
    return UnreachableError(f"AWS refused {name}{needs}: {said}", fix)

"""How a run can meet a fault at a call, and the accounts in which it does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from moto.core.botocore_stubber import BotocoreStubber

from hedgerow.targets.aws.target import AwsTarget
from tests.cloud.account import census, quiet, target
from tests.cloud.careless import (
    an_old_key_bears_the_name,
    break_the_front,
    break_things,
    break_what_reads,
    take_the_profile_away,
    zone,
)

NAMING = ("TagSpecifications", "Tags", "TagsList", "tags", "BackupVaultTags", "BackupPlanTags")
"""How a call says whose a thing is."""
CREATES = ("create_", "allocate_", "run_instances")


FRONT = "load_balancer: {}"
"""How a target goes on that lies behind a load balancer."""


class KilledError(Exception):
    """What stands for the end of the process."""


class Answered:
    """Answers `left` times as AWS would where it says "not now", or refuses: botocore reads the answer."""

    def __init__(self, made: AwsTarget, call: str) -> None:
        self.left, self.refusing = 0, False
        self.theirs: dict[str, int] = {}
        self.call = call
        self.protocol = made.aws._client(call)[0].meta.service_model.resolved_protocol
        real = BotocoreStubber.process_request

        def answer(stub: Any, request: Any) -> Any:
            if self.left == 0:
                return real(stub, request)
            self.left -= 1
            return self.answer()

        # Whoever else listens to botocore is asked as well: only in the emulator's place can it be kept from acting.
        BotocoreStubber.process_request = answer

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body."""
        code, status = CODES[self.protocol if self.protocol in CODES else "json"][self.refusing]
        said = f"User: arn:aws:iam::123456789012:user/jane may not {self.call}" if self.refusing else "slow"
        headers = {"x-amzn-requestid": "none"}
        match self.protocol:
            case "ec2":
                error = f"<Errors><Error><Code>{code}</Code><Message>{said}</Message></Error></Errors>"
                body = f"<Response>{error}<RequestID>x</RequestID></Response>".encode()
            case "query":
                error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{said}</Message></Error>"
                body = f"<ErrorResponse>{error}<RequestId>x</RequestId></ErrorResponse>".encode()
            case "rest-xml":
                body = f"<Error><Code>{code}</Code><Message>{said}</Message></Error>".encode()
            case "smithy-rpc-v2-cbor":
                headers |= {"smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor"}
                body = b"\xa1\x66__type" + bytes([0x60 + len(code)]) + code.encode()
            case _:
                headers |= {"x-amzn-errortype": code}
                body = json.dumps({"__type": code, "message": said}).encode()
        return status, headers, body


CODES = {
    "ec2": (("RequestLimitExceeded", 503), ("UnauthorizedOperation", 403)),
    "query": (("Throttling", 400), ("AccessDenied", 403)),
    "rest-xml": (("SlowDown", 503), ("AccessDenied", 403)),
    "json": (("ThrottlingException", 400), ("AccessDeniedException", 400)),
}
"""By the protocol of a service: how it says "not now", and how it refuses; with the status of the answer."""


# How a run meets a fault. Each gets the call as a partial of (client, operation, arguments), and what answers for AWS.


def killed(make: partial[Any], answered: Answered) -> Any:
    """AWS has done it, and nobody hears the answer: the worst of being killed."""
    make()
    raise KilledError


def throttled(make: partial[Any], answered: Answered) -> Any:
    """Not now."""
    answered.left, answered.refusing = 1, False
    return make()


def refused(make: partial[Any], answered: Answered) -> Any:
    """These credentials may not."""
    answered.left, answered.refusing = 1, True
    return make()


def twice(make: partial[Any], answered: Answered) -> Any:
    """Another run of ours has done the same a moment before."""
    try:
        make()
    except ClientError:
        return make()
    return make()


def stranger(make: partial[Any], answered: Answered) -> Any:
    """Somebody else has made a thing of that name, which does not say that it is ours."""
    *what, arguments = make.args
    given = {key: value for key, value in arguments.items() if key not in (*NAMING, "ClientToken", "CreatorRequestId")}
    before = census()
    try:
        make.func(*what, given)
    except ClientError:
        return make()
    after = census()
    answered.theirs = {key: after[key] - before[key] for key in after}
    return make()


FAULTS = {one.__name__: one for one in (killed, throttled, refused, twice, stranger)}


def concerns(fault: str, call: str) -> bool:
    """Tell whether a call can meet a fault: only what makes a thing that bears tags can be a stranger's."""
    return fault != "stranger" or (
        call.partition(".")[2].startswith(CREATES)
        and call not in ("ec2.create_route", "ec2.create_network_acl_entry", "kms.create_alias")
        and call not in ("s3.create_bucket", "backup.create_backup_selection")
    )


@dataclass(frozen=True)
class Scenario:
    """An account as it is prepared, and the verb that meets the fault there. `prepare` returns what is declared."""

    verb: str
    prepare: Callable[[], str]


def _nothing() -> str:
    return ""


def public() -> str:
    """Declare a machine with an address of its own, and a name in a zone that is there."""
    return f"public: true, zone: {zone()}"


def _broken() -> str:
    declared = public()
    target(declared).provision(quiet)
    break_things()
    return declared


def _without_profile() -> str:
    target().provision(quiet)
    take_the_profile_away()
    return ""


def _installed() -> str:
    target().provision(quiet)
    return ""


def _behind() -> str:
    return FRONT


def _behind_installed() -> str:
    target(FRONT).provision(quiet)
    return FRONT


def _front_broken() -> str:
    target(FRONT).provision(quiet)
    break_the_front()
    return FRONT


def reading() -> str:
    """Declare a balancer that reads requests, with a name in a zone that is there."""
    return f"load_balancer: {{kind: application}}, zone: {zone()}"


def _reading_installed() -> str:
    declared = reading()
    target(declared).provision(quiet)
    return declared


def _reading_broken() -> str:
    declared = _reading_installed()
    break_what_reads()
    return declared


def _old_key() -> str:
    an_old_key_bears_the_name()
    return ""


MAKING = {
    "install": Scenario("provision", _nothing),
    "public install": Scenario("provision", public),
    "repair": Scenario("provision", _broken),
    "repair of a machine without a role": Scenario("provision", _without_profile),
    "install after a key's end": Scenario("provision", _old_key),
    "install behind a balancer": Scenario("provision", _behind),
    "repair of a balancer": Scenario("provision", _front_broken),
    "install behind a balancer that reads": Scenario("provision", reading),
    "repair of a balancer that reads": Scenario("provision", _reading_broken),
}
REMOVING = {
    "destroy": Scenario("destroy", _installed),
    "destroy of what was broken": Scenario("destroy", _broken),
    "destroy of a balancer": Scenario("destroy", _behind_installed),
    "destroy of a balancer that reads": Scenario("destroy", _reading_installed),
}

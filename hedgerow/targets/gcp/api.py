"""The one door to Google Cloud: every call goes through `Google.call`, by its name in methods.yml.

Proxies, CA bundles and credentials are google-auth's and requests' own affair: nothing is set here that would override
them. Operations are waited for here, so that a call that has returned has done what it says.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import google.auth
import requests
import yaml
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession

from hedgerow.errors import UnreachableError
from hedgerow.targets.cloud.patience import patiently

FILE = Path(__file__).with_name("methods.yml")
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
SECONDS = 150
"""A call that waits for an operation is answered after two minutes at most."""
WAITS = 10
"""How often an operation is waited for before it takes too long."""
PASSING = frozenset({429, 500, 502, 503, 504})
PASSING_REASONS = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "backendError", "resourceNotReady"})
UNSETTLED = re.compile(r"kms key.*permission|useToEncrypt|service account .*(does not exist|not found)", re.IGNORECASE)
"""What a grant or an account that was made a moment ago gives rise to, until all of Google knows it."""
DENIED = frozenset({"forbidden", "PERMISSION_DENIED", "IAM_PERMISSION_DENIED"})
NUMBER = re.compile(r"\b\d{10,}\b")
Row = dict[str, Any]


@dataclass(frozen=True)
class Method:
    """One call: how it is made, the permissions that it takes, and the key of the declaration that it is made for."""

    name: str
    verb: str
    address: str
    needs: tuple[str, ...]
    when: str = ""
    operates: bool = True
    """Whether a call that is not a GET begins an operation of Compute."""
    numbered: bool = True
    """Whether that takes a number (requestId) by which it is done once."""


class RefusedError(UnreachableError):
    """Google's refusal of one call, or of what an operation was to do; for a person without the project's number."""

    def __init__(self, method: str, status: int, reason: str, said: str) -> None:
        denied = status == 403 and reason in DENIED
        fix = (
            "Give these credentials the role that `preflight --iam-policy` prints, then run the same command again."
            if denied
            else "Run the same command again: what is there is kept."
        )
        super().__init__(f"Google refused {method}: {NUMBER.sub('NUMBER', said)}", fix)
        self.status, self.reason = status, reason

    @property
    def passing(self) -> bool:
        """Whether the same call may succeed in a moment."""
        unsettled = self.status == 400 and UNSETTLED.search(str(self.message)) is not None
        return self.status in PASSING or self.reason in PASSING_REASONS or unsettled

    @property
    def absent(self) -> bool:
        """Whether the thing is not there, or its whole service is not switched on."""
        return self.status == 404 or self.reason in ("accessNotConfigured", "SERVICE_DISABLED")


@cache
def methods() -> Mapping[str, Method]:
    """Return every call that can be made, by name."""
    said = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    services = said["services"]
    return {
        name: Method(
            name,
            row["verb"],
            services[name.partition(".")[0]] + row["at"],
            tuple(row["needs"]),
            row.get("when", ""),
            row.get("operates", True),
            row.get("numbered", True),
        )
        for name, row in said["methods"].items()
    }


class Google:
    """One project as one deployment sees it. Safe to use from several threads."""

    def __init__(self, project: str, region: str, zone: str) -> None:
        self.place = {"project": project, "region": region, "zone": zone}
        self._credentials: Any = None
        self._lock = threading.Lock()
        self._own = threading.local()

    def call(
        self,
        name: str,
        path: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
    ) -> Row:
        """Make one call, patiently, and see its operation through. Raises UnreachableError: RefusedError by Google."""
        method = methods()[name]
        asked = dict(query or {})
        compute = name.startswith("compute.") and method.verb != "GET" and method.operates
        if compute and method.numbered:
            # The same number for each try: what was done and not heard of is not done twice.
            asked["requestId"] = str(uuid.uuid4())
        address = method.address.format(**self.place, **(path or {}))
        try:
            said = patiently(lambda: self._once(method, address, body, asked), _passing)
        except (requests.RequestException, GoogleAuthError) as error:
            raise UnreachableError(
                f"{name}: Google Cloud was not reached: {error}",
                "Credentials are those of gcloud auth application-default login; proxies and CA bundles requests' own.",
            ) from error
        return self._seen_through(method, said) if compute else said

    def ask(
        self,
        name: str,
        path: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
    ) -> Row | None:
        """Make one call; None where the thing is not there. Raises UnreachableError: RefusedError by Google."""
        try:
            return self.call(name, path, body=body, query=query)
        except RefusedError as refused:
            if refused.absent:
                return None
            raise

    def wait(self, operation: Row) -> Row:
        """Return one of Service Usage's operations once it is done. Raises RefusedError."""
        for attempt in range(WAITS * 30):
            if operation.get("done"):
                break
            threading.Event().wait(min(2.0, 0.05 * 2**attempt))
            operation = self.call("serviceusage.operations.get", {"operation": operation["name"]})
        if "error" in operation:
            error = operation["error"]
            raise RefusedError("serviceusage.services.batchEnable", error.get("code", 0), "", error.get("message", ""))
        return operation

    def _once(self, method: Method, address: str, body: Any, query: Mapping[str, Any]) -> Row:
        answer = self._session().request(method.verb, address, json=body, params=dict(query), timeout=SECONDS)
        said: Row = answer.json() if answer.content else {}
        if answer.status_code >= 400:
            raise _refused(method.name, answer.status_code, said)
        return said

    def _session(self) -> AuthorizedSession:
        """Return this thread's session: one is not for several threads, credentials are."""
        if not hasattr(self._own, "session"):
            with self._lock:
                if self._credentials is None:
                    self._credentials, _ = google.auth.default(scopes=[SCOPE])  # type: ignore[no-untyped-call]
                session = AuthorizedSession(self._credentials)  # type: ignore[no-untyped-call]
                if not self._credentials.valid:
                    self._credentials.refresh(google.auth.transport.requests.Request(session=requests.Session()))
            self._own.session = session
        found: AuthorizedSession = self._own.session
        return found

    def _seen_through(self, method: Method, operation: Row) -> Row:
        """Wait for an operation of Compute: "wait" answers when it is done, or after two minutes."""
        waiting, path = _waiting(operation)
        for _ in range(WAITS):
            if operation.get("status") == "DONE":
                break
            operation = self.call(waiting, path)
        else:
            raise UnreachableError(
                f"{method.name} takes Google more than {WAITS * 2} minutes", "Run the same command again."
            )
        if "error" in operation:
            errors = operation["error"]["errors"]
            text = "; ".join(f"{one.get('code')}: {one.get('message')}" for one in errors)
            raise RefusedError(method.name, operation.get("httpErrorStatusCode", 0), str(errors[0].get("code")), text)
        return operation


def _waiting(operation: Row) -> tuple[str, dict[str, str]]:
    """Return the call that waits for an operation, and the operation's place."""
    name = {"operation": str(operation["name"])}
    for scope in ("zone", "region"):
        if scope in operation:
            return f"compute.{scope}Operations.wait", name
    return "compute.globalOperations.wait", name


def _passing(error: Exception) -> bool:
    return isinstance(error, requests.ConnectionError | requests.Timeout) or (
        isinstance(error, RefusedError) and error.passing
    )


def _refused(method: str, status: int, said: Any) -> RefusedError:
    error = said.get("error", {}) if isinstance(said, dict) else {}
    error = error if isinstance(error, dict) else {"message": str(error)}
    reasons = [one.get("reason") for one in (*error.get("errors", ()), *error.get("details", ()))]
    reason = next((str(one) for one in reasons if one), str(error.get("status", "")))
    return RefusedError(method, status, reason, str(error.get("message", "")))

"""What there is: resources, policies, and what was asked. One lock around all of it; a reset makes it anew."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import threading
from base64 import b64encode
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

PROJECT, NUMBER = "acme-analytics", "415104041262"
EMAIL = f"operator@{PROJECT}.iam.gserviceaccount.com"
KINDS = ("unavailable", "quota", "quota-late", "fails-late", "denied", "exists", "lost", "cut", "faster")
"""What goes wrong. lost: done, and the connection ends. cut: done, and what is heard ends the caller, as if it had been
killed. exists: somebody makes it, and we hear so. faster: somebody does just that a moment before."""
# Those of https://cloud.google.com/service-usage/docs/enabled-service#default that matter here.
DEFAULT_SERVICES = (
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "serviceusage.googleapis.com",
    "storage.googleapis.com",
    "storage-api.googleapis.com",
)
SERVED = ("cloudkms", "cloudresourcemanager", "compute", "dns", "iam")


@dataclass
class Fault:
    """Something that goes wrong at calls of a method ("compute.*.insert"): after `after` of them, `times` times."""

    method: str
    kind: str
    times: int = 1
    after: int = 0

    def strikes(self, method: str) -> bool:
        """Tell whether it is this call's turn, and count it."""
        if not fnmatchcase(method, self.method) or self.times == 0:
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return True


@dataclass(frozen=True)
class Call:
    """One call that was answered."""

    method: str
    path: str
    changes: bool
    status: int
    fault: str
    seconds: float  # of this process's own work: it does not grow when the machine is busy with something else


@dataclass
class World:
    """Everything. `rows` holds the resources by service and full name, as "compute:projects/x/global/networks/y"."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    operations: dict[str, Any] = field(default_factory=dict)
    requests: dict[tuple[str, str], str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    services: set[str] = field(default_factory=set)
    withheld: set[str] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    polls: int = 1
    waiting: str = ""
    """The address where a real machine waits that plays the first instance."""
    numbers: Any = field(default_factory=lambda: itertools.count(1))
    lock: Any = field(default_factory=threading.RLock)

    def reset(self, *, new: bool = False, polls: int = 1) -> None:
        """Begin anew; `new` with the services of a project made a minute ago, else with all that are served."""
        for held in (self.rows, self.policies, self.operations, self.requests, self.blobs, self.agents, self.withheld):
            held.clear()
        self.calls.clear()
        self.faults.clear()
        self.numbers = itertools.count(1)
        self.polls = polls
        self.services = set(DEFAULT_SERVICES) | (set() if new else {f"{one}.googleapis.com" for one in SERVED})
        self.policies[f"project:{PROJECT}"] = {
            "version": 1,
            "etag": etag("first"),
            "bindings": [{"role": "roles/owner", "members": ["user:jane@acme.example"]}],
        }

    def fault(self, method: str) -> str:
        """Return what goes wrong with this call, or nothing."""
        return next((one.kind for one in self.faults if one.strikes(method)), "")

    def under(self, prefix: str) -> list[dict[str, Any]]:
        """Return the rows right below a name: "cloudkms:projects/x/keyRings/" has the rings and not their keys."""
        return [
            row for name, row in sorted(self.rows.items()) if name.startswith(prefix) and "/" not in name[len(prefix) :]
        ]

    def identity(self) -> str:
        """Return a number like those that Google gives, in the order of creation."""
        return str(4_000_000_000_000_000_000 + next(self.numbers) * 7919)

    def shown(self) -> dict[str, Any]:
        """Return a copy of what there is, for a test to look at."""
        return copy.deepcopy({"rows": self.rows, "policies": self.policies, "services": sorted(self.services)})

    def called(self) -> list[dict[str, Any]]:
        """Return every call so far."""
        return [asdict(one) for one in self.calls]


def etag(value: Any) -> str:
    """Return what changes whenever the value does."""
    return b64encode(hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()[:9]).decode()


def now() -> str:
    """Return the time as Google writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

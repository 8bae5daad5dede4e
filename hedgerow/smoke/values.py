"""What a smoke test is told, and what it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

OK, FAILED, NOT_TRIED = "ok", "failed", "not-tried"


@dataclass(frozen=True)
class SmokeSheet:
    """What to test, and from where.

    `address` is where `domain` is reached. `ca_file` is the CA to trust instead of this system's, `certificate` a file
    with the client certificate and key that the interface asks for. `stranger` is an
    address of this machine that is on no allow-list, or "". What is not restricted is open to a stranger by
    declaration. `timeout` is how long an event may take from the SDK to the API, in seconds. `second_factor` fetches
    the seed of the account's codes; it is asked for only where the service wants a code. `services` are
    those that are deployed. `browser_sdk` is the script of the browser SDK, where a browser is to be tried as well.
    """

    domain: str
    address: str
    email: str
    password: str = field(repr=False)
    port: int = 443
    plain_port: int = 80
    ca_file: Path | None = None
    certificate: Path | None = None
    stranger: str = ""
    interface_restricted: bool = True
    ingest_restricted: bool = False
    events: int = 10
    timeout: float = 60.0
    second_factor: Callable[[], str] | None = field(default=None, repr=False)
    services: tuple[str, ...] = ()
    browser_sdk: Path | None = None

    @property
    def replays(self) -> bool:
        """Whether recordings are kept and played."""
        return {"replay-capture", "ingestion-sessionreplay", "recording-api"} <= {*self.services}


@dataclass(frozen=True)
class Step:
    """One thing tried. `status` is ok, failed or not-tried; `detail` says what was seen, or why it was not tried."""

    name: str
    status: str
    detail: str
    seconds: float


@dataclass(frozen=True)
class SmokeReport:
    """All steps in order. `stand_in` is true when the answers say that they are not PostHog's."""

    steps: tuple[Step, ...]
    stand_in: bool = False

    @property
    def ok(self) -> bool:
        """True when nothing failed; a step that was not tried for want of a stranger is no failure."""
        return all(step.status != FAILED for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {"ok": self.ok, "stand_in": self.stand_in, "steps": [asdict(step) for step in self.steps]}

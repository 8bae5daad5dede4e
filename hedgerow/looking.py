"""What a deployment is now: its hosts, whether they answer, what is not well there, and the address of its page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hedgerow import health, measured, observing, people
from hedgerow.errors import HedgerowError
from hedgerow.flow import Work
from hedgerow.hosts import Host, Site
from hedgerow.images import table_of
from hedgerow.proof import ca_file
from hedgerow.unwell import Trouble
from hedgerow.variables import edge_host


@dataclass(frozen=True)
class SeenHost:
    """A host as it answered just now; `detail` says why it did not.

    `disk_free` are bytes at the fullest of the paths where data lie, `days_left` the days until events are refused at
    the declared rate: None where nothing of the stores grows, or where the host did not answer. `looked_at` is
    when its own timer last looked, in seconds since 1970. `events_waiting` lie in the event log and are not stored yet:
    None where no event log runs, or it did not say.
    """

    name: str
    address: str
    roles: tuple[str, ...]
    reachable: bool
    detail: str
    disk_free: int | None = None
    days_left: int | None = None
    refusing_events: bool = False
    unwell: tuple[Trouble, ...] = ()
    looked_at: float | None = None
    events_waiting: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it under its published names."""
        return {
            **asdict(self),
            "roles": list(self.roles),
            "unwell": [{"what": one.what, "reason": one.reason, "fix": one.fix} for one in self.unwell],
        }


@dataclass(frozen=True)
class Public:
    """The page: its URL, the address it has before its name exists, and the CA to trust (None: a public one)."""

    url: str
    address: str
    ca_file: Path | None


@dataclass(frozen=True)
class Status:
    """A deployment at one moment."""

    name: str
    target: str
    stand_in: bool
    hosts: tuple[SeenHost, ...]
    public: Public | None
    notes: tuple[str, ...] = ()
    """What is well, and will not be for long: administrators whose day comes."""


def public_page(work: Work, site: Site) -> Public:
    """Return where the deployment's page is."""
    declaration = work.declaration
    return Public(f"https://{declaration.domain}", edge_host(site).address, ca_file(work.deployment, declaration))


def status(work: Work) -> Status:
    """Try every host once, all at the same time."""
    states = {state.name: state for state in work.target.observe()}
    try:
        site = work.target.site()
    except HedgerowError:
        hosts = tuple(
            SeenHost(state.name, "", (), False, f"{state.state} {state.detail}".strip()) for state in states.values()
        )
        return Status(work.declaration.name, work.declaration.target.kind, False, hosts, None)
    with ThreadPoolExecutor(8) as pool:
        seen = tuple(pool.map(lambda host: _try(work, host), site.hosts))
    page = public_page(work, site) if work.deployment.authority.exists() else None
    notes = people.ending(work.declaration.access.administrators, datetime.now(UTC).date())
    return Status(work.declaration.name, work.declaration.target.kind, site.stand_ins, seen, page, notes)


def _try(work: Work, host: Host) -> SeenHost:
    declaration = work.declaration
    question = health.question(declaration, host, table_of(declaration))
    try:
        found = observing.ask(host, work.deployment.known_hosts, question)
    except HedgerowError as error:
        return SeenHost(host.name, host.address, host.roles, False, error.message)
    reserve, a_day = question["reserve"], question["a_day"]
    free = min(found.seen.free.values(), default=None)
    days = None if free is None else measured.days_left(free, a_day, reserve)
    unwell = (*measured.judge(found, reserve=reserve, a_day=a_day), *measured.unwatched(found))
    refusing, looked, late = found.seen.refusing, found.watch.at or None, measured.waiting(found)
    return SeenHost(host.name, host.address, host.roles, True, "", free, days, refusing, unwell, looked, late)

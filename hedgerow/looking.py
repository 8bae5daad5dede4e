"""What a deployment is now: its hosts, whether they answer, and the address of its page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hedgerow import ssh
from hedgerow.errors import HedgerowError
from hedgerow.flow import Work
from hedgerow.hosts import Host, Site
from hedgerow.proof import ca_file
from hedgerow.variables import edge_host


@dataclass(frozen=True)
class SeenHost:
    """A host as it answered just now; `detail` says why it did not."""

    name: str
    address: str
    roles: tuple[str, ...]
    reachable: bool
    detail: str


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
    return Status(work.declaration.name, work.declaration.target.kind, site.stand_ins, seen, page)


def _try(work: Work, host: Host) -> SeenHost:
    try:
        ssh.ask(host, work.deployment.known_hosts, ["true"])
    except HedgerowError as error:
        return SeenHost(host.name, host.address, host.roles, False, error.message)
    return SeenHost(host.name, host.address, host.roles, True, "")

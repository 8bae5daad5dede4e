"""What a verify run is told about the cloud side of a deployment: where it lies, and what was declared of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hedgerow.declaration import Declaration, resolve_sources

CLOUDS = ("aws",)
"""The kinds of targets whose account is asked beside the hosts."""

BACKUP_DAYS = 35
"""Days for which a backup cannot be removed."""
IMAGE_OWNERS = {"debian-13": "136693071363", "ubuntu-24.04": "099720109477"}
"""Who publishes each distribution's own images, as Debian's wiki (Cloud/AmazonEC2Image) and Canonical's pages say."""

SIX_YEARS = 2192
"""Days that records are kept, leap days included: 164.316(b)(2)(i)."""


@dataclass(frozen=True)
class CloudSheet:
    """The facts of the declaration that checks of a cloud may know; `kind` is also the findings' place.

    `ingress` are the ports that may be entered, each with the networks that may; `public`: the machines have public
    addresses. `lock_days` is how long a backup cannot be removed, `image_owners` whose images may be started.
    `balancer`: TLS ends at a load balancer.
    """

    kind: str
    deployment: str
    region: str
    domain: str = ""
    public: bool = False
    ingress: tuple[tuple[int, tuple[str, ...]], ...] = ()
    image_owners: tuple[str, ...] = ()
    lock_days: int = BACKUP_DAYS
    record_days: int = SIX_YEARS
    balancer: bool = False

    @property
    def place(self) -> tuple[str, str, tuple[str, ...]]:
        """The account as evidence lists it among the hosts: name, where it is, and what it plays."""
        return self.kind, self.region, (self.kind,)

    @staticmethod
    def from_plain(fields: dict[str, Any]) -> CloudSheet:
        """Read what `asdict` made, after a way through JSON."""
        ingress = tuple((port, tuple(networks)) for port, networks in fields["ingress"])
        return CloudSheet(**{**fields, "ingress": ingress, "image_owners": tuple(fields["image_owners"])})


def cloud_sheets(declaration: Declaration, controller: str) -> tuple[CloudSheet, ...]:
    """Return the sheet of the account that a declaration's target lives in; empty where it lives in none."""
    target: Any = declaration.target
    if target.kind not in CLOUDS:
        return ()
    access = declaration.access
    web = _networks(resolve_sources((*access.interface_from, *access.ingest_from), controller))
    ssh = _networks(resolve_sources(access.ssh_from, controller)) if target.public else ()
    sheet = CloudSheet(
        kind=target.kind,
        deployment=declaration.name,
        region=target.region,
        domain=declaration.domain,
        public=target.public,
        ingress=((22, ssh), (80, web), (443, web)),
        image_owners=(IMAGE_OWNERS[target.image],),
    )
    return (sheet,)


def _networks(sources: Iterable[str]) -> tuple[str, ...]:
    return tuple(one for each in sources for one in (("0.0.0.0/0", "::/0") if each == "any" else (each,)))

"""What a verify run is told about the cloud side of a deployment: where it lies, and what was declared of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CLOUDS = ("aws",)
"""The kinds of targets whose account is asked beside the hosts."""

SIX_YEARS = 2192
"""Days that records are kept, leap days included: 164.316(b)(2)(i)."""


@dataclass(frozen=True)
class CloudSheet:
    """The facts of the declaration that checks of a cloud may know; `kind` is also the findings' place.

    `ingress` are the ports that may be entered, each with the networks that may; `public`: the machines have public
    addresses. `lock_days` is how long a backup cannot be removed, `image_owners` whose images may be started.
    `balancer`: TLS ends at a load balancer. `zone`: a name server's zone here holds the domain.
    """

    kind: str
    deployment: str
    region: str
    domain: str = ""
    public: bool = False
    ingress: tuple[tuple[int, tuple[str, ...]], ...] = ()
    image_owners: tuple[str, ...] = ()
    lock_days: int = 1
    record_days: int = SIX_YEARS
    balancer: bool = False
    zone: bool = False

    @property
    def place(self) -> tuple[str, str, tuple[str, ...]]:
        """The account as evidence lists it among the hosts: name, where it is, and what it plays."""
        return self.kind, self.region, (self.kind,)

    @staticmethod
    def from_plain(fields: dict[str, Any]) -> CloudSheet:
        """Read what `asdict` made, after a way through JSON."""
        ingress = tuple((port, tuple(networks)) for port, networks in fields["ingress"])
        return CloudSheet(**{**fields, "ingress": ingress, "image_owners": tuple(fields["image_owners"])})

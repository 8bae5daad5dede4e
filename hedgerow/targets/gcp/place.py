"""Where a deployment lies in Google Cloud, and the names of what is made for it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from hedgerow.declaration.gcp import bucket
from hedgerow.targets.gcp.kind import LABEL

LONGEST_ACCOUNT = 30
RETENTION_DAYS = 2192
"""Six years (45 CFR 164.316(b)(2)(i)), leap days included."""
BACKUP_DAYS = 35
"""How long a copy of a disk is kept, and for how long at least a backup cannot be removed."""


@dataclass(frozen=True)
class Place:
    """A project, a region and a zone in it, as one deployment sees them."""

    project: str
    region: str
    zone: str
    deployment: str

    @property
    def name(self) -> str:
        """How every name of ours begins."""
        return f"hedgerow-{self.deployment}"

    @property
    def labels(self) -> dict[str, str]:
        """What marks a thing as this deployment's."""
        return {LABEL: self.deployment}

    def everywhere(self, rest: str) -> str:
        """Return the link of something that lies in no region."""
        return f"projects/{self.project}/global/{rest}"

    def in_region(self, rest: str) -> str:
        """Return the link of something in the region."""
        return f"projects/{self.project}/regions/{self.region}/{rest}"

    def in_zone(self, rest: str) -> str:
        """Return the link of something in the zone."""
        return f"projects/{self.project}/zones/{self.zone}/{rest}"

    def key(self, name: str) -> str:
        """Return the full name of one of our keys."""
        return f"projects/{self.project}/locations/{self.region}/keyRings/{self.name}/cryptoKeys/{name}"

    def bucket(self, name: str) -> str:
        """Return a bucket's name: one that nobody else in the world has, and that does not say the project's."""
        return bucket(self.project, self.region, self.deployment, name)

    @property
    def email(self) -> str:
        """The machine's account: its first part has 30 letters at most."""
        short = self.name
        if len(short) > LONGEST_ACCOUNT:
            short = f"{short[: LONGEST_ACCOUNT - 9]}-{hashlib.sha256(short.encode()).hexdigest()[:8]}"
        return f"{short}@{self.project}.iam.gserviceaccount.com"


@dataclass(frozen=True)
class Wanted:
    """What of a declaration concerns the cloud. The lists of sources hold IPv4 networks only."""

    target: Any
    domain: str
    ssh_from: tuple[str, ...]
    web_from: tuple[str, ...]
    outbound: Mapping[int, tuple[str, ...]]
    ssh_key: str
    backs_up: bool = False
    """Whether the machine's own backups go to the bucket of backups."""

    @property
    def closed(self) -> bool:
        """Whether nothing is reached outside but Google's own APIs and what is declared."""
        return bool(self.target.egress == "none")

    @property
    def translated(self) -> bool:
        """Whether a NAT is needed: not with an address of its own, nor where all that is reached is private."""
        declared = [ip_network(one) for places in self.outbound.values() for one in places]
        return not self.target.public and (not self.closed or not all(one.is_private for one in declared))

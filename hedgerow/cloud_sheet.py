"""What a verify run is told about the cloud side of a deployment: where it lies, and what was declared of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from hedgerow import outward
from hedgerow.declaration import Declaration, resolve_sources
from hedgerow.declaration.networks import is_inner
from hedgerow.targets.cloud import first_boot

BACKUP_DAYS = 35
"""Days for which a backup cannot be removed."""
IMAGE_OWNERS = {"debian-13": "136693071363", "ubuntu-24.04": "099720109477"}
"""Who publishes each distribution's own images, as Debian's wiki (Cloud/AmazonEC2Image) and Canonical's pages say."""
IMAGE_PROJECTS = {"debian-13": "debian-cloud", "ubuntu-24.04": "ubuntu-os-cloud"}
"""The project of Google Cloud that each publishes in: https://cloud.google.com/compute/docs/images/os-details."""
IAP = "35.235.240.0/20"
"""Where Identity-Aware Proxy connects from: https://cloud.google.com/iap/docs/using-tcp-forwarding."""
RESTRICTED = "199.36.153.4/30"
"""Where Google's APIs are reached without the internet:
https://cloud.google.com/vpc-service-controls/docs/set-up-private-connectivity."""
EVERYBODY = ("0.0.0.0/0", "::/0")
OPEN = (("tcp", 80, EVERYBODY), ("tcp", 443, EVERYBODY), ("udp", 123, EVERYBODY))
"""What a machine reaches where nothing narrower is declared: packages, images, time."""

SIX_YEARS = 2192
"""Days that records are kept, leap days included: 164.316(b)(2)(i)."""


@dataclass(frozen=True)
class CloudSheet:
    """The facts of the declaration that checks of any cloud may know; `kind` is also the findings' place.

    `ingress` are the ports that may be entered, each with the networks that may; `public`: the machines have public
    addresses. `lock_days` is how long a backup cannot be removed, `record_days` how long a record is kept.
    """

    kind: str
    deployment: str
    region: str
    domain: str = ""
    public: bool = False
    ingress: tuple[tuple[int, tuple[str, ...]], ...] = ()
    lock_days: int = BACKUP_DAYS
    record_days: int = SIX_YEARS

    @property
    def place(self) -> tuple[str, str, tuple[str, ...]]:
        """The account as evidence lists it among the hosts: name, where it is, and what it plays."""
        return self.kind, self.region, (self.kind,)

    @staticmethod
    def from_plain(fields: dict[str, Any]) -> CloudSheet:
        """Read what `asdict` made of a cloud's sheet, after a way through JSON."""
        ingress = tuple((port, tuple(networks)) for port, networks in fields["ingress"])
        known: dict[str, Any] = {**fields, "ingress": ingress}
        if "egress" in fields:
            known["egress"] = tuple((protocol, port, tuple(places)) for protocol, port, places in fields["egress"])
        known |= {
            name: tuple(fields[name])
            for name in ("image_owners", "image_projects", "scripts", "clients")
            if name in fields
        }
        return SHEETS[fields["kind"]](**known)


@dataclass(frozen=True)
class AwsSheet(CloudSheet):
    """And those of AWS: `image_owners`, whose images may be started; `balancer`: a load balancer is in front, and it
    `reads` requests, which AWS WAF judges."""

    image_owners: tuple[str, ...] = ()
    balancer: bool = False
    reads: bool = False


@dataclass(frozen=True)
class GcpSheet(CloudSheet):
    """And those of Google Cloud: the project, the projects whose images may be started, what may be reached outside
    (protocol, port, networks), whether a NAT leads there, the SHA-256 of each script that metadata may run, whether a
    load balancer is in front, and the networks that clients may come to it from."""

    project: str = ""
    image_projects: tuple[str, ...] = ()
    egress: tuple[tuple[str, int, tuple[str, ...]], ...] = ()
    nat: bool = True
    scripts: tuple[str, ...] = ()
    balancer: bool = False
    clients: tuple[str, ...] = ()


SHEETS: dict[str, type[CloudSheet]] = {"aws": AwsSheet, "gcp": GcpSheet}
"""By kind of target."""


def cloud_sheets(declaration: Declaration, controller: str) -> tuple[CloudSheet, ...]:
    """Return the sheet of the account that a declaration's target lives in; empty where it lives in none."""
    target: Any = declaration.target
    if target.kind not in SHEETS:
        return ()
    access = declaration.access
    web = _networks(resolve_sources((*access.interface_from, *access.ingest_from), controller))
    ssh = _networks(resolve_sources(access.ssh_from, controller)) if target.public else ()
    if target.kind == "gcp":
        return (gcp_sheet(target, declaration.name, declaration.domain, ssh, web, outward.places(declaration)),)
    sheet = AwsSheet(
        kind=target.kind,
        deployment=declaration.name,
        region=target.region,
        domain=declaration.domain,
        public=target.public,
        ingress=((22, ssh), (80, web), (443, web)),
        image_owners=(IMAGE_OWNERS[target.image],),
        balancer=target.load_balancer is not None,
        reads=target.reads_requests,
    )
    return (sheet,)


def gcp_sheet(
    target: Any,
    name: str,
    domain: str,
    ssh: Iterable[str],
    web: Iterable[str],
    reached: Iterable[outward.Place] = (),
) -> GcpSheet:
    """Return the sheet of a project. A machine that is not public is reached by Identity-Aware Proxy alone; it reaches
    what is `reached` outside."""
    web, declared = tuple(web), tuple(("tcp", port, (place,)) for port, place in reached)
    closed, relays = target.egress == "none", target.balancer_networks
    direct = tuple(one for one in web if is_inner(one)) if relays else web
    needed = any(not ip_network(place).is_private for _, _, (place,) in declared)
    return GcpSheet(
        kind="gcp",
        deployment=name,
        region=target.region,
        domain=domain,
        public=target.public,
        ingress=((22, tuple(ssh) if target.public else (IAP,)), (80, direct), (443, (*direct, *relays))),
        balancer=bool(relays),
        clients=web,
        project=target.project,
        image_projects=(IMAGE_PROJECTS[target.image],),
        egress=((("tcp", 443, (RESTRICTED,)),) if closed else OPEN) + declared,
        scripts=tuple(hashlib.sha256(one.encode()).hexdigest() for one in (first_boot.MOVE, first_boot.NOTHING)),
        nat=not target.public and (not closed or needed),
    )


def covered(network: str, by: Iterable[str]) -> bool:
    """Tell whether all of a network lies in one of these."""
    one = ip_network(network)
    allowed = [ip_network(each) for each in by]
    return any(one.version == each.version and one.subnet_of(each) for each in allowed)  # type: ignore[arg-type]


def _networks(sources: Iterable[str]) -> tuple[str, ...]:
    return tuple(one for each in sources for one in (EVERYBODY if each == "any" else (each,)))

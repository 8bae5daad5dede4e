"""Google Cloud as a declaration says it."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hedgerow.declaration import networks
from hedgerow.declaration.kinds import Email, Model, Yes
from hedgerow.declaration.machines import KIND, CloudMachine
from hedgerow.declaration.words import RefusedError, shown

SMALLEST, LARGEST = 28, 16
CLIENT_HEADER = "X-Hedgerow-Client"
"""Says to the edge whose request it is. The last of X-Forwarded-For would be the balancer's own address
(https://cloud.google.com/load-balancing/docs/https#x-forwarded-for_header)."""
TUNNEL = "35.235.240.0/20"
"""Where Identity-Aware Proxy connects from, by another address each time
(https://cloud.google.com/iap/docs/using-tcp-forwarding)."""
PROXIES = ("130.211.0.0/22", "35.191.0.0/16")
"""Where Google's global balancers and their probers connect from, to machines in the balancer's own project alone
(https://cloud.google.com/load-balancing/docs/firewall-rules)."""


def bucket(project: str, region: str, deployment: str, name: str) -> str:
    """Return the name of one of the buckets that are made: nobody else in the world has it, and it says no project."""
    where = hashlib.sha256(f"{project} {region} {deployment}".encode()).hexdigest()
    return f"hedgerow-{deployment}-{name}-{where[:12]}"


def _project(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", text):
        raise RefusedError(f"{shown(text)} is no id of a project", "Write it as the console shows it: acme-analytics.")
    return text


def _region(text: str) -> str:
    if not re.fullmatch(r"[a-z]+(-[a-z]+)+[0-9]+", text):
        raise RefusedError(f"{shown(text)} is no region of Google Cloud", "Write for example us-central1.")
    return text


def _letter(text: str) -> str:
    if not re.fullmatch(r"[a-z]", text):
        raise RefusedError(f"{shown(text)} is no letter of a zone", "Write for example b, for us-central1-b.")
    return text


def _dns_zone(text: str) -> str:
    if not re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", text):
        raise RefusedError(f"{shown(text)} is no name of a zone", "Write the name of the managed zone: acme-example.")
    return text


def _cidr(text: str) -> str:
    found = networks.network(text)
    if found.version != 4 or not LARGEST <= found.prefixlen <= SMALLEST or not found.is_private:
        raise RefusedError(
            f"{shown(text)} is no private IPv4 network of a length between {LARGEST} and {SMALLEST}",
            "Write for example 10.92.0.0/20.",
        )
    return networks.beside_containers(found)


def _proxy(text: str) -> str:
    place = networks.outbound(text)
    address = networks.ipv4(str(place["to"]))
    if not 1 <= place["port"] <= 65535:
        raise RefusedError(f"{place['port']} is no port", "Write for example 10.20.0.5:3128.")
    return f"{address}:{place['port']}"


def _certificate(text: str) -> str:
    if not re.fullmatch(
        r"projects/[a-z][a-z0-9-]{4,28}[a-z0-9]/global/sslCertificates/[a-z]([-a-z0-9]{0,61}[a-z0-9])?", text
    ):
        raise RefusedError(
            f"{shown(text)} is no certificate of Compute Engine",
            "Write its name as the API has it: projects/acme-analytics/global/sslCertificates/analytics.",
        )
    return text


class GoogleBalancer(Model):
    """A global external application load balancer in front: it ends TLS, and Cloud Armor refuses attacks."""

    kind: Literal["application"] = Field(
        default="application", description="application: TLS ends in Google Cloud, and the edge is asked over TLS."
    )
    waf: Literal["block", "count"] = Field(
        default="block",
        description="block: Cloud Armor refuses what its rules match. count: it lets that through and writes it down,"
        " to see first whom the rules would hit.",
    )
    certificate: Annotated[str, AfterValidator(_certificate)] | None = Field(
        default=None,
        description="A certificate of yours in Compute Engine that the balancer shows. Default: Google makes one for"
        " the domain and renews it, once the domain leads to the balancer.",
        examples=["projects/acme-analytics/global/sslCertificates/analytics"],
    )


class Gcp(CloudMachine):
    """One machine in a network of its own in Google Cloud, with the keys and logs that HIPAA wants around it."""

    kind: Literal["gcp"] = Field(description=KIND)
    project: Annotated[str, AfterValidator(_project)] = Field(
        description="The project's id. One that is for this deployment alone is best.", examples=["acme-analytics"]
    )
    region: Annotated[str, AfterValidator(_region)] = Field(description="The region.", examples=["us-central1"])
    zone: Annotated[str, AfterValidator(_letter)] | None = Field(
        default=None, description="The letter of the zone in it. Default: the region's first."
    )
    cidr: Annotated[str, AfterValidator(_cidr)] = Field(
        default="10.92.0.0/20", description="The network of the subnet that is made: private, IPv4."
    )
    public: Yes = Field(
        default=False,
        description="Whether the machine has a public address. Default: no; SSH comes through Identity-Aware Proxy.",
    )
    load_balancer: GoogleBalancer | None = Field(
        default=None,
        description="An application load balancer with Cloud Armor and the one public address, before a machine without"
        " any. Write {} for a certificate that Google makes. Default: none.",
    )
    egress: Literal["nat", "none"] = Field(
        default="nat",
        description="nat: the machine reaches out through Cloud NAT, by the ports that packages and images need. none:"
        " Google's own APIs by private access and what is declared by address, and nothing else.",
    )
    packages_by: Annotated[str, AfterValidator(_proxy)] | None = Field(
        default=None,
        description="With `egress: none` alone, and needed there: the HTTP proxy, ADDRESS:PORT, by which the machine"
        " fetches its distribution's packages.",
        examples=["10.20.0.5:3128"],
    )
    lock: Yes = Field(
        default=False,
        description="Whether the buckets' retention is locked. Nobody can undo it: what lies there stays its time, six"
        " years for records, and a bucket with anything in it too. Default: no, and `gcp.buckets-locked` says so.",
    )
    audit: Yes = Field(
        default=False,
        description="Whether the installer writes down every look at data in the project, and lets nobody be exempt."
        " Google keeps that in the project's policy, so that its role can then give itself anything. Default: no, you"
        " switch it on once, and `gcp.audit-data-access` says whether you have.",
    )
    alerts_to: tuple[Email, ...] = Field(
        default=(), description="Whom alerts tell of changes to roles, network, keys and records. Default: nobody."
    )
    dns_zone: Annotated[str, AfterValidator(_dns_zone)] | None = Field(
        default=None,
        description="The managed zone of Cloud DNS, in this project, that holds the domain. Default: you set its A"
        " record.",
    )

    @property
    def tunnel_networks(self) -> tuple[str, ...]:
        """The IPv4 networks that SSH comes from besides: a machine without a public address is reached by a tunnel."""
        return () if self.public else (TUNNEL,)

    @property
    def reads_requests(self) -> bool:
        """Whether a balancer in front reads requests: then it alone knows its clients, and says so in a header."""
        return self.load_balancer is not None

    @property
    def balancer_networks(self) -> tuple[str, ...]:
        """The IPv4 networks that a load balancer of this declaration connects from."""
        return PROXIES if self.load_balancer else ()

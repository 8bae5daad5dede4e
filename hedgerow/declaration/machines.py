"""Where hosts come from, as a declaration says it: the targets and their hosts. The words are in `models`."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hedgerow.declaration import fields, networks
from hedgerow.declaration.kinds import Count, Email, File, Label, Model, Port, PublicKey, Yes
from hedgerow.declaration.words import RefusedError, shown

Role = Literal["edge", "app", "data"]
Roles = tuple[Role, ...]
EVERY_ROLE: Roles = ("edge", "app", "data")
KIND = "Where hosts come from: lab, onprem, aws or gcp."


class LabHost(Model):
    """A host that the lab boots."""

    name: Label = Field(description="The host's own name.", examples=["hedge-1"])
    roles: Roles = Field(default=EVERY_ROLE, description="What runs there: edge, app, data.")


class Lab(Model):
    """Throw-away hosts on this machine, with stand-ins in the place of PostHog's images."""

    kind: Literal["lab"] = Field(description=KIND)
    hosts: tuple[LabHost, ...] = Field(
        default=(LabHost(name="hedge-1"),), description="The hosts to boot. Default: one, hedge-1, with every role."
    )
    machine: Literal["container", "vm"] = Field(
        default="container",
        description="container: hosts share the kernel of this machine. vm: each has its own (QEMU), and takes longer.",
    )
    subnet: Annotated[str, AfterValidator(networks.lab_subnet)] | None = Field(
        default=None, description="The lab's own network (a private IPv4 /24). Default: a free one is chosen."
    )


class OnPremHost(Model):
    """A Debian 13 or Ubuntu 24.04 machine that SSH reaches."""

    name: Label = Field(description="The host's own name; it will be set.", examples=["analytics-1"])
    address: Annotated[str, AfterValidator(fields.host_address)] = Field(
        description="What you would type after `ssh`: an IP address or a name.", examples=["192.0.2.52"]
    )
    private_address: Annotated[str, AfterValidator(networks.ipv4)] | None = Field(
        default=None, description="The IPv4 address the host owns and its peers use. Needed with several hosts."
    )
    user: Annotated[str, AfterValidator(fields.login)] = Field(
        description="The account to connect with: not root, with sudo and no password asked.", examples=["debian"]
    )
    port: Port = Field(default=22, description="The port of SSH.")
    roles: Roles = Field(default=EVERY_ROLE, description="What runs there: edge, app, data.")
    identity_file: File | None = Field(
        default=None,
        description="The private key to connect with, relative to this file. Default: your SSH agent and keys.",
    )
    host_key: PublicKey | None = Field(
        default=None,
        description="The host's public key (/etc/ssh/ssh_host_ed25519_key.pub). Default: trusted on first use.",
    )


class OnPrem(Model):
    """Machines that are there already."""

    kind: Literal["onprem"] = Field(description=KIND)
    hosts: tuple[OnPremHost, ...] = Field(
        description="The machines.", examples=[[{"name": "analytics-1", "address": "192.0.2.52", "user": "debian"}]]
    )


def _id(text: str, start: str, length: str, what: str) -> str:
    if not re.fullmatch(rf"{start}-{length}", text):
        raise RefusedError(f"{shown(text)} is no id of {what}", f"Write it as AWS shows it: {start}-0123456789abcdef0.")
    return text


def _vpc_id(text: str) -> str:
    return _id(text, "vpc", "[0-9a-f]{8,17}", "a VPC")


def _subnet_id(text: str) -> str:
    return _id(text, "subnet", "[0-9a-f]{8,17}", "a subnet")


def _zone_id(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Z]{8,32}", text):
        raise RefusedError(f"{shown(text)} is no id of a hosted zone", "Route 53 shows it: Z0123456789ABCDEFGHIJ.")
    return text


def _region(text: str) -> str:
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-[0-9]", text):
        raise RefusedError(f"{shown(text)} is no region of AWS", "Write for example us-east-1.")
    return text


def _ipv4_network(text: str) -> str:
    found = networks.network(text)
    if found.version != 4:
        raise RefusedError(f"{shown(text)} is no IPv4 network", "Write for example 10.20.16.0/24.")
    return str(found)


class Vpc(Model):
    """A network that is there already: it is used as it is, with its routes, and never changed."""

    id: Annotated[str, AfterValidator(_vpc_id)] = Field(description="The VPC.", examples=["vpc-0123456789abcdef0"])
    subnet: Annotated[str, AfterValidator(_subnet_id)] = Field(
        description="The private subnet for the machine; packages must be reachable from it.",
        examples=["subnet-0123456789abcdef0"],
    )
    cidr: Annotated[str, AfterValidator(lambda text: networks.beside_containers(networks.network(text)))] = Field(
        description="The VPC's IPv4 network.", examples=["10.20.0.0/16"]
    )


def _certificate_arn(text: str) -> str:
    if not re.fullmatch(r"arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[0-9a-f-]{36}", text):
        what = f"{shown(text)} is no ARN of a certificate in ACM"
        raise RefusedError(what, "Certificate Manager shows it: arn:aws:acm:REGION:ACCOUNT:certificate/ID.")
    return text


class LoadBalancer(Model):
    """A load balancer in front: one that passes TCP on, or one that reads requests and has AWS WAF judge them."""

    kind: Literal["network", "application"] = Field(
        default="network",
        description="network: TCP is passed on, and TLS ends at the machine's own edge. application: TLS ends in AWS,"
        " AWS WAF judges each request, and the edge is asked over TLS.",
    )
    subnet: Annotated[str, AfterValidator(_subnet_id)] | None = Field(
        default=None,
        description="With `vpc` alone: the public subnet of it that the balancer lies in.",
        examples=["subnet-0fedcba9876543210"],
    )
    cidr: Annotated[str, AfterValidator(_ipv4_network)] | None = Field(
        default=None,
        description="With `vpc` alone: that subnet's IPv4 network, from which the balancer asks after the machine.",
        examples=["10.20.16.0/24"],
    )
    second_subnet: Annotated[str, AfterValidator(_subnet_id)] | None = Field(
        default=None,
        description="With `vpc` and kind application alone: another public subnet of it, in another zone.",
        examples=["subnet-0fedcba9876543211"],
    )
    second_cidr: Annotated[str, AfterValidator(_ipv4_network)] | None = Field(
        default=None,
        description="With `vpc` and kind application alone: the IPv4 network of that other subnet.",
        examples=["10.20.32.0/24"],
    )
    certificate: Annotated[str, AfterValidator(_certificate_arn)] | None = Field(
        default=None,
        description="With kind application alone: the certificate of ACM that clients see, by its ARN. Default: one is"
        " asked for, proven and renewed by a record in `zone`.",
        examples=["arn:aws:acm:us-east-1:111122223333:certificate/12345678-1234-1234-1234-123456789012"],
    )
    waf: Literal["block", "count"] = Field(
        default="block",
        description="With kind application alone: block: AWS WAF refuses what its rules match. count: it lets that"
        " through and writes it down, to see first whom the rules would hit.",
    )


def _sixteen(text: str) -> str:
    found = networks.network(text)
    if found.version != 4 or found.prefixlen != 16 or not found.is_private:
        raise RefusedError(f"{shown(text)} is no private IPv4 network of length 16", "Write for example 10.80.0.0/16.")
    return networks.beside_containers(found)


class CloudMachine(Model):
    """What a machine is in any cloud."""

    name: Label = Field(default="analytics-1", description="The machine's own name.")
    size: Literal["small", "medium", "large"] = Field(
        default="medium", description="small: 4 processors, 16 GiB. medium: 8 and 32. large: 16 and 64."
    )
    image: Literal["debian-13", "ubuntu-24.04"] = Field(
        default="debian-13", description="The distribution's own newest image, by its publisher."
    )
    root_gib: Count = Field(default=30, description="The system's disk, in GiB.")
    data_gib: Count = Field(default=300, description="The disk of /var, where all data lie, in GiB.")


class Aws(CloudMachine):
    """One machine in a network of its own in AWS, with the keys, trails and alarms that HIPAA wants around it."""

    kind: Literal["aws"] = Field(description=KIND)
    region: Annotated[str, AfterValidator(_region)] = Field(description="The region.", examples=["us-east-1"])
    cidr: Annotated[str, AfterValidator(_sixteen)] = Field(
        default="10.80.0.0/16", description="The network of the VPC that is made: private, IPv4, of length 16."
    )
    vpc: Vpc | None = Field(default=None, description="A VPC of yours instead. Default: one is made.")
    egress: Literal["nat", "endpoints"] = Field(
        default="nat",
        description="nat: the private subnet reaches out through a NAT gateway. endpoints: with `vpc` alone, AWS's own"
        " services through VPC endpoints, the rest by the routes of your VPC.",
    )
    public: Yes = Field(
        default=False,
        description="Whether the machine has a public address. Default: no; SSH comes through Session Manager.",
    )
    load_balancer: LoadBalancer | None = Field(
        default=None,
        description="A load balancer in front of a machine without any public address. Write {} for a network load"
        " balancer where the VPC is made. Default: none.",
    )
    lock: Literal["GOVERNANCE", "COMPLIANCE"] = Field(
        default="GOVERNANCE",
        description="How backups and logs are locked. COMPLIANCE: nobody can remove them before their time, not even"
        " the account's root, nor shorten it.",
    )
    alerts_to: tuple[Email, ...] = Field(default=(), description="Whom alarms tell; AWS asks each to confirm.")
    zone: Annotated[str, AfterValidator(_zone_id)] | None = Field(
        default=None, description="The hosted zone of Route 53 that holds the domain. Default: you set its A record."
    )

    @property
    def network(self) -> str:
        """The IPv4 network of the VPC, ours or the one that was there."""
        return self.vpc.cidr if self.vpc else self.cidr

    @property
    def private_network(self) -> str:
        """The IPv4 network of the machine's subnet, where the VPC is ours."""
        return f"{self.cidr.rsplit('.', 2)[0]}.0.0/20"

    @property
    def public_network(self) -> str:
        """The IPv4 network of the public subnet: ours, or the one that a load balancer of this declaration lies in."""
        declared = self.load_balancer.cidr if self.load_balancer else None
        return declared or f"{self.cidr.rsplit('.', 2)[0]}.16.0/20"

    @property
    def second_network(self) -> str:
        """The IPv4 network of the other public subnet, which an application load balancer needs in another zone."""
        declared = self.load_balancer.second_cidr if self.load_balancer else None
        return declared or f"{self.cidr.rsplit('.', 2)[0]}.32.0/20"

    @property
    def reads_requests(self) -> bool:
        """Whether a balancer in front reads requests: then it alone knows its clients, and says so in a header."""
        return self.load_balancer is not None and self.load_balancer.kind == "application"

    @property
    def balancer_networks(self) -> tuple[str, ...]:
        """The IPv4 networks that a load balancer of this declaration has its own addresses in."""
        if self.load_balancer is None:
            return ()
        return (self.public_network, self.second_network) if self.reads_requests else (self.public_network,)

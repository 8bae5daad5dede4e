"""Where hosts come from, as a declaration says it: the targets and their hosts. The words are in `models`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hedgerow.declaration import fields, networks
from hedgerow.declaration.kinds import File, Label, Model, Port, PublicKey

Role = Literal["edge", "app", "data"]
Roles = tuple[Role, ...]
EVERY_ROLE: Roles = ("edge", "app", "data")


class LabHost(Model):
    """A host that the lab boots."""

    name: Label = Field(description="The host's own name.", examples=["hedge-1"])
    roles: Roles = Field(default=EVERY_ROLE, description="What runs there: edge, app, data.")


class Lab(Model):
    """Throw-away hosts on this machine, with stand-ins in the place of PostHog's images."""

    kind: Literal["lab"] = Field(description="Where hosts come from: lab or onprem.")
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

    kind: Literal["onprem"] = Field(description="Where hosts come from: lab or onprem.")
    hosts: tuple[OnPremHost, ...] = Field(
        description="The machines.", examples=[[{"name": "analytics-1", "address": "192.0.2.52", "user": "debian"}]]
    )

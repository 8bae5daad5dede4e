"""What a lab is called and which addresses it has: decisions only, nothing is touched."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

from hedgerow.errors import CallError

FIRST_HOST = 11
LAST_HOST = 249
CONTROLLER = 1
STRANGER = 250
# The kernel refuses longer interface names (IFNAMSIZ is 16, with the closing NUL); "hg-" takes three.
SHORT_LENGTH = 12
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
CANDIDATES = tuple(IPv4Network(f"10.77.{number}.0/24") for number in range(256))


@dataclass(frozen=True)
class LabSpec:
    """The lab a declaration asks for: hosts as (name, roles), and a /24 for them or None to choose one.

    `machine` is a key of kinds.KINDS: what the hosts are.
    """

    hosts: tuple[tuple[str, tuple[str, ...]], ...]
    subnet: str | None = None
    suite: str = "trixie"
    machine: str = "container"


@dataclass(frozen=True)
class Network:
    """A lab's network as the kernel knows it."""

    bridge: str
    table: str
    subnet: IPv4Network

    @property
    def controller(self) -> str:
        return str(self.subnet[CONTROLLER])

    @property
    def stranger(self) -> str:
        return str(self.subnet[STRANGER])


def check_names(name: str, spec: LabSpec | None) -> None:
    """Raise CallError unless every name may stand in a path, a host name and a cgroup."""
    hosts = [host for host, _ in spec.hosts] if spec else []
    for what, given in [("deployment", name), *(("host", host) for host in hosts)]:
        if not NAME.fullmatch(given):
            raise CallError(
                f"{given!r} cannot name a lab's {what}",
                "Use small letters, digits and dashes, 40 at most, with a letter or digit at both ends.",
            )
    for host in hosts:
        if hosts.count(host) > 1:
            raise CallError(f"two hosts of the lab are called {host}", "Give each its own name.")


def short_name(name: str) -> str:
    """Return a name of at most 12 characters that no other deployment shares."""
    if len(name) <= SHORT_LENGTH:
        return name
    return f"{name[:5]}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def network(name: str, subnet: IPv4Network) -> Network:
    short = short_name(name)
    return Network(bridge=f"hg-{short}", table=f"hedgerow_lab_{short}", subnet=subnet)


def hardware_address(name: str) -> str:
    """Return a locally administered address (IEEE 802, 8.2.2) that no other interface of ours has."""
    digits = hashlib.sha256(name.encode()).hexdigest()
    return ":".join(("02", *(digits[at : at + 2] for at in range(0, 10, 2))))


def parse_subnet(text: str) -> IPv4Network:
    """Read a declared subnet. Raises CallError unless it is an IPv4 /24."""
    try:
        subnet = IPv4Network(text)
    except ValueError as error:
        raise CallError(f"target.subnet: {error}", "Write an IPv4 network such as 10.77.5.0/24.") from error
    if subnet.prefixlen != 24:
        raise CallError(f"target.subnet: {text} is not a /24", "Write an IPv4 network such as 10.77.5.0/24.")
    return subnet


def choose_subnet(declared: str | None, taken: Iterable[IPv4Network]) -> IPv4Network:
    """Return the declared subnet, or the first free one. Raises CallError where there is none."""
    # A default route covers everything and takes nothing.
    taken = [network for network in taken if network.prefixlen > 0]

    def rivals(subnet: IPv4Network) -> list[IPv4Network]:
        return [network for network in taken if network.overlaps(subnet)]

    if declared is not None:
        subnet = parse_subnet(declared)
        if found := rivals(subnet):
            raise CallError(
                f"target.subnet: {subnet} is in use on this controller ({found[0]})",
                "Choose another /24, or leave target.subnet out and a free one is found.",
            )
        return subnet
    for subnet in CANDIDATES:
        if not rivals(subnet):
            return subnet
    raise CallError(
        "no free network for the lab: every /24 of 10.77.0.0/16 is routed or in use here",
        "Declare a free /24 as target.subnet.",
    )


def assign_addresses(subnet: IPv4Network, wanted: Iterable[str], recorded: dict[str, str]) -> dict[str, str]:
    """Give each wanted host an address: the one it has, or the first free one from .11 on."""
    wanted = list(wanted)
    given = {name: address for name, address in recorded.items() if name in wanted}
    free = (str(subnet[number]) for number in range(FIRST_HOST, LAST_HOST + 1))
    # What a removed host had is free again; it was stopped before anybody else is told of it.
    left = (address for address in free if address not in given.values())
    for name in wanted:
        if name in given:
            continue
        address = next(left, None)
        if address is None:
            raise CallError(f"the lab's network {subnet} is full", "Declare fewer hosts.")
        given[name] = address
    return {name: given[name] for name in wanted}

"""Networks and addresses: who may come in, and what may be reached."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from hedgerow.declaration.words import RefusedError, meant, shown
from hedgerow.hosts import CONTAINER_NETWORKS

CONTROLLER = "controller"
ANY = "any"
WIDEST_PUBLIC = {4: 8, 6: 16}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def network(text: str) -> Network:
    """Read `198.51.100.0/24` or `198.51.100.7`; refuse host bits and networks too wide to mean anything."""
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise RefusedError(f"{shown(text)} is neither a network nor an IP address", _network_fix(text)) from None
    if getattr(interface, "scope_id", None):
        raise RefusedError(f"{shown(text)} names an interface (%)", "Leave out what follows the %.")
    found = interface.network
    if interface.ip != found.network_address:
        raise RefusedError(
            f"{shown(text)} is one address with the length of a network",
            f"Write {found} for the whole network, or {interface.ip} for this address alone.",
        )
    if found.prefixlen == 0:
        raise RefusedError(
            f"{shown(text)} is the whole internet", "Name the networks that need it, for example 198.51.100.0/24."
        )
    if found.is_multicast or found.is_loopback or found.is_unspecified or (found.version == 4 and found.is_reserved):
        raise RefusedError(
            f"{shown(text)} is a range from which no host speaks", "Write the address that the hosts see."
        )
    widest = WIDEST_PUBLIC[found.version]
    if found.prefixlen < widest and not found.is_private:
        raise RefusedError(
            f"{shown(text)} is a public network of {found.num_addresses:,} addresses",
            f"Name smaller ones: a public network may be /{widest} at the widest.",
        )
    return found


def _network_fix(text: str) -> str:
    if re.search(r"[a-z]\.|[a-z]{3}", text, re.IGNORECASE) and ":" not in text:
        return "A firewall knows addresses, not names: write the addresses behind this name, for example 198.51.100.7."
    if "-" in text:
        return "Write a range as networks, for example 198.51.100.0/25."
    return "Write for example 198.51.100.0/24, 198.51.100.7 or 2001:db8:7::/48."


def source(text: str) -> str:
    """Read a network, an address or `controller`, and return it in one spelling."""
    if text == CONTROLLER:
        return text
    if text == ANY:
        raise RefusedError(
            '"any" would let the whole internet in',
            "Name networks, for example 198.51.100.0/24. Only access.ingest_from may be [any].",
        )
    if meant(text, [CONTROLLER]):
        raise RefusedError(f"{shown(text)} is no source", "Did you mean controller (the machine that runs hedgerow)?")
    return str(network(text))


def source_or_any(text: str) -> str:
    """Read what `source` reads, or `any`."""
    if text in ("0.0.0.0/0", "::/0"):
        raise RefusedError(f"{shown(text)} is the whole internet", "If that is meant, write [any].")
    return text if text == ANY else source(text)


def several(sources: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse the same source twice, and anything beside `any`."""
    if ANY in sources and len(sources) > 1:
        raise RefusedError("any already holds the others", "Write [any], or leave any out.")
    twice = next((one for index, one in enumerate(sources) if one in sources[:index]), None)
    if twice:
        raise RefusedError(f"{shown(twice)} is listed twice", "Keep one of the two.")
    return sources


def several_or_one(sources: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what `several` refuses, and an empty list."""
    if not sources:
        raise RefusedError(
            "nobody could log in, hedgerow included", "Write [controller], or the networks of administrators."
        )
    return several(sources)


def ipv4(text: str) -> str:
    """Read the IPv4 address of one host."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise RefusedError(
            f"{shown(text)} is no IPv4 address", "Write what `ip -4 address` shows on the host."
        ) from None
    if address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local:
        raise RefusedError(f"{text} is an address that no other host can reach", "Write the one its peers use.")
    if address in ipaddress.ip_network(CONTAINER_NETWORKS):
        raise RefusedError(
            f"{text} lies in {CONTAINER_NETWORKS}, where the containers live", "Give the host another address."
        )
    return str(address)


def lab_subnet(text: str) -> str:
    """Read the network of a lab: a private IPv4 /24, clear of the containers' own."""
    found = network(text)
    if found.version != 4 or not found.is_private or found.prefixlen != 24:
        raise RefusedError(f"{text} cannot be a lab's network", "Write a private IPv4 network of /24: 10.77.5.0/24.")
    if found.overlaps(ipaddress.ip_network(CONTAINER_NETWORKS)):
        raise RefusedError(
            f"{text} overlaps {CONTAINER_NETWORKS}, where the containers live", "Write another: 10.77.5.0/24."
        )
    return str(found)


def outbound(value: Any) -> Any:
    """Read the short form "198.51.100.7:443" into {to, port}; anything else passes as it is."""
    if not isinstance(value, str):
        return value
    to, _, port = value.rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not to or (":" in to and not to.startswith("[")):
        raise RefusedError(
            f"{shown(value)} is no address with a port",
            'Write "198.51.100.7:443", "[2001:db8:7::9]:443" or {to: 198.51.100.0/24, port: 443, why: ...}.',
        )
    return {"to": to.removeprefix("[").removesuffix("]"), "port": int(port)}


def resolve_sources(sources: Iterable[str], controller: str) -> tuple[str, ...]:
    """Put the controller's address in the place of `controller`; each network once, `any` as it is.

    `controller` is the address that the hosts see (`Site.controller`).
    """
    seen = _plain(ipaddress.ip_address(controller))
    found = (str(ipaddress.ip_network(seen)) if one == CONTROLLER else one for one in sources)
    return tuple(dict.fromkeys(found))


def beside_containers(found: Network) -> str:
    """Return a network in one spelling. Raises RefusedError where hosts in it could not be told from containers."""
    if found.overlaps(ipaddress.ip_network(CONTAINER_NETWORKS)):  # type: ignore[arg-type]
        raise RefusedError(
            f"{found} overlaps {CONTAINER_NETWORKS}, where the containers live", "Write another network."
        )
    return str(found)


INNER = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
"""What the internet carries to nobody: RFC 1918, RFC 6598, RFC 4193."""


def lies_in(source: str, other: str) -> bool:
    """Tell whether all of a network or address is in another network."""
    found, whole = ipaddress.ip_network(source), ipaddress.ip_network(other)
    return found.version == whole.version and found.subnet_of(whole)  # type: ignore[arg-type]


def is_inner(source: str) -> bool:
    """Tell whether all of a network or address is such that the internet carries it to nobody."""
    if source in (ANY, CONTROLLER):
        return False
    found = ipaddress.ip_network(source)
    return any(found.version == one.version and found.subnet_of(one) for one in INNER)  # type: ignore[arg-type]


def covers(sources: Iterable[str], address: str) -> bool:
    """Tell whether an address is let in by resolved sources, as preflight asks for the controller's own."""
    asked = _plain(ipaddress.ip_address(address))
    return any(one == ANY or asked in ipaddress.ip_network(one) for one in sources)


def _plain(address: Address) -> Address:
    """Return the IPv4 address that an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) stands for."""
    return getattr(address, "ipv4_mapped", None) or address

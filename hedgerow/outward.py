"""What a declaration has hosts reach outside, by address: what the firewall in front of them has to let out. Pure."""

from __future__ import annotations

from hedgerow.declaration import Declaration, Gcp

Place = tuple[int, str]
"""A TCP port, and an address or network."""


def places(declaration: Declaration) -> tuple[Place, ...]:
    """Return what is declared by address, each once: destinations, the relay of mail, the collector of records, and the
    proxy that packages come by."""
    found = [(one.port, str(one.to)) for one in declaration.access.outbound_to]
    for one in (declaration.mail, declaration.log_collector):
        found += [(one.port, f"{one.address}/32")] if one is not None else []
    proxy = packages_by(declaration)
    found += [(proxy[0], f"{proxy[1]}/32")] if proxy else []
    return tuple(dict.fromkeys(found))


def packages_by(declaration: Declaration) -> Place | None:
    """Return the proxy that hosts fetch packages by; None where they fetch them themselves."""
    target = declaration.target
    if not isinstance(target, Gcp) or target.packages_by is None:
        return None
    address, _, port = target.packages_by.rpartition(":")
    return int(port), address

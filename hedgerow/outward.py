"""What a declaration has hosts reach outside, by address: what the firewall in front of them has to let out. Pure."""

from __future__ import annotations

from hedgerow import acme, repository
from hedgerow.declaration import Declaration, Gcp

ANYWHERE = "0.0.0.0/0"
KEYS_OF_TIME = 4460
"""Where time servers hand out the keys by which they prove themselves (RFC 8915, 4)."""
USUAL = (80, 443)
"""What is let out to everywhere anyhow: packages, images, and a cloud's own services."""
Place = tuple[int, str]
"""A TCP port, and an address or network."""


def places(declaration: Declaration) -> tuple[Place, ...]:
    """Return what is declared, each once: destinations, the relay of mail, the collector of records, where backups go,
    the proxy that packages come by; and, where only a name is declared, the port to everywhere."""
    found = [(one.port, str(one.to)) for one in declaration.access.outbound_to]
    for one in (declaration.mail, declaration.log_collector):
        found += [(one.port, f"{one.address}/32")] if one is not None else []
    if declaration.backup and declaration.backup.address:
        found.append((repository.port(declaration.backup), f"{declaration.backup.address}/32"))
    proxy = packages_by(declaration)
    found += [(proxy[0], f"{proxy[1]}/32")] if proxy else []
    found += [(KEYS_OF_TIME, ANYWHERE)] if declaration.time_servers else []
    found += [(port, ANYWHERE) for port in acme.ports(declaration) if port not in USUAL]
    return tuple(dict.fromkeys(found))


def packages_by(declaration: Declaration) -> Place | None:
    """Return the proxy that hosts fetch packages by; None where they fetch them themselves."""
    target = declaration.target
    if not isinstance(target, Gcp) or target.packages_by is None:
        return None
    address, _, port = target.packages_by.rpartition(":")
    return int(port), address

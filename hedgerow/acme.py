"""A certificate from an authority that is asked by ACME (RFC 8555): what the edge's role is told. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from hedgerow.declaration import Declaration
from hedgerow.hosts import Host

Values = dict[str, Any]

ACCOUNT = "hedgerow-acme"
HTTPS = 443


def asked(declaration: Declaration) -> bool:
    """Say whether an authority is asked for the edge's certificate."""
    return declaration.tls.certificate == "acme"


def values(declaration: Declaration, host: Host) -> Values:
    """Return the variables of the role `acme`; on a host that is no edge, as where none is asked."""
    tls = declaration.tls
    here = asked(declaration) and "edge" in host.roles
    return {
        "acme_enabled": here,
        "acme_domain": declaration.domain,
        "acme_directory": (tls.directory or "") if here else "",
        "acme_directory_ca": trusted(declaration) if here else "",
        "acme_contact": (tls.contact or "") if here else "",
    }


def trusted(declaration: Declaration) -> str:
    """Return the CAs of the operator's own ACME server, PEM; "" for a public one."""
    file = declaration.tls.directory_ca
    return file.read_text(encoding="ascii") if file else ""


def outbound(declaration: Declaration, host: Host) -> list[Values]:
    """Return the firewall's rows for the account that asks."""
    if not asked(declaration) or "edge" not in host.roles:
        return []
    port = urlsplit(declaration.tls.directory or "").port or HTTPS
    why = "the authority of the edge's certificate"
    ways = (("tcp", port, why), ("udp", 53, f"the name of {why}"), ("tcp", 53, f"the name of {why}"))
    return [
        {"proto": proto, "ports": [port], "to": ["any"], "users": [ACCOUNT], "why": why} for proto, port, why in ways
    ]

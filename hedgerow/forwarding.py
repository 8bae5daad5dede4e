"""What a declared log collector means for the roles: where records go, and as whom a host shows itself. Pure."""

from __future__ import annotations

from typing import Any

from hedgerow.declaration import Declaration
from hedgerow.hosts import Host, Site
from hedgerow.stores import vault

Values = dict[str, Any]

ACCOUNT = "hedgerow-logs"
"""The account that reads the journal and may reach the collector; role `forwarding` makes it."""


def owner(host: Host) -> str:
    """Return the name in the certificate that a host shows: how the collector tells the hosts apart."""
    return f"logs_{host.name.replace('-', '_')}"


def clients(declaration: Declaration, site: Site) -> list[str]:
    """Return the owners of the certificates that hosts show the collector."""
    return [owner(host) for host in site.hosts] if declaration.log_collector else []


def values(declaration: Declaration, host: Host, authority: str, certificate: str) -> Values:
    """Return the variables of the role `forwarding`; both certificates are PEM."""
    collector = declaration.log_collector
    if collector is None:
        return {"forwarding_enabled": False}
    return {
        "forwarding_enabled": True,
        "forwarding_name": collector.host,
        "forwarding_address": collector.address,
        "forwarding_port": collector.port,
        "forwarding_authority": authority,
        "forwarding_certificate": certificate,
        "forwarding_key": vault(f"tls.{owner(host)}"),
    }


def outbound(declaration: Declaration) -> list[Values]:
    """Return the firewall's row for the collector: one address, one port, one account."""
    collector = declaration.log_collector
    if collector is None:
        return []
    return [
        {
            "proto": "tcp",
            "ports": [collector.port],
            "to": [f"{collector.address}/32"],
            "users": [ACCOUNT],
            "why": "the host's record goes to the declared collector",
        }
    ]

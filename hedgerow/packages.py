"""Which of the distribution's packages a host needs: those of every role that it plays."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from hedgerow.declaration import Declaration
from hedgerow.deployment import REPOSITORY
from hedgerow.hosts import Host

HOST_ROLES = ("base", "apparmor", "pam", "ca", "journal", "updates", "ssh", "firewall", "audit", "health")
TIER_ROLES = {
    "data": ("postgres", "valkey", "clickhouse", "eventlog", "objectstore", "containers", "sidecars", "posthog"),
    "app": ("containers", "sidecars", "posthog"),
    "edge": ("edge",),
}
OWN_KERNEL_ROLES = ("apparmor", "audit")
"""Roles that have nothing to do where the kernel is shared with others."""


def own_kernel(host: Host) -> bool:
    """Tell whether the host's kernel is its own, so that its parameters, modules and record are."""
    return host.machine != "container"


def packages(host: Host, further: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return the packages of every role the host plays, by distribution: one installation for the whole play."""
    of_host = [role for role in HOST_ROLES if own_kernel(host) or role not in OWN_KERNEL_ROLES]
    return _needs([*of_host, *further, *(role for tier in host.roles for role in TIER_ROLES[tier])])


def every_package(distribution: str) -> tuple[str, ...]:
    """Return the packages that some role needs on some host."""
    roles = sorted(path.parent.parent.name for path in (REPOSITORY / "roles").glob("*/meta/needs.yml"))
    return tuple(_needs(roles).get(distribution, ()))


def _needs(roles: Sequence[str]) -> dict[str, list[str]]:
    gathered: dict[str, set[str]] = {}
    for role in roles:
        path = REPOSITORY / "roles" / role / "meta" / "needs.yml"
        needs = yaml.safe_load(path.read_text()) if path.exists() else {}
        for distribution, names in (needs.get("packages") or {}).items():
            gathered.setdefault(distribution, set()).update(names or ())
    return {distribution: sorted(names) for distribution, names in sorted(gathered.items())}


def further(declaration: Declaration, host: Host) -> tuple[str, ...]:
    """Return the roles that have something to do on a host only where it is declared."""
    wanted = {
        "backup": declaration.backup and "data" in host.roles,
        "volume": declaration.encrypted_volume and "data" in host.roles,
        "forwarding": declaration.log_collector,
        "acme": declaration.tls.certificate == "acme" and "edge" in host.roles,
    }
    return tuple(role for role, declared in wanted.items() if declared)

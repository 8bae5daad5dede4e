"""Which collection has rules of its own: at making and changing, before deleting, and what goes along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..asked import Asked
from ..world import World
from . import armor, balancing, disks, fronts, instances, links, networking
from .effect import Effect


def plain(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """Take a row as it is."""
    return Effect()


def nothing(asked: Asked, row: dict[str, Any], where: str) -> None:
    """Refuse nothing."""


RULES: dict[str, Callable[[Asked, dict[str, Any], str], Effect]] = {
    "networks": networking.network,
    "subnetworks": networking.subnetwork,
    "firewalls": networking.firewall,
    "routers": networking.router,
    "addresses": networking.address,
    "disks": disks.disk,
    "snapshots": disks.snapshot,
    "resourcePolicies": disks.schedule,
    "instances": instances.instance,
    "sslPolicies": fronts.ssl_policy,
    "sslCertificates": fronts.certificate,
    "healthChecks": fronts.health_check,
    "securityPolicies": armor.policy,
    **balancing.RULES,
}
BEFORE_DELETE: dict[str, Callable[[Asked, dict[str, Any], str], None]] = {"instances": instances.protected}


def goes_along(world: World, row: dict[str, Any], where: str) -> list[str]:
    """Return the keys of what is deleted with a resource: an instance's own disks, a network's own route."""
    collection = where.split("/")[-2]
    if collection == "instances":
        return [links.key(one["source"].removeprefix(links.ROOT)) for one in row["disks"] if one["autoDelete"]]
    if collection == "networks":
        return [name for name, one in world.rows.items() if one.get("_own") and one.get("network") == row["selfLink"]]
    return []

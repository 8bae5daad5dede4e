"""What a resource shows beside what was put into it: who uses it."""

from __future__ import annotations

from typing import Any

from ..world import World
from . import links


def shown(world: World, where: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return a resource as Google would."""
    made = {name: value for name, value in row.items() if not name.startswith("_")}
    collection = where.split("/")[-2]
    if collection in ("disks", "addresses", "securityPolicies"):
        users = [links.ROOT + one for one in links.holders(world, where)]
        if users and collection != "securityPolicies":
            made["users"] = users
        if collection == "addresses":
            made["status"] = "IN_USE" if users else "RESERVED"
    if collection == "networks":
        under = [
            one["selfLink"]
            for name, one in sorted(world.rows.items())
            if "/subnetworks/" in name and one.get("network") == row["selfLink"]
        ]
        made |= {"subnetworks": under} if under else {}
    return made

"""What the newer services share: resources by full name, pages, and updates through a field mask.

https://google.aip.dev/131 to 135 (get, list, create, update, delete), https://google.aip.dev/161 (field masks).
"""

from __future__ import annotations

import re
from typing import Any

from . import policies
from .asked import Asked, page
from .errors import RefusedError, not_modelled
from .world import PROJECT


def must(asked: Asked, name: str) -> dict[str, Any]:
    """Return the row of a full name."""
    found = asked.world.rows.get(f"{asked.method.service}:{name}")
    if found is None:
        raise RefusedError(404, f"{name} not found.", "notFound")
    return found


def fresh(asked: Asked, name: str) -> str:
    """Return the key of a full name that nothing has yet."""
    key = f"{asked.method.service}:{name}"
    if key in asked.world.rows:
        raise RefusedError(409, f"{name} already exists.", "alreadyExists")
    return key


def listed(asked: Asked, parent: str, field: str) -> dict[str, Any]:
    """Return one page of a parent's collection under `field`."""
    if asked.one("filter"):
        raise not_modelled(f"the filter '{asked.one('filter')}'")
    found, more = page(asked, asked.world.under(f"{asked.method.service}:{parent}/"), "pageSize")
    answer: dict[str, Any] = {field: [shown(one) for one in found]} if found else {}
    return answer | ({"nextPageToken": more} if more else {})


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without what is only ours."""
    return {name: value for name, value in row.items() if not name.startswith("_")}


def mask(asked: Asked, given: str, *, may: set[str] | None = None) -> list[str]:
    """Return the top fields of a mask, refused if it names one that cannot be updated."""
    fields = [re.sub(r"_(\w)", lambda one: one[1].upper(), one.strip()) for one in given.split(",") if one.strip()]
    tops = [one.partition(".")[0] for one in fields]
    wrong = [one for one in tops if may is not None and one not in may]
    if wrong:
        raise RefusedError(400, f"Invalid update mask: {wrong[0]} cannot be updated.", "badRequest")
    return tops


def project_of(asked: Asked) -> None:
    """Refuse a name in a project that is not the caller's."""
    name = next((value for value in asked.path.values() if value.startswith("projects/")), f"projects/{PROJECT}")
    if name.split("/")[1] not in (PROJECT, "-"):
        text = f"Permission '{asked.method.name}' denied on resource '{name}' (or it may not exist)."
        raise RefusedError(403, text, "forbidden")


def policy(asked: Asked, key: str) -> dict[str, Any]:
    """Answer getIamPolicy, setIamPolicy and testIamPermissions of one resource."""
    if asked.action == "getIamPolicy":
        return policies.get(asked.world, key)
    if asked.action == "setIamPolicy":
        return policies.put(asked.world, key, asked.body.get("policy", {}))
    return may(asked)


def may(asked: Asked) -> dict[str, Any]:
    """Return which of the permissions that are asked after the caller has: all that no test has taken away."""
    given = asked.body.get("permissions", [])
    wrong = [one for one in given if not re.fullmatch(r"[a-zA-Z0-9]+(\.\w+)+", one)]
    if wrong:
        raise RefusedError(400, f"Permission {wrong[0]} is not valid for this resource.", "badRequest")
    found = [one for one in given if one not in asked.world.withheld]
    return {"permissions": found} if found else {}

"""A resource's row: what Google adds to it, its fingerprints, and how a change is laid over it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ..asked import Asked
from ..errors import RefusedError, invalid, missing, not_modelled
from ..world import etag, now
from . import links, operations

MADE = ("kind", "id", "name", "selfLink", "creationTimestamp", "region", "zone", "status")
FIXED = {  # what the reference of each calls immutable, or leaves out of what patch may change
    "networks": ("autoCreateSubnetworks",),
    "subnetworks": ("network", "ipCidrRange", "purpose"),
    "firewalls": ("network", "direction"),
    "routers": ("network",),
    "addresses": ("address", "addressType"),
    "backendServices": ("loadBalancingScheme",),
    "securityPolicies": ("type",),
    "forwardingRules": ("IPAddress", "IPProtocol", "portRange", "loadBalancingScheme"),
}


def path(asked: Asked) -> str:
    """Return the path of the resource that a method is about: without the method's own word, with an insert's name."""
    found = asked.method.template.removeprefix("/compute/v1/")
    for name, value in asked.path.items():
        found = found.replace(f"{{{name}}}", value)
    if asked.action == "insert":
        return f"{found}/{asked.body.get('name', '')}"
    return found.removesuffix(f"/{asked.action}")


def segment(asked: Asked) -> str:
    """Return the collection as its path has it: "addresses" for globalAddresses."""
    return path(asked).split("/")[-2]


def new(asked: Asked, body: dict[str, Any], where: str, schema: str) -> dict[str, Any]:
    """Return a row for a body, with what Google adds to every resource."""
    fields = asked.method.document.schemas[schema]["properties"]
    made = {
        **body,
        "kind": fields["kind"]["default"],
        "id": asked.world.identity(),
        "creationTimestamp": now(),
        "selfLink": links.ROOT + where,
    }
    for scope in ("zone", "region"):
        if scope in asked.path and scope in fields:
            made[scope] = f"{links.ROOT}projects/{asked.path['project']}/{scope}s/{asked.path[scope]}"
    for field in ("fingerprint", "labelFingerprint"):
        if field in fields:
            made[field] = ""
    return seal(made)


def seal(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with fingerprints of what it is now."""
    if "labelFingerprint" in row:
        row["labelFingerprint"] = etag(row.get("labels", {}))
    for part in ("metadata", "tags"):
        if part in row:
            row[part]["fingerprint"] = etag({**row[part], "fingerprint": ""})
    for one in row.get("networkInterfaces", []):
        one["fingerprint"] = etag({**one, "fingerprint": ""})
    if "fingerprint" in row:
        row["fingerprint"] = etag({**row, "fingerprint": ""})
    return row


def must(asked: Asked, where: str) -> dict[str, Any]:
    """Return the row at a path; refused if there is none, or if it is being changed."""
    found = asked.world.rows.get(links.key(where))
    if found is None:
        raise missing(where)
    links.ready(asked.world, where)
    return found


def current(given: str | None, row: dict[str, Any], *, needed: bool, words: str = "Invalid fingerprint.") -> None:
    """Refuse a change made to what is no more: 412 conditionNotMet, as the fingerprint fields' descriptions say."""
    field = "labelFingerprint" if words.startswith("Labels") else "fingerprint"
    if (given is None and needed) or (given is not None and given != row.get(field, "")):
        raise RefusedError(412, words, "conditionNotMet")


def fingerprint_needed(asked: Asked, schema: str) -> bool:
    """Tell whether a resource's description asks for its fingerprint in every update."""
    fields = asked.method.document.schemas[schema]["properties"]
    return "must be provided" in " ".join(fields.get("fingerprint", {}).get("description", "").split())


def merge(row: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return a row with a patch over it: JSON merge patch, https://cloud.google.com/compute/docs/api/how-tos/api-requests-responses#patch."""
    made = dict(row)
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        elif isinstance(value, dict) and isinstance(made.get(name), dict):
            made[name] = merge(made[name], value)
        else:
            made[name] = value
    return made


def same(collection: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Refuse a change of what cannot change."""
    for field in FIXED.get(collection, ()):
        if before.get(field) != after.get(field):
            raise invalid(f"resource.{field}", after.get(field), "The field cannot be updated.")


def change(asked: Asked, where: str, edit: Callable[[dict[str, Any]], None], kind: str = "") -> dict[str, Any]:
    """Start a change of one row: it is seen once the operation is done."""
    row = must(asked, where)
    made = copy.deepcopy(row)
    edit(made)
    seal(made)

    def finish() -> None:
        asked.world.rows[links.key(where)] = made

    return operations.begin(asked, row, kind=kind or asked.action, keys=(links.key(where),), finish=finish)


def matches(asked: Asked, row: dict[str, Any]) -> bool:
    """Tell whether a filter takes a row: equality of fields, joined by AND, of https://google.aip.dev/160."""
    terms = [one.strip(" ()") for one in asked.one("filter").split(" AND ") if one.strip(" ()")]
    return all(_term(one, row) for one in terms)


def _term(term: str, row: dict[str, Any]) -> bool:
    for sign in ("!=", "=", ":", " eq "):
        if sign in term:
            field, _, wanted = term.partition(sign)
            break
    else:
        raise not_modelled(f"the filter '{term}'")
    wanted = wanted.strip().strip("\"'")
    if any(one in wanted for one in "*()|^$"):
        raise not_modelled(f"the filter '{term}'")
    value: Any = row
    for part in field.strip().split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        value = str(value).lower()
    found = value is not None and (
        wanted in str(value) if sign == ":" and "labels" not in field else str(value) == wanted
    )
    return not found if sign == "!=" else found

"""Cloud DNS: zones, records, changes, and policies that log. https://cloud.google.com/dns/docs/reference/rest/v1."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .asked import Asked, page
from .compute import links, rows
from .errors import RefusedError, exists, invalid, missing, not_modelled
from .world import PROJECT, now

SERVERS = [f"ns-cloud-a{number}.googledomains.com." for number in range(1, 5)]


def answer(asked: Asked) -> dict[str, Any]:
    """Answer one request to DNS."""
    if asked.path.get("project") != PROJECT:
        raise RefusedError(403, "Forbidden", "forbidden")
    found = HANDLERS.get(f"{asked.collection}.{asked.action}")
    if found is None:
        raise not_modelled(asked.method.name)
    return found(asked)


def _zone(asked: Asked) -> dict[str, Any]:
    found = asked.world.rows.get(f"dns:zones/{asked.path['managedZone']}")
    if found is None:
        raise RefusedError(
            404,
            f"The 'parameters.managedZone' resource named '{asked.path['managedZone']}' does not exist.",
            "notFound",
        )
    return found


def create_zone(asked: Asked) -> dict[str, Any]:
    """Make a zone with its own NS and SOA records."""
    row = dict(asked.body)
    for needed in ("name", "dnsName", "description"):
        if needed not in row:
            raise RefusedError(
                400, f"The 'entity.managedZone.{needed}' parameter is required but was missing.", "required"
            )
    if not row["dnsName"].endswith("."):
        raise invalid("entity.managedZone.dnsName", row["dnsName"], "Must end with a dot.")
    key = f"dns:zones/{row['name']}"
    if key in asked.world.rows:
        raise exists(row["name"])
    row.setdefault("visibility", "public")
    for one in row.get("privateVisibilityConfig", {}).get("networks", []):
        one["networkUrl"] = links.resolve(asked.world, PROJECT, one["networkUrl"])
    row |= {"kind": "dns#managedZone", "id": asked.world.identity(), "creationTime": now(), "nameServers": SERVERS}
    asked.world.rows[key] = row
    soa = f"{SERVERS[0]} cloud-dns-hostmaster.google.com. 1 21600 3600 259200 300"
    for kind, ttl, data in (("NS", 21600, SERVERS), ("SOA", 21600, [soa])):
        record = {"kind": "dns#resourceRecordSet", "name": row["dnsName"], "type": kind, "ttl": ttl, "rrdatas": data}
        asked.world.rows[_key(row, record)] = record
    return row


def _key(zone: dict[str, Any], record: dict[str, Any]) -> str:
    return f"dns:records/{zone['name']}/{record['name']}:{record['type']}"


def _records(asked: Asked, zone: dict[str, Any]) -> list[dict[str, Any]]:
    return asked.world.under(f"dns:records/{zone['name']}/")


def patch_zone(asked: Asked) -> dict[str, Any]:
    """Change a zone: the answer is an operation that is done."""
    before = _zone(asked)
    made = rows.merge(before, {name: value for name, value in asked.body.items() if name not in ("id", "kind")})
    if made["dnsName"] != before["dnsName"]:
        raise invalid("entity.managedZone.dnsName", made["dnsName"], "Cannot be changed.")
    asked.world.rows[f"dns:zones/{before['name']}"] = made
    return {"kind": "dns#operation", "id": asked.world.identity(), "status": "done", "type": "update"}


def delete_zone(asked: Asked) -> dict[str, Any]:
    """Delete a zone in which only its own two records are."""
    zone = _zone(asked)
    found = _records(asked, zone)
    if any(one["type"] not in ("NS", "SOA") or one["name"] != zone["dnsName"] for one in found):
        text = f"The resource named '{zone['name']}' cannot be deleted because it is not empty"
        raise RefusedError(400, text, "containerNotEmpty")
    for one in found:
        del asked.world.rows[_key(zone, one)]
    del asked.world.rows[f"dns:zones/{zone['name']}"]
    return {}


def _listed(prefix: str, field: str, kind: str) -> Callable[[Asked], dict[str, Any]]:
    def answer_list(asked: Asked) -> dict[str, Any]:
        wanted = {name: asked.one(name) for name in ("name", "type", "dnsName") if asked.one(name)}
        if field != "managedZones" and "managedZone" in asked.path:
            _zone(asked)
        found = asked.world.under(prefix.format(**asked.path))
        kept = [one for one in found if all(one.get(name) == value for name, value in wanted.items())]
        part, more = page(asked, kept, "maxResults")
        return {"kind": kind, field: part} | ({"nextPageToken": more} if more else {})

    return answer_list


def _checked(asked: Asked, zone: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """A record lies in its zone, and has data: https://cloud.google.com/dns/docs/records-overview."""
    name = record.get("name", "")
    if not (name == zone["dnsName"] or name.endswith(f".{zone['dnsName']}")):
        raise invalid("entity.name", name, f"Not in the zone {zone['dnsName']}.")
    for needed in ("type", "rrdatas"):
        if not record.get(needed):
            raise RefusedError(400, f"The 'entity.{needed}' parameter is required but was missing.", "required")
    if record["type"] == "A" and not all(re.fullmatch(r"\d+(\.\d+){3}", one) for one in record["rrdatas"]):
        raise invalid("entity.rrdatas", record["rrdatas"], "Not addresses.")
    return {"ttl": 3600, **record, "kind": "dns#resourceRecordSet"}


def create_record(asked: Asked) -> dict[str, Any]:
    """Add a record set."""
    zone = _zone(asked)
    row = _checked(asked, zone, asked.body)
    if _key(zone, row) in asked.world.rows:
        raise exists(f"{row['name']} ({row['type']})")
    asked.world.rows[_key(zone, row)] = row
    return row


def _record(asked: Asked) -> tuple[dict[str, Any], str]:
    zone = _zone(asked)
    key = f"dns:records/{zone['name']}/{asked.path['name']}:{asked.path['type']}"
    if key not in asked.world.rows:
        raise missing(f"{asked.path['name']} ({asked.path['type']})")
    return zone, key


def get_record(asked: Asked) -> dict[str, Any]:
    """Return a record set."""
    found: dict[str, Any] = asked.world.rows[_record(asked)[1]]
    return found


def patch_record(asked: Asked) -> dict[str, Any]:
    """Change a record set."""
    zone, key = _record(asked)
    asked.world.rows[key] = _checked(asked, zone, rows.merge(asked.world.rows[key], asked.body))
    return asked.world.rows[key]


def delete_record(asked: Asked) -> dict[str, Any]:
    """Delete a record set, but not what makes the zone one."""
    zone, key = _record(asked)
    if asked.path["type"] in ("NS", "SOA") and asked.path["name"] == zone["dnsName"]:
        raise RefusedError(400, "The NS and SOA records of a zone cannot be deleted.", "invalidZoneApex")
    del asked.world.rows[key]
    return {}


def create_change(asked: Asked) -> dict[str, Any]:
    """Delete and add in one step: what is deleted must be given as it is."""
    zone = _zone(asked)
    gone, new = asked.body.get("deletions", []), asked.body.get("additions", [])
    if not gone and not new:
        raise RefusedError(400, "The 'entity.change' parameter is required but was missing.", "required")
    for one in gone:
        held = asked.world.rows.get(_key(zone, one))
        if held is None:
            raise missing(f"{one['name']} ({one['type']})")
        if (held["ttl"], held["rrdatas"]) != (one.get("ttl"), one.get("rrdatas")):
            raise RefusedError(412, "Precondition not met for 'entity.change.deletions[0]'", "conditionNotMet")
    rest = {_key(zone, one) for one in gone}
    added = [_checked(asked, zone, one) for one in new]
    for one in added:
        if _key(zone, one) in asked.world.rows and _key(zone, one) not in rest:
            raise exists(f"{one['name']} ({one['type']})")
    for name in rest:
        del asked.world.rows[name]
    asked.world.rows.update({_key(zone, one): one for one in added})
    identity = asked.world.identity()
    row = {"kind": "dns#change", "id": identity, "status": "pending", "startTime": now(), **asked.body}
    asked.world.rows[f"dns:changes/{zone['name']}/{identity}"] = row
    return dict(row)


def get_change(asked: Asked) -> dict[str, Any]:
    """Return a change: it is done once it is asked after."""
    row = asked.world.rows.get(f"dns:changes/{_zone(asked)['name']}/{asked.path['changeId']}")
    if row is None:
        raise missing(asked.path["changeId"])
    row["status"] = "done"
    return row


def _policy(asked: Asked) -> dict[str, Any]:
    found = asked.world.rows.get(f"dns:policies/{asked.path['policy']}")
    if found is None:
        raise missing(asked.path["policy"])
    return found


def create_policy(asked: Asked) -> dict[str, Any]:
    """Make a server policy; a network has one at most: https://cloud.google.com/dns/docs/server-policies-overview."""
    row = {**asked.body, "kind": "dns#policy", "id": asked.world.identity()}
    if not row.get("name") or f"dns:policies/{row['name']}" in asked.world.rows:
        raise exists(row["name"]) if row.get("name") else RefusedError(400, "A policy needs a name.", "required")
    return _bound(asked, row)


def _bound(asked: Asked, row: dict[str, Any]) -> dict[str, Any]:
    for one in row.get("networks", []):
        one["networkUrl"] = links.resolve(asked.world, PROJECT, one["networkUrl"])
        for other in asked.world.under("dns:policies/"):
            if other["name"] != row["name"] and one["networkUrl"] in str(other.get("networks")):
                raise RefusedError(400, f"Network {one['networkUrl']} is bound to a policy already.", "invalid")
    for name, value in (("enableLogging", False), ("enableInboundForwarding", False)):
        row.setdefault(name, value)
    asked.world.rows[f"dns:policies/{row['name']}"] = row
    return row


def patch_policy(asked: Asked) -> dict[str, Any]:
    """Change a policy."""
    return {"policy": _bound(asked, rows.merge(_policy(asked), asked.body))}


def delete_policy(asked: Asked) -> dict[str, Any]:
    """Delete a policy that no network has."""
    row = _policy(asked)
    if row.get("networks"):
        raise RefusedError(400, f"The policy '{row['name']}' is bound to networks.", "resourceInUse")
    del asked.world.rows[f"dns:policies/{row['name']}"]
    return {}


HANDLERS: dict[str, Callable[[Asked], dict[str, Any]]] = {
    "managedZones.create": create_zone,
    "managedZones.get": _zone,
    "managedZones.patch": patch_zone,
    "managedZones.delete": delete_zone,
    "managedZones.list": _listed("dns:zones/", "managedZones", "dns#managedZonesListResponse"),
    "resourceRecordSets.create": create_record,
    "resourceRecordSets.get": get_record,
    "resourceRecordSets.patch": patch_record,
    "resourceRecordSets.delete": delete_record,
    "resourceRecordSets.list": _listed("dns:records/{managedZone}/", "rrsets", "dns#resourceRecordSetsListResponse"),
    "changes.create": create_change,
    "changes.get": get_change,
    "changes.list": _listed("dns:changes/{managedZone}/", "changes", "dns#changesListResponse"),
    "policies.create": create_policy,
    "policies.get": _policy,
    "policies.patch": patch_policy,
    "policies.delete": delete_policy,
    "policies.list": _listed("dns:policies/", "policies", "dns#policiesListResponse"),
}

"""Zones that one network alone sees: Google's own names lead to where its APIs are reached without the internet."""

from __future__ import annotations

from hedgerow.targets.cloud.graph import Found, Resource
from hedgerow.targets.gcp.api import RefusedError, Row
from hedgerow.targets.gcp.dns import OVERTAKEN, ROOT, TTL, put_records, records_of
from hedgerow.targets.gcp.kind import Kind, Rest, anew

RECORDS = "records"
OWN = ("NS", "SOA")
"""What every zone has of itself."""


def write_zone(body: Row) -> Row:
    """Networks are given by their whole address, and records by a call of their own."""
    made = {name: value for name, value in body.items() if name != RECORDS}
    if seen := made.get("privateVisibilityConfig"):
        networks = [{"networkUrl": ROOT + one["networkUrl"]} for one in seen["networks"]]
        made["privateVisibilityConfig"] = {"networks": networks}
    return made


ZONE = Kind("dns.managedZones", marked="labels", insert="create", write=write_zone)


class PrivateZone(Rest):
    """A zone and all of its records: one that somebody adds would lead what is sent to Google elsewhere."""

    def find(self, resource: Resource) -> Found | None:
        """Return it with every record by name and type. Raises CallError where somebody else has the zone's name."""
        found = super().find(resource)
        if found is None:
            return None
        held = [row for row in records_of(self.google, found.id) if row["type"] not in OWN]
        records = {f"{row['name']} {row['type']}": sorted(row.get("rrdatas", [])) for row in held}
        return Found(found.id, {**found.fields, RECORDS: records}, {**found.facts, "held": held})

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Set these fields; of records those that are wanted and no other."""
        if plain := fields - {RECORDS}:
            super().change(resource, found, plain)
        if RECORDS in fields:
            anew(lambda seen: self._records(resource, seen), found, lambda: self.find(resource), OVERTAKEN)

    def remove(self, resource: Resource, found: Found) -> None:
        """Empty it, as Google removes no other, and remove it."""
        try:
            anew(lambda seen: self._empty(resource, seen), found, lambda: self.find(resource), OVERTAKEN)
        except RefusedError:
            if self.find(resource) is not None:
                raise
        super().remove(resource, found)

    def _records(self, resource: Resource, seen: Found) -> None:
        wanted = resource.wanted[RECORDS]
        if seen.fields[RECORDS] == wanted:
            return
        new = []
        for key, data in wanted.items():
            name, kind = key.split()
            new.append({"name": name, "type": kind, "ttl": TTL, "rrdatas": list(data)})
        put_records(self.google, self.name(resource), seen.facts["held"], new)

    def _empty(self, resource: Resource, seen: Found) -> None:
        if seen.facts["held"]:
            put_records(self.google, self.name(resource), seen.facts["held"], [])

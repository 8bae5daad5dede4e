"""The name under which people open PostHog, in a zone that is there; and the policy that writes queries down."""

from __future__ import annotations

from typing import Any

from hedgerow.targets.cloud.graph import Found, Resource
from hedgerow.targets.gcp.api import RefusedError, Row
from hedgerow.targets.gcp.keys import Own
from hedgerow.targets.gcp.kind import EXISTS, Call, Kind

ROOT = "https://www.googleapis.com/compute/v1/"
RECORDS = "dns.resourceRecordSets"


def write_policy(body: Row) -> Row:
    """Cloud DNS takes a network by its whole address (https://cloud.google.com/dns/docs/reference/rest/v1/policies)."""
    if "networks" not in body:
        return body
    return {**body, "networks": [{"networkUrl": ROOT + one["networkUrl"]} for one in body["networks"]]}


POLICY = Kind(
    "dns.policies",
    insert="create",
    write=write_policy,
    # One that a network has cannot be removed.
    unlock=(Call("dns.policies.patch", {"networks": []}),),
)


class Record(Own):
    """An A record of the domain. A record has no mark: the zone was declared, and its name is the deployment's."""

    def find(self, resource: Resource) -> Found | None:
        """Return its addresses."""
        row = self.google.ask(f"{RECORDS}.get", self._path(resource))
        return None if row is None else Found(resource.name, {"addresses": sorted(row.get("rrdatas", []))}, {})

    def make(self, resource: Resource) -> None:
        """Add it. What another run has added meanwhile is left to `find`."""
        try:
            self.google.call(f"{RECORDS}.create", self._path(resource), body=self._body(resource))
        except RefusedError as refused:
            if refused.status != EXISTS:
                raise

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Set its addresses."""
        self.google.call(f"{RECORDS}.patch", self._path(resource), body=self._body(resource))

    def remove(self, resource: Resource, found: Found) -> None:
        """Remove it."""
        try:
            self.google.call(f"{RECORDS}.delete", self._path(resource))
        except RefusedError as refused:
            if not refused.absent:
                raise

    def _path(self, resource: Resource) -> dict[str, str]:
        return {"zone_name": str((resource.given or {})["zone"]), "name": f"{resource.name}."}

    def _body(self, resource: Resource) -> dict[str, Any]:
        addresses = list(resource.wanted["addresses"])
        return {"name": f"{resource.name}.", "type": "A", "ttl": 300, "rrdatas": addresses}

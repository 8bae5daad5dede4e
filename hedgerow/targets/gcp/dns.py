"""The name under which people open PostHog, in a zone that is there; and the policy that writes queries down."""

from __future__ import annotations

from hedgerow.errors import CallError
from hedgerow.targets.cloud.graph import Found, Resource
from hedgerow.targets.gcp.api import Google, RefusedError, Row
from hedgerow.targets.gcp.keys import Own
from hedgerow.targets.gcp.kind import EXISTS, GONE, STALE, Call, Kind, anew, mark

ROOT = "https://www.googleapis.com/compute/v1/"
LEADING = ("A", "AAAA", "CNAME")
"""The types of records by which a name leads somewhere."""
DATA = ("name", "type", "ttl", "rrdatas", "routingPolicy")
"""What of a record must be given to delete it, exactly as it is."""
TTL = 300
OVERTAKEN = (GONE, EXISTS, STALE)
"""What a change is refused with where a record is not, or no longer, what was seen."""


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


def records_of(google: Google, zone: str, name: str = "") -> list[Row]:
    """Return a zone's records, all or those of one name; none where there is no zone."""
    query = {"name": name} if name else {}
    found: list[Row] = []
    while True:
        said = google.ask("dns.resourceRecordSets.list", {"zone_name": zone}, query=query) or {}
        found += said.get("rrsets", [])
        if not said.get("nextPageToken"):
            return found
        query["pageToken"] = said["nextPageToken"]


def put_records(google: Google, zone: str, gone: list[Row], new: list[Row]) -> None:
    """Put records in the place of others, in one change. Raises RefusedError where those are not what was seen."""
    body = {"deletions": [{name: row[name] for name in DATA if name in row} for row in gone], "additions": new}
    google.call("dns.changes.create", {"zone_name": zone}, body=body)


class Record(Own):
    """The domain's A record, and a text beside it that says whose it is: a record can hold no label.

    Both come and go in one change, which Google does whole or not at all, so that there is never one without the other
    (https://cloud.google.com/dns/docs/reference/v1/changes).
    """

    def find(self, resource: Resource) -> Found | None:
        """Return its addresses: none where somebody removed the record and left the text.

        Raises CallError where somebody else leads the name elsewhere.
        """
        there = [row for row in self._rows(resource, f"{resource.name}.") if row["type"] in LEADING]
        texts = [row for row in self._rows(resource, _beside(resource)) if row["type"] == "TXT"]
        marked = any(self._mark() in row.get("rrdatas", []) for row in texts)
        strangers = [row for row in (*there, *texts) if not marked or row["type"] == "CNAME"]
        if strangers:
            raise CallError(
                f"zone {self._zone(resource)} has {'; '.join(map(_words, strangers))} already, and it is not ours",
                "Remove it where nobody needs it, or take dns_zone out of the declaration and lead the name to the"
                f" machine yourself. If this deployment has set it, add {_beside(resource)} TXT {self._mark()} to the"
                " zone.",
            )
        if not marked:
            return None
        own = [row for row in there if row["type"] == "A"]
        addresses = sorted(one for row in own for one in row.get("rrdatas", []))
        return Found(resource.name, {"addresses": addresses}, {"own": own, "texts": texts})

    def make(self, resource: Resource) -> None:
        """Add both. What another run has added meanwhile is left to `find`."""
        text = {"name": _beside(resource), "type": "TXT", "ttl": TTL, "rrdatas": [self._mark()]}
        try:
            self._set(resource, [], [self._address(resource), text])
        except RefusedError as refused:
            if refused.status != EXISTS:
                raise

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Set its addresses in the place of those that were seen; where somebody was faster, look again."""
        address = self._address(resource)

        def put(seen: Found) -> None:
            if seen.fields["addresses"] != sorted(address["rrdatas"]):
                self._set(resource, seen.facts["own"], [address])

        anew(put, found, lambda: self.find(resource), OVERTAKEN)

    def remove(self, resource: Resource, found: Found) -> None:
        """Remove both. Where the answer was lost they are gone already."""

        def take(seen: Found) -> None:
            self._set(resource, [*seen.facts["own"], *seen.facts["texts"]], [])

        try:
            anew(take, found, lambda: self.find(resource), OVERTAKEN)
        except RefusedError:
            if self.find(resource) is not None:
                raise

    def _set(self, resource: Resource, gone: list[Row], new: list[Row]) -> None:
        put_records(self.google, self._zone(resource), gone, new)

    def _rows(self, resource: Resource, name: str) -> list[Row]:
        return records_of(self.google, self._zone(resource), name)

    def _address(self, resource: Resource) -> Row:
        addresses = list(resource.wanted["addresses"])
        return {"name": f"{resource.name}.", "type": "A", "ttl": TTL, "rrdatas": addresses}

    def _zone(self, resource: Resource) -> str:
        return str((resource.given or {})["zone"])

    def _mark(self) -> str:
        return f'"{mark(self.deployment)}"'


def _beside(resource: Resource) -> str:
    """Return the name of the text: a leading underscore, as no host's name has one (RFC 8552)."""
    return f"_hedgerow.{resource.name}."


def _words(row: Row) -> str:
    return f"{row['name']} {row['type']} {' '.join(row.get('rrdatas', []))}".rstrip()

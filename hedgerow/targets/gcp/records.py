"""What a project writes down, how long it can be searched, and the way into a bucket of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hedgerow.targets.cloud.graph import Found, Resource
from hedgerow.targets.gcp.api import Row
from hedgerow.targets.gcp.keys import Own
from hedgerow.targets.gcp.kind import EXISTS, Call, Kind, Rest, Way, anew

PROJECT = "cloudresourcemanager.projects"
EVERY = "allServices"
POLICY = {"options": {"requestedPolicyVersion": 3}}


def one_field(method: str, name: str) -> Way:
    """Return how a field is set where an update names what it changes."""

    def way(value: Any, row: Row) -> list[Call]:
        return [Call(method, {name: value}, {"updateMask": name})]

    return way


SINK = Kind(
    "logging.sinks",
    insert="create",
    ways={name: one_field("logging.sinks.patch", name) for name in ("destination", "filter", "disabled", "exclusions")},
)


class Sink(Rest):
    """A way of log entries into a bucket; Google tells as whom it writes."""

    def find(self, resource: Resource) -> Found | None:
        """Return it as it is, with who writes."""
        found = super().find(resource)
        if found is None:
            return None
        return Found(found.id, found.fields, {**found.facts, "writer": found.facts.get("writerIdentity", "")})


class LogBucket(Own):
    """A bucket of Cloud Logging that the project has from its first day; one that keeps for longer is as wanted."""

    def find(self, resource: Resource) -> Found | None:
        """Return how long it keeps; 30 days where Google says nothing."""
        row = self.google.ask("logging.buckets.get", {"name": resource.name})
        if row is None:
            return None
        days = min(int(row.get("retentionDays", 30)), int(resource.wanted["retentionDays"]))
        return Found(resource.name, {"retentionDays": days}, {})

    def make(self, resource: Resource) -> None:
        """It is there with the project."""

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Have it keep for longer."""
        query = {"updateMask": "retentionDays"}
        self.google.call("logging.buckets.patch", {"name": resource.name}, body=dict(resource.wanted), query=query)

    def remove(self, resource: Resource, found: Found) -> None:
        """It is the project's."""


class Audit(Own):
    """Which looks at data and settings are written down, for the whole project, and who is left out: nobody."""

    def find(self, resource: Resource) -> Found | None:
        """Return what is written down of every service, and who is exempt of any."""
        policy = self.google.ask(f"{PROJECT}.getIamPolicy", body=POLICY)
        if policy is None:
            return None
        configs = policy.get("auditConfigs", [])
        on = {one["logType"] for row in configs if row["service"] == EVERY for one in row["auditLogConfigs"]}
        fields = {"kinds": sorted(on & set(resource.wanted["kinds"])), "exempt": exempt(configs)}
        return Found(self.google.place["project"], fields, {"policy": policy})

    def make(self, resource: Resource) -> None:
        """It is there with the project."""

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Set the audit configuration and nothing else of the policy, as it was seen: whoever was faster is heard."""

        def put(seen: Found) -> None:
            before = seen.facts["policy"]
            policy = {
                "version": before.get("version", 1),
                "etag": before.get("etag", ""),
                "auditConfigs": audited(before.get("auditConfigs", []), resource.wanted["kinds"]),
            }
            self.google.call(f"{PROJECT}.setIamPolicy", body={"policy": policy, "updateMask": "auditConfigs"})

        anew(put, found, lambda: self.find(resource), {EXISTS})

    def remove(self, resource: Resource, found: Found) -> None:
        """It concerns the whole project."""


def exempt(configs: Sequence[Row]) -> list[str]:
    """Return who is left out of the audit logs of any service."""
    rows = [one for row in configs for one in row.get("auditLogConfigs", [])]
    return sorted({who for one in rows for who in one.get("exemptedMembers", [])})


def audited(configs: Sequence[Row], kinds: Sequence[str]) -> list[Row]:
    """Return an audit configuration with these kinds for every service and nobody exempt; the rest stays. Pure."""
    made = []
    held: set[str] = set()
    for row in configs:
        types = [one["logType"] for one in row.get("auditLogConfigs", [])]
        if row["service"] == EVERY:
            held |= set(types)
        made.append({**row, "auditLogConfigs": [{"logType": one} for one in types]})
    missing = [{"logType": one} for one in kinds if one not in held]
    if not missing:
        return made
    others = [row for row in made if row["service"] != EVERY]
    mine = [one for row in made if row["service"] == EVERY for one in row["auditLogConfigs"]]
    return [*others, {"service": EVERY, "auditLogConfigs": [*mine, *missing]}]

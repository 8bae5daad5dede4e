"""Buckets of Cloud Storage, and who may add to them."""

from __future__ import annotations

from typing import Any

from hedgerow.targets.cloud.graph import Found, Resource
from hedgerow.targets.gcp.api import RefusedError, Row
from hedgerow.targets.gcp.keys import Own
from hedgerow.targets.gcp.kind import EXISTS, STALE, TRIES, Kind, Rest, anew

BUCKETS = "storage.buckets"
PERIOD = "retentionPeriod"


def read_bucket(row: Row) -> Row:
    """Bring a bucket into the form that is compared: Google shows places in capitals."""
    retention = row.get("retentionPolicy", {})
    return {**row, "location": row.get("location", "").lower(), "locked": bool(retention.get("isLocked"))}


def write_bucket(body: Row) -> Row:
    """A lock is set by a call of its own."""
    return {name: value for name, value in body.items() if name != "locked"}


BUCKET = Kind(BUCKETS, marked="labels", read=read_bucket, write=write_bucket)


class Bucket(Rest):
    """A bucket and everything that guards it.

    A locked retention only grows, so that one which keeps for longer than is wanted is as wanted
    (https://cloud.google.com/storage/docs/bucket-lock).
    """

    def find(self, resource: Resource) -> Found | None:
        """Return it as it is. Raises CallError where somebody else has the name."""
        found = super().find(resource)
        if found is None:
            return None
        wanted, kept = resource.wanted["retentionPolicy"], found.fields["retentionPolicy"]
        if found.facts["locked"] and int(kept[PERIOD] or 0) > int(wanted[PERIOD]):
            return Found(found.id, {**found.fields, "retentionPolicy": wanted}, found.facts)
        return found

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Set these fields; the lock is the last, on a bucket that is as wanted otherwise."""
        if plain := fields - {"locked"}:
            super().change(resource, found, plain)
        if "locked" in fields:
            self._lock(resource)

    def _lock(self, resource: Resource) -> None:
        """Lock the bucket as it was just seen to be. A lock whose answer was lost is there already."""
        for attempt in range(TRIES):
            there = self.find(resource)
            if there is None or there.facts["locked"]:
                return
            seen = {"ifMetagenerationMatch": there.facts["metageneration"]}
            try:
                self.google.call(f"{BUCKETS}.lockRetentionPolicy", self.path(resource), query=seen)
                return
            except RefusedError as refused:
                if refused.status != STALE or attempt == TRIES - 1:
                    raise

    def remove(self, resource: Resource, found: Found) -> None:
        """Buckets are kept: every one of them holds records or backups."""
        raise NotImplementedError(self.remove.__doc__)


class Users(Own):
    """Who may use a bucket: these at least. What others are given by its policy stays, as it is theirs to say."""

    def find(self, resource: Resource) -> Found | None:
        """Return which of those that are wanted may; None while there is no bucket."""
        policy = self.google.ask(f"{BUCKETS}.getIamPolicy", self._path(resource))
        if policy is None:
            return None
        held = {
            role: [who for who in members if who in _members(policy, role)]
            for role, members in resource.wanted["bindings"].items()
        }
        return Found(resource.name, {"bindings": held}, {"policy": policy})

    def make(self, resource: Resource) -> None:
        """It is there with the bucket."""

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Add to the policy as it was seen; where somebody was faster, or an answer was lost, look again."""

        def put(seen: Found) -> None:
            policy = added(seen.facts["policy"], resource.wanted["bindings"])
            self.google.call(f"{BUCKETS}.setIamPolicy", self._path(resource), body=policy)

        anew(put, found, lambda: self.find(resource), {EXISTS, STALE})

    def remove(self, resource: Resource, found: Found) -> None:
        """It stays with the bucket."""

    def _path(self, resource: Resource) -> dict[str, str]:
        return {"name": str((resource.given or {})["name"])}


def _members(policy: Row, role: str) -> set[str]:
    """Return who has a role without a condition."""
    rows = [one for one in policy.get("bindings", []) if one["role"] == role and not one.get("condition")]
    return {who for one in rows for who in one.get("members", [])}


def added(policy: Row, wanted: Any) -> Row:
    """Return a policy with these members by role beside what is in it, its etag included. Pure."""
    rows = [dict(one) for one in policy.get("bindings", [])]
    for role, members in wanted.items():
        missing = sorted(set(members) - _members(policy, role))
        if missing:
            rows.append({"role": role, "members": missing})
    return {**policy, "bindings": rows}

"""Buckets: their names, keys, retention and who may read them."""

from __future__ import annotations

import re
from typing import Any

from .. import policies
from ..asked import Asked, page
from ..compute import disks, rows
from ..compute.generic import labels
from ..errors import RefusedError, invalid, not_modelled
from ..named import may
from ..world import NUMBER, PROJECT, etag, now

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
AGENT = f"service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com"
MULTI = {"US": "us", "EU": "europe", "ASIA": "asia"}
WEEK = "604800"
SAID = ("kind", "id", "selfLink", "projectNumber", "timeCreated", "updated", "metageneration", "etag", "locationType")
PUBLIC = {"allUsers", "allAuthenticatedUsers"}


def must(asked: Asked) -> dict[str, Any]:
    """Return the bucket that is named."""
    found = asked.world.rows.get(f"storage:{asked.path['bucket']}")
    if found is None:
        raise RefusedError(404, "The specified bucket does not exist.", "notFound")
    return found


def precondition(asked: Asked, row: dict[str, Any], field: str = "metageneration") -> None:
    """https://cloud.google.com/storage/docs/request-preconditions."""
    wanted = asked.one(f"if{field[0].upper()}{field[1:]}Match")
    if wanted and wanted != row.get(field, "0"):
        raise RefusedError(412, "At least one of the pre-conditions you specified did not hold.", "conditionNotMet")


def insert(asked: Asked) -> dict[str, Any]:
    """Make a bucket: its name is unique in the world, https://cloud.google.com/storage/docs/buckets#naming."""
    if asked.one("project") not in (PROJECT, NUMBER):
        raise RefusedError(403, f"No access to the project {asked.one('project')}.", "forbidden")
    name = asked.body.get("name", "")
    if not NAME.fullmatch(name) or name.startswith("goog") or "google" in name or ".." in name:
        raise RefusedError(400, f"Invalid bucket name: '{name}'", "invalid")
    if f"storage:{name}" in asked.world.rows:
        text = "Your previous request to create the named bucket succeeded and you already own it."
        raise RefusedError(409, text, "conflict")
    row = {key: value for key, value in asked.body.items() if key not in SAID}
    row["location"] = row.get("location", "US").upper()
    row["locationType"] = "multi-region" if row["location"] in MULTI else "region"
    row.setdefault("storageClass", "STANDARD")
    row.setdefault("softDeletePolicy", {"retentionDurationSeconds": WEEK})
    row |= {"kind": "storage#bucket", "id": name, "projectNumber": NUMBER, "timeCreated": now(), "generation": "1"}
    row |= {"selfLink": f"https://www.googleapis.com/storage/v1/b/{name}", "metageneration": "0"}
    made = _checked(asked, row, {})
    roles = {
        "roles/storage.legacyBucketOwner": [f"projectEditor:{PROJECT}", f"projectOwner:{PROJECT}"],
        "roles/storage.legacyBucketReader": [f"projectViewer:{PROJECT}"],
    }
    bindings = [{"role": role, "members": members} for role, members in roles.items()]
    asked.world.policies[f"storage:{name}"] = {"version": 1, "etag": etag(bindings), "bindings": bindings}
    return made


def _checked(asked: Asked, row: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Store a bucket as it would be, if it may be so."""
    labels(row.get("labels") or {})
    _access(row, before)
    _retention(row, before)
    key = row.get("encryption", {}).get("defaultKmsKeyName")
    if key and key != before.get("encryption", {}).get("defaultKmsKeyName"):
        _key(asked, row, key)
    soft = row.get("softDeletePolicy")
    if soft is not None and soft != before.get("softDeletePolicy"):
        seconds = int(soft.get("retentionDurationSeconds", 0))
        if seconds != 0 and not 604_800 <= seconds <= 7_776_000:  # https://cloud.google.com/storage/docs/soft-delete
            raise invalid("softDeletePolicy.retentionDurationSeconds", seconds, "Zero, or between 7 and 90 days.")
        row["softDeletePolicy"] = {"retentionDurationSeconds": str(seconds), "effectiveTime": now()}
    row["metageneration"] = str(int(row["metageneration"]) + 1)
    row["updated"] = now()
    row["etag"] = etag([row["metageneration"], row["name"]])
    asked.world.rows[f"storage:{row['name']}"] = row
    return row


def _access(row: dict[str, Any], before: dict[str, Any]) -> None:
    """https://cloud.google.com/storage/docs/uniform-bucket-level-access, .../public-access-prevention."""
    given = row.get("iamConfiguration", {})
    uniform = given.get("uniformBucketLevelAccess") or given.get("bucketPolicyOnly") or {}
    on = bool(uniform.get("enabled"))
    prevention = given.get("publicAccessPrevention", "inherited")
    if prevention not in ("inherited", "enforced", "unspecified"):
        raise invalid("iamConfiguration.publicAccessPrevention", prevention)
    if on and (row.get("acl") or row.get("defaultObjectAcl")):
        raise RefusedError(400, "Cannot use ACL API to update bucket policy when uniform access is enabled.", "invalid")
    was = before.get("iamConfiguration", {}).get("uniformBucketLevelAccess", {})
    made: dict[str, Any] = {"enabled": on}
    if on:
        made["lockedTime"] = was.get("lockedTime", "2027-02-24T00:00:00.000Z")
    row["iamConfiguration"] = {
        "uniformBucketLevelAccess": made,
        "bucketPolicyOnly": dict(made),
        "publicAccessPrevention": prevention,
    }


def _retention(row: dict[str, Any], before: dict[str, Any]) -> None:
    """A locked policy only grows: https://cloud.google.com/storage/docs/bucket-lock#locked."""
    given, had = row.get("retentionPolicy"), before.get("retentionPolicy", {})
    less = given is None or int(given.get("retentionPeriod", 0)) < int(had.get("retentionPeriod", 0))
    if had.get("isLocked") and less:
        text = f"Cannot reduce retention duration of a locked Retention Policy for bucket '{row['name']}'."
        raise RefusedError(403, text, "forbidden")
    if not given:
        row.pop("retentionPolicy", None)
        return
    if not 0 < int(given.get("retentionPeriod", 0)) < 3_155_760_000:
        raise invalid(
            "retentionPolicy.retentionPeriod", given.get("retentionPeriod"), "Between 1 second and 100 years."
        )
    same = had.get("retentionPeriod") == given["retentionPeriod"]
    made = {"retentionPeriod": given["retentionPeriod"], "effectiveTime": had["effectiveTime"] if same else now()}
    row["retentionPolicy"] = made | ({"isLocked": True} if had.get("isLocked") else {})


def _key(asked: Asked, row: dict[str, Any], name: str) -> None:
    """https://cloud.google.com/storage/docs/encryption/customer-managed-keys: same place, and the agent may use it."""
    place = name.split("/")[3] if name.count("/") > 3 else ""
    location = row["location"]
    if place != MULTI.get(location, location.lower()):
        raise RefusedError(400, f"Cloud KMS key location {place} does not match bucket location {location}.", "invalid")
    try:
        disks.usable(asked.world, name, f"serviceAccount:{AGENT}")
    except RefusedError as refused:
        text = "Permission denied on Cloud KMS key. Please ensure that your Cloud Storage service account has been"
        raise RefusedError(403, f"{text} authorized to use this key.", "forbidden") from refused


def changed(asked: Asked) -> dict[str, Any]:
    """Patch or put a bucket."""
    row = must(asked)
    precondition(asked, row)
    body = {key: value for key, value in asked.body.items() if key not in SAID}
    if body.get("location", row["location"]).upper() != row["location"] or body.get("name", row["name"]) != row["name"]:
        raise invalid("location", body.get("location"), "A bucket's name and location cannot be changed.")
    kept = {key: row[key] for key in (*SAID, "name", "location", "generation", "storageClass") if key in row}
    made = rows.merge(row, body) if asked.action == "patch" else {**kept, **body}
    return _checked(asked, made, row)


def lock(asked: Asked) -> dict[str, Any]:
    """Lock the retention policy, for ever: the metageneration must be given."""
    row = must(asked)
    if not asked.one("ifMetagenerationMatch"):
        raise RefusedError(400, "Required parameter: ifMetagenerationMatch", "required")
    precondition(asked, row)
    if "retentionPolicy" not in row:
        raise RefusedError(400, "Bucket retention policy is not set.", "invalid")
    made = {**row, "retentionPolicy": {**row["retentionPolicy"], "isLocked": True}}
    return _checked(asked, made, made)


def delete(asked: Asked) -> dict[str, Any]:
    """Delete a bucket in which nothing is, older versions included."""
    row = must(asked)
    precondition(asked, row)
    if any(name.startswith(f"object:{row['name']}/") for name in asked.world.rows):
        raise RefusedError(409, "The bucket you tried to delete is not empty.", "conflict")
    del asked.world.rows[f"storage:{row['name']}"]
    asked.world.policies.pop(f"storage:{row['name']}", None)
    return {}


def listed(asked: Asked) -> dict[str, Any]:
    """Return one page of the project's buckets."""
    prefix = f"storage:{asked.one('prefix')}"
    found = [row for name, row in sorted(asked.world.rows.items()) if name.startswith(prefix)]
    part, more = page(asked, found, "maxResults")
    return {"kind": "storage#buckets", "items": part} | ({"nextPageToken": more} if more else {})


def policy(asked: Asked) -> dict[str, Any]:
    """Read, put or judge who may do what with the objects."""
    row = must(asked)
    key = f"storage:{row['name']}"
    said = {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{row['name']}"}
    if asked.action == "getIamPolicy":
        return policies.get(asked.world, key) | said
    if asked.action == "setIamPolicy":
        public = {member for one in asked.body.get("bindings", []) for member in one.get("members", [])} & PUBLIC
        if public and row["iamConfiguration"]["publicAccessPrevention"] == "enforced":
            text = (
                "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention"
            )
            raise RefusedError(412, f"{text} is enforced.", "conditionNotMet")
        given = {name: value for name, value in asked.body.items() if name not in ("kind", "resourceId")}
        return policies.put(asked.world, key, given) | said
    asked.body["permissions"] = asked.query.get("permissions", [])
    return {"kind": "storage#testIamPermissionsResponse"} | may(asked)


def agent(asked: Asked) -> dict[str, Any]:
    """Return the project's service agent, which is made now if it was not: https://cloud.google.com/storage/docs/getting-service-agent."""
    if asked.path["projectId"] not in (PROJECT, NUMBER):
        raise not_modelled("another project")
    asked.world.agents.add(AGENT)
    return {"kind": "storage#serviceAccount", "email_address": AGENT}

"""Cloud Logging: sinks, buckets, metrics, exclusions. https://cloud.google.com/logging/docs/reference/v2/rest."""

from __future__ import annotations

import re
from typing import Any

from . import named
from .asked import Asked
from .compute import disks
from .errors import RefusedError, invalid, not_modelled
from .world import NUMBER, PROJECT, World, now

AGENT = f"service-{NUMBER}@gcp-sa-logging.iam.gserviceaccount.com"
KEYS = f"cmek-p{NUMBER}@gcp-sa-logging.iam.gserviceaccount.com"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
DESTINATIONS = re.compile(
    r"storage\.googleapis\.com/[^/]+|pubsub\.googleapis\.com/projects/[^/]+/topics/[^/]+"
    r"|bigquery\.googleapis\.com/projects/[^/]+/datasets/[^/]+"
    r"|logging\.googleapis\.com/projects/[^/]+(/locations/[^/]+/buckets/[^/]+)?"
)
AUDIT = 'LOG_ID("cloudaudit.googleapis.com/activity") OR LOG_ID("cloudaudit.googleapis.com/system_event")'
FIELDS = {"sinks": "sinks", "metrics": "metrics", "exclusions": "exclusions", "buckets": "buckets"}


def begin(world: World) -> None:
    """Make what every project has: https://cloud.google.com/logging/docs/store-log-entries."""
    for name, days, locked in (("_Default", 30, False), ("_Required", 400, True)):
        bucket = f"projects/{PROJECT}/locations/global/buckets/{name}"
        row: dict[str, Any] = {"name": bucket, "retentionDays": days, "lifecycleState": "ACTIVE"}
        world.rows[f"logging:{bucket}"] = row | ({"locked": True} if locked else {})
        world.rows[f"logging:projects/{PROJECT}/sinks/{name}"] = {
            "name": name,
            "resourceName": f"projects/{PROJECT}/sinks/{name}",
            "destination": f"logging.googleapis.com/{bucket}",
            "filter": AUDIT if locked else f"NOT ({AUDIT})",
        }


def answer(asked: Asked) -> dict[str, Any]:  # noqa: PLR0911 (one an action)
    """Answer one request to Logging."""
    named.project_of(asked)
    if asked.method.name in ("logging.projects.getSettings", "logging.projects.getCmekSettings"):
        return _settings(asked)
    parts = asked.method.name.split(".")
    if parts[1] != "projects" or parts[-2] not in FIELDS or "views" in parts:
        raise not_modelled(asked.method.name)
    parent = asked.path.get("parent", "")
    if asked.action == "list":
        if asked.collection == "buckets" and parent.endswith("/locations/-"):
            return _everywhere(asked, parent)
        return named.listed(asked, f"{parent}/{asked.collection}", FIELDS[asked.collection])
    if asked.action == "create":
        return _create(asked, parent)
    name = next(asked.path[one] for one in ("name", "sinkName", "metricName") if one in asked.path)
    row = named.must(asked, name)
    match asked.action:
        case "get":
            return named.shown(row)
        case "delete":
            return _delete(asked, name, row)
        case "undelete" if asked.collection == "buckets":
            row["lifecycleState"] = "ACTIVE"
            return {}
        case "patch" | "update":
            return _update(asked, name, row)
    raise not_modelled(asked.method.name)


def _settings(asked: Asked) -> dict[str, Any]:
    """Name the accounts that Logging acts as; asking makes them.

    https://cloud.google.com/logging/docs/routing/managed-encryption#service-acct
    """
    asked.world.agents |= {AGENT, KEYS}
    if asked.action == "getCmekSettings":
        return {"name": f"projects/{PROJECT}/cmekSettings", "serviceAccountId": KEYS}
    return {"name": f"projects/{PROJECT}/settings", "kmsServiceAccountId": KEYS, "loggingServiceAccountId": AGENT}


def _everywhere(asked: Asked, parent: str) -> dict[str, Any]:
    prefix = f"logging:{parent.removesuffix('-')}"
    found = [row for key, row in sorted(asked.world.rows.items()) if key.startswith(prefix) and "/buckets/" in key]
    return {"buckets": [named.shown(one) for one in found]}


def _create(asked: Asked, parent: str) -> dict[str, Any]:
    row = dict(asked.body)
    identity = asked.one("bucketId") if asked.collection == "buckets" else row.get("name", "")
    if not NAME.fullmatch(identity.replace("/", ".") if asked.collection == "metrics" else identity):
        raise invalid("name", identity, "Must match [A-Za-z0-9][A-Za-z0-9_.-]{0,99}.")
    name = f"{parent}/{asked.collection}/{identity}"
    key = named.fresh(asked, name)
    row |= {"createTime": now(), "updateTime": now()}
    if asked.collection == "buckets":
        row |= {"name": name, "lifecycleState": "ACTIVE"}
    else:
        row["resourceName"] = name
    asked.world.rows[key] = _checked(asked, row, {})
    return asked.world.rows[key]


def _checked(asked: Asked, row: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    match asked.collection:
        case "sinks":
            return _sink(asked, row)
        case "metrics":
            return _metric(row)
        case "buckets":
            return _bucket(asked, row, before)
    if not row.get("filter"):
        raise RefusedError(400, "An exclusion needs a filter.", "badRequest")
    return row


def _sink(asked: Asked, row: dict[str, Any]) -> dict[str, Any]:
    """A sink writes as an account that must be given the right to: https://cloud.google.com/logging/docs/export/configure_export_v2#dest-auth.

    To a log bucket of its own project it writes as nobody.
    """
    if not DESTINATIONS.fullmatch(row.get("destination", "")):
        raise invalid("destination", row.get("destination"), "Not a destination that a sink can have.")
    row.pop("writerIdentity", None)
    if not row["destination"].startswith(f"logging.googleapis.com/projects/{PROJECT}/"):
        asked.world.agents.add(AGENT)
        row["writerIdentity"] = f"serviceAccount:{AGENT}"
    return row


def _metric(row: dict[str, Any]) -> dict[str, Any]:
    if not row.get("filter"):
        raise RefusedError(400, "A metric needs a filter.", "badRequest")
    kind = f"logging.googleapis.com/user/{row['name']}"
    default = {"metricKind": "DELTA", "valueType": "INT64", "unit": "1"}
    given = row.get("metricDescriptor", {})
    row["metricDescriptor"] = {**default, **given, "type": kind, "name": f"projects/{PROJECT}/metricDescriptors/{kind}"}
    return row


def _bucket(asked: Asked, row: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Days kept, a lock that is for ever, and a key that Logging may use.

    https://cloud.google.com/logging/docs/buckets#locking-logs-buckets
    """
    row.setdefault("retentionDays", 30)
    if not 1 <= row["retentionDays"] <= 3650:
        raise invalid("retentionDays", row["retentionDays"], "Between 1 and 3650 days.")
    if before.get("locked") and row != before:
        raise RefusedError(400, "The bucket is locked and cannot be changed.", "failedPrecondition")
    key = row.get("cmekSettings", {}).get("kmsKeyName")
    if key and key != before.get("cmekSettings", {}).get("kmsKeyName"):
        version = disks.usable(asked.world, key, f"serviceAccount:{KEYS}")
        row["cmekSettings"] = {"kmsKeyName": key, "kmsKeyVersionName": version, "serviceAccountId": KEYS}
    return row


def _update(asked: Asked, name: str, row: dict[str, Any]) -> dict[str, Any]:
    if name.endswith("/_Required"):
        raise RefusedError(400, "The _Required sink and bucket cannot be changed.", "failedPrecondition")
    body = {key: value for key, value in asked.body.items() if key != "name"}
    if asked.collection == "metrics":
        kept = {"name": row["name"], "resourceName": row["resourceName"], "createTime": row["createTime"]}
        made = kept | body
    else:
        given = asked.one("updateMask")
        if not given and asked.collection != "sinks":
            raise RefusedError(400, "updateMask is required.", "badRequest")
        fields = named.mask(asked, given or "destination,filter,includeChildren")  # the page's own default
        made = {key: value for key, value in row.items() if key not in fields}
        made |= {one: body[one] for one in fields if one in body}
    made = _checked(asked, made, row)
    made["updateTime"] = now()
    asked.world.rows[f"logging:{name}"] = made
    return made


def _delete(asked: Asked, name: str, row: dict[str, Any]) -> dict[str, Any]:
    """A bucket stays for seven days, its name with it; what every project has stays for good."""
    if name.endswith(("/_Required", "buckets/_Default")):
        raise RefusedError(400, f"{name} cannot be deleted.", "failedPrecondition")
    if asked.collection != "buckets":
        del asked.world.rows[f"logging:{name}"]
    elif row.get("locked"):
        raise RefusedError(400, "A locked bucket can be deleted once it is empty.", "failedPrecondition")
    else:
        row["lifecycleState"] = "DELETE_REQUESTED"
    return {}

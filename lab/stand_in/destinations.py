"""What a destination is, which events are for it, and what is sent there: a part of upstream's hog functions.

Pure. A destination is a row of `posthog_hogfunction`: inputs with a URL, filters with names of events. The payload is
upstream's webhook template's (nodejs/src/cdp/templates/_destinations/webhook): the event, its project and its person.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

QUEUE = "hog"
KIND = "destination"
METRICS = "clickhouse_app_metrics2"
NAMES = {"completed": ("succeeded", "success"), "failed": ("failed", "failure")}


def url_fault(url: object) -> str:
    """Say why nothing is delivered to a URL, or nothing."""
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or not parts.hostname:
        return "no URL"
    return "" if parts.scheme == "https" else "not https"


def is_for(function: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Say whether an event, a row of the analytics store's, is for a destination."""
    if not function["enabled"] or function["team_id"] != row.get("team_id"):
        return False
    names = [each.get("id") for each in (function["filters"] or {}).get("events", ())]
    return not names or row.get("event") in names


def job(function: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the job of delivering one event to one destination."""
    inputs = function["inputs"] or {}
    return {
        "team_id": function["team_id"],
        "function_id": str(function["id"]),
        "event": str(row["uuid"]),
        "parameters": {"url": (inputs.get("url") or {}).get("value"), "body": payload(row)},
    }


def payload(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is posted for an event."""
    properties = row.get("properties") or "{}"
    return {
        "event": {
            "uuid": row["uuid"],
            "event": row["event"],
            "distinct_id": row["distinct_id"],
            "timestamp": row["timestamp"],
            "properties": json.loads(properties) if isinstance(properties, str) else properties,
        },
        "project": {"id": row["team_id"]},
        "person": {"id": row["distinct_id"]},
    }


def jobs(functions: Iterable[Mapping[str, Any]], values: Iterable[bytes | None]) -> list[dict[str, Any]]:
    """Return the jobs that messages of clickhouse_events_json make; what is no event makes none."""
    wanted = list(functions)
    found = []
    for value in values:
        try:
            row = json.loads(value or b"")
        except ValueError:
            continue
        if isinstance(row, dict) and {"uuid", "event", "team_id", "distinct_id", "timestamp"} <= row.keys():
            found += [job(function, row) for function in wanted if is_for(function, row)]
    return found


def metric(team: int, function: str, state: str, count: int) -> dict[str, Any]:
    """Return a row of upstream's app_metrics2: how deliveries ended."""
    name, kind = NAMES[state]
    return {
        "team_id": team,
        "app_source": "hog_function",
        "app_source_id": function,
        "metric_name": name,
        "metric_kind": kind,
        "count": count,
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
    }

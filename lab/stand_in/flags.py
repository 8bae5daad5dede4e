"""Which feature flags are on for somebody: the decision (rust/feature-flags/src/flags/flag_matching.rs).

Pure. Conditions by rollout alone: one that looks at properties or cohorts never holds here. Without variants.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

LONG_SCALE = 0xFFFFFFFFFFFFFFF
REASONS = {"out_of_rollout_bound": "Out of rollout bound", "no_condition_match": "No matching condition set"}


def share(key: str, who: str) -> float:
    """Return where somebody stands between 0 and 1 for a flag: always in the same place, as upstream hashes it."""
    return int(hashlib.sha1(f"{key}.{who}".encode(), usedforsecurity=False).hexdigest()[:15], 16) / LONG_SCALE


def judge(row: Mapping[str, Any], who: str) -> tuple[str, int | None]:
    """Return why a flag is on ("condition_match") or off for somebody, and the number of the condition."""
    outcome: tuple[str, int | None] = ("no_condition_match", None)
    for number, group in enumerate((row["filters"] or {}).get("groups") or []):
        if group.get("properties"):
            continue
        rollout = group.get("rollout_percentage")
        if rollout is None or share(row["key"], who) <= rollout / 100:
            return "condition_match", number
        outcome = ("out_of_rollout_bound", number)
    return outcome


def evaluate(rows: Iterable[Mapping[str, Any]], who: str, *, version: str) -> dict[str, Any]:
    """Return the answer of /flags: details of each flag with v=2, without it the older shape (values and payloads)."""
    details = {row["key"]: _details(row, *judge(row, who)) for row in rows}
    answer = {"errorsWhileComputingFlags": False, "requestId": str(uuid.uuid4())}
    if version == "2":
        return {**answer, "flags": details}
    payloads = {key: each["metadata"]["payload"] for key, each in details.items() if each["metadata"]["payload"]}
    values = {key: each["enabled"] for key, each in details.items()}
    return {**answer, "featureFlags": values, "featureFlagPayloads": payloads}


def _details(row: Mapping[str, Any], code: str, number: int | None) -> dict[str, Any]:
    enabled = code == "condition_match"
    payload = ((row["filters"] or {}).get("payloads") or {}).get("true") if enabled else None
    description = f"Matched condition set {(number or 0) + 1}" if enabled else REASONS[code]
    return {
        "key": row["key"],
        "enabled": enabled,
        "variant": None,
        "reason": {"code": code, "condition_index": number, "description": description},
        "metadata": {"id": row["id"], "version": row["version"] or 0, "description": None, "payload": payload},
    }

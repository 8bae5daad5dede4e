"""What is done to an event before it is written: a part of upstream's transformations (nodejs/src/cdp/templates).

Pure. A transformation is a row of `posthog_hogfunction` made from the one template there is here. Upstream's templates
are programs in its own language; the stand-in reads of a row what ours is given and does that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

KIND = "transformation"
TEMPLATE, INPUT = "template-filter-properties", "propertiesToFilter"
TEMPLATES: tuple[dict[str, Any], ...] = (
    {
        "id": TEMPLATE,
        "type": KIND,
        "name": "Filter properties (stand-in)",
        "status": "stable",
        "free": True,
        "code_language": "hog",
        "code": "// stand-in: what inputs.propertiesToFilter names becomes null",
        "inputs_schema": [{"key": INPUT, "type": "string", "label": "Properties", "required": True}],
    },
)
Row = Mapping[str, Any]


def ordered(functions: Iterable[Row]) -> list[Row]:
    """Return transformations in the order in which they run: those without a place last, the older before the newer."""
    return sorted(
        functions,
        key=lambda row: (row["execution_order"] is None, row["execution_order"] or 0, str(row["created_at"])),
    )


def transformed(rows: Sequence[tuple[str, dict[str, Any]]], functions: Sequence[Row]) -> list[tuple[str, Any]]:
    """Return rows of the analytics store's after the transformations of their projects."""
    return [(key, _one(row, [each for each in functions if each["team_id"] == row["team_id"]])) for key, row in rows]


def _one(row: dict[str, Any], functions: Sequence[Row]) -> dict[str, Any]:
    if not functions:
        return row
    properties = json.loads(row["properties"])
    for each in ordered(functions):
        if is_for(each, row):
            properties = applied(properties, each)
    return {**row, "properties": json.dumps(properties)}


def is_for(function: Row, event: Row) -> bool:
    """Say whether a transformation runs on an event: on all, or on those that its filters name."""
    names = [each.get("id") for each in (function["filters"] or {}).get("events", ())]
    return not names or event.get("event") in names


def applied(properties: Any, function: Row) -> Any:
    """Return an event's properties after one transformation; one with another program does nothing here."""
    if function["template_id"] != TEMPLATE or function["hog"] != TEMPLATES[0]["code"]:
        return properties
    value = ((function["inputs"] or {}).get(INPUT) or {}).get("value") or ""
    changed = properties
    try:
        for name in filter(None, (part.strip() for part in value.split(","))):
            changed = without(changed, name.split("."))
    except HollowError:
        return properties
    return changed


class HollowError(Exception):
    """A path leads through null. Upstream's program fails there, and nothing that it did until then counts."""


def without(value: Any, path: Sequence[str]) -> Any:
    """Return a value in which what the path leads to is null; its name stays, and none is made. Raises HollowError."""
    if value is None:
        raise HollowError
    if not isinstance(value, dict) or path[0] not in value:
        return value
    return {**value, path[0]: without(value[path[0]], path[1:]) if len(path) > 1 else None}


def input_fault(inputs: object) -> str:
    """Say why inputs are not what the template asks for, or nothing (posthog/cdp/validation.py)."""
    held = inputs.get(INPUT) if isinstance(inputs, dict) else None
    value = held.get("value") if isinstance(held, dict) else None
    if not value:
        return "This field is required."
    return "" if isinstance(value, str) else "Value must be a string."

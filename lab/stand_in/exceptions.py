"""What an exception is: its fingerprint, its issue, and its frames under their own names. Pure but for what comes in.

Fields are upstream's ($exception_list and what cymbal adds, rust/cymbal/src/types). A symbol set here is a JSON object,
minified name to name; upstream's is a source map with its script.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

Symbols = Mapping[str, str]
Issue = Callable[[int, str, str, str], str]


def process(row: dict[str, Any], issue: Issue, symbols: Callable[[int, str], Symbols]) -> dict[str, Any]:
    """Return an exception's row with its issue and its frames resolved. Raises ValueError, KeyError, TypeError."""
    properties = json.loads(row["properties"])
    listed = [_resolved(each, lambda ref: symbols(row["team_id"], ref)) for each in properties["$exception_list"]]
    if not listed:
        raise ValueError("an exception without one")
    mark = fingerprint(listed)
    first = listed[0]
    found = issue(row["team_id"], mark, str(first.get("type", "")), str(first.get("value", "")))
    added = {"$exception_list": listed, "$exception_fingerprint": mark, "$exception_issue_id": found}
    return {**row, "properties": json.dumps({**properties, **added})}


def fingerprint(listed: list[dict[str, Any]]) -> str:
    """Return what exceptions of one issue have in common: the kinds of errors and where they were raised."""
    told = [
        [each.get("type"), [frame.get("resolved_name") or frame.get("function") for frame in _frames(each)]]
        for each in listed
    ]
    return hashlib.sha512(json.dumps(told).encode()).hexdigest()


def _frames(each: Mapping[str, Any]) -> list[dict[str, Any]]:
    return (each.get("stacktrace") or {}).get("frames") or []


def _resolved(each: dict[str, Any], symbols: Callable[[str], Symbols]) -> dict[str, Any]:
    frames = [_frame(frame, symbols) for frame in _frames(each)]
    return {**each, "stacktrace": {"type": "resolved", "frames": frames}} if frames else each


def _frame(frame: dict[str, Any], symbols: Callable[[str], Symbols]) -> dict[str, Any]:
    ref = frame.get("chunk_id")
    name = symbols(str(ref)).get(str(frame.get("function"))) if ref else None
    return {**frame, "resolved": name is not None, "resolved_name": name}

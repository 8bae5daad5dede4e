"""The record of an end: what was removed, what was kept and why (45 CFR 164.310(d)(2)(i), disposal)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hedgerow.deployment import now, operator, write_file
from hedgerow.hosts import Change

FILE = "disposal.json"


def write(folder: Path, deployment: str, gone: Sequence[Change], left: Sequence[Change], notes: Sequence[str]) -> Path:
    """Add one end to the record; earlier ones stay. Nothing in it names an account."""
    place = folder / FILE
    ends = json.loads(place.read_text(encoding="utf-8")) if place.exists() else []
    ends.append(
        {
            "deployment": deployment,
            "at": now(),
            "who": operator(),
            "removed": [_removed(one) for one in gone],
            "kept": [{"kind": one.kind, "name": one.name, "why": one.detail} for one in left],
            "notes": list(notes),
        }
    )
    write_file(place, json.dumps(ends, indent=2, ensure_ascii=False) + "\n")
    return place


def _removed(one: Change) -> dict[str, str]:
    row = {"kind": one.kind, "name": one.name}
    return row | {"how": one.detail} if one.detail else row

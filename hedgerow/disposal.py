"""The record of an end: what was removed, what was kept and why (45 CFR 164.310(d)(2)(i), disposal)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from hedgerow.deployment import now, operator, write_file
from hedgerow.hosts import Change
from hedgerow.targets.cloud.graph import Resource

FILE = "disposal.json"
FAILED = "failed"
"""What a change is whose removal was refused; its row is marked so."""
GONE = "it was gone when it was looked for again"


def begin(folder: Path, deployment: str, doomed: Sequence[Resource | Change]) -> None:
    """Say what an end sets out to remove, before it does: the record of one that is killed stays like that."""
    ends = _ends(folder)
    removing = [{"kind": one.kind, "name": one.name} for one in doomed]
    row = {"deployment": deployment, "at": now(), "who": operator(), "removed": [], "kept": [], "notes": []}
    write_file(folder / FILE, _text([*ends, row | {"begun": removing}]))


def _ends(folder: Path) -> list[dict[str, Any]]:
    place = folder / FILE
    ends: list[dict[str, Any]] = json.loads(place.read_text(encoding="utf-8")) if place.exists() else []
    return ends


def _text(ends: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(ends, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path, deployment: str, gone: Sequence[Change], left: Sequence[Change], notes: Sequence[str]) -> Path:
    """Add one end to the record, in place of its beginning; earlier ones stay. Nothing in it names an account."""
    place, ends = folder / FILE, _ends(folder)
    if ends and "begun" in ends[-1]:
        del ends[-1]
    ends.append(
        {
            "deployment": deployment,
            "at": now(),
            "who": operator(),
            "removed": [_removed(one) for one in gone],
            "kept": [_left(one) for one in left],
            "notes": list(notes),
        }
    )
    write_file(place, _text(ends))
    return place


def _left(one: Change) -> dict[str, Any]:
    row = {"kind": one.kind, "name": one.name, "why": one.detail}
    return row | {FAILED: True} if one.action == FAILED else row


def gone_since(folder: Path, there: Collection[str]) -> list[Change]:
    """Return what the last end could not remove, so it was told, and what is not `there` (keys) any more.

    An answer can say no where the thing was on its way already: without this no record would ever have its end.
    """
    kept = ends[-1]["kept"] if (ends := _ends(folder)) else []
    failed = [(row["kind"], row["name"]) for row in kept if row.get(FAILED)]
    return [Change("delete", kind, name, GONE) for kind, name in failed if f"{kind}/{name}" not in there]


def _removed(one: Change) -> dict[str, str]:
    row = {"kind": one.kind, "name": one.name}
    return row | {"how": one.detail} if one.detail else row

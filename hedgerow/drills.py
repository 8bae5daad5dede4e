"""What a drill found, held against what the backup recorded, and which drills a deployment remembers. Pure but for its
folder among the evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hedgerow.deployment import write_file

FOLDER = "drills"
SHOWN = 20
"""Differences that are written out; the rest are counted."""

Figures = Mapping[str, Any]
"""What was recorded of a backup: `still`, table -> [rows, sum], and `moved`, table -> [rows before, rows after]."""


@dataclass(frozen=True)
class Drill:
    """One drill. `at` and `ended` are UTC in ISO 8601.

    `seconds_to_restore` counts from nothing to a service whose smoke test went through; None where it did not come so
    far. `newest` is the end of the restored backup; `reaches` the youngest piece of PostgreSQL's journal where backups
    lie when the drill began: to there a restore could have gone on. `lost_seconds` lie between that and the drill.
    `seconds` are those of each part. `tables` stood still while the backup was made and were compared, with `rows`;
    `moved` tables could not be. `brought` came from the deployment and not from the backup, `left_out` are stores that
    it does not hold, `changed` what of the declaration was otherwise. `problems` are empty where it went well.
    """

    deployment: str
    at: str
    ended: str
    backup: str
    newest: str
    reaches: str
    lost_seconds: float | None
    seconds_to_restore: float | None
    seconds: Mapping[str, float]
    release: str
    hosts: tuple[str, ...]
    stand_in: bool
    tables: int
    rows: int
    moved: int
    controls: Mapping[str, int]
    smoke: bool | None
    brought: tuple[str, ...]
    left_out: tuple[str, ...]
    changed: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether what was restored is what was backed up, and works."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return it under its published names."""
        return {"ok": self.ok, **asdict(self)}


def differences(recorded: Figures, found: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return what is not as the backup recorded it: tables that stood still then, and rows that are not there now."""
    told = []
    for table, (rows, sum_) in sorted(recorded["still"].items()):
        if table not in found:
            told.append(f"{table} had {rows} rows and is not there")
        elif found[table][0] != rows:
            told.append(f"{table} had {rows} rows and has {found[table][0]}")
        elif found[table][1] != sum_:
            told.append(f"{table} has its {rows} rows, and not the content they had")
    for table, (before, after) in sorted(recorded["moved"].items()):
        # What was made or dropped meanwhile may be there or not; what was there both times must be.
        if before and after and not (table in found and found[table][0]):
            told.append(f"{table} had {min(before, after)} rows or more and has none")
    return told


def write(evidence: Path, drill: Drill) -> Path:
    """Write a drill among the evidence and return its file."""
    path = evidence / FOLDER / f"{drill.at.replace(':', '')}.json"
    write_file(path, json.dumps(drill.as_json(), indent=2, sort_keys=True) + "\n")
    return path


def remembered(evidence: Path) -> dict[str, Any]:
    """Return the newest drill that went well, as `good`, and the newest that did not, as `bad`, where there are any."""
    found: dict[str, Any] = {}
    for path in sorted((evidence / FOLDER).glob("*.json")):
        row = json.loads(path.read_text(encoding="utf-8"))
        kept = ("at", "backup", "seconds_to_restore", "lost_seconds", "tables", "rows", "stand_in", "smoke")
        told = {name: row[name] for name in kept} | {"problems": row["problems"][:3]}
        found["good" if row["ok"] else "bad"] = told
    return found

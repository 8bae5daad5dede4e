"""What a rehearsal of an upgrade found, and whether it still says something. Pure but for its folder of evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hedgerow.deployment import write_file
from hedgerow.installed import Version

FOLDER = "rehearsals"
DAYS = 7
"""So long a rehearsal counts. Data grow, and with them how long migrations take and how much room they need; a week
lets a rehearsal before the weekend count for the maintenance window after it."""


@dataclass(frozen=True)
class Rehearsal:
    """One rehearsal. `at` and `ended` are UTC in ISO 8601, `images` digests by the key of the table.

    `seconds_to_migrate` lie between the first start of `web` and its first healthy answer, None where there was none.
    `migrations` are those that were applied, as the databases list them and as `web` said; None where neither does, and
    then nothing is known. `peaks` are bytes, host -> what was measured -> before, peak and after; `seconds` those of
    each part. `newest` is the end of the backup that was brought up. The other fields are those of a drill.
    """

    deployment: str
    at: str
    ended: str
    backup: str
    newest: str
    release_before: str
    images_before: Mapping[str, str]
    release: str
    images: Mapping[str, str]
    seconds: Mapping[str, float]
    seconds_to_migrate: float | None
    migrations: tuple[str, ...] | None
    peaks: Mapping[str, Mapping[str, Mapping[str, int]]]
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
        """Whether the backup came up with what was rehearsed, and works."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return it under its published names."""
        return {"ok": self.ok, **asdict(self)}


def write(evidence: Path, rehearsal: Rehearsal) -> Path:
    """Write a rehearsal among the evidence and return its file."""
    path = evidence / FOLDER / f"{rehearsal.at.replace(':', '')}.json"
    write_file(path, json.dumps(rehearsal.as_json(), indent=2, sort_keys=True) + "\n")
    return path


def last_of(evidence: Path, version: Version) -> dict[str, Any] | None:
    """Return the newest rehearsal of exactly this release and these digests, None where there is none."""
    for path in sorted((evidence / FOLDER).glob("*.json"), reverse=True):
        row: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if row["release"] == version.release and row["images"] == dict(version.digests):
            return row
    return None


def missing(row: dict[str, Any] | None, today: datetime) -> str:
    """Return why a rehearsal does not count for an upgrade now, "" where it does."""
    if row is None:
        return "this release with these images was not rehearsed"
    if not row["ok"]:
        return f"its rehearsal of {row['at']} did not go well: {row['problems'][0]}"
    if today - datetime.fromisoformat(row["at"]).astimezone(UTC) > timedelta(days=DAYS):
        return f"its rehearsal of {row['at']} is older than {DAYS} days"
    return ""

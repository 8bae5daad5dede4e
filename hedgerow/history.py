"""The runs of verify that a deployment keeps: which there are, what each found, and which may go."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

from hedgerow import drift
from hedgerow.catalog import Catalog
from hedgerow.drift import Drift
from hedgerow.errors import CallError
from hedgerow.evidence import Evidence, Past, json_
from hedgerow.findings import Finding, summary

FOLDER = re.compile(r"(\d{4}-\d\d-\d\d)T\d{6}Z(?:-(\d+))?")
KEPT_WHOLE = 100
"""The newest runs stay with every document; of older ones each day keeps its worst, as JSON."""
KEPT_DAYS = 6 * 366
"""Documentation is kept for six years (45 CFR 164.316(b)(2)(i))."""
SHOWN = 30
"""Runs in the chart of a report, and in the history that is printed."""


@dataclass(frozen=True)
class Compared:
    """The findings of a run, each with the time its status began, beside the runs before it."""

    findings: tuple[Finding, ...]
    drift: Drift | None
    past: tuple[Past, ...]


def folders(evidence: Path) -> list[Path]:
    """Return the folder of each run, the oldest first."""
    found = [path for path in evidence.iterdir() if FOLDER.fullmatch(path.name)] if evidence.is_dir() else []
    return sorted(found, key=_place)


def runs(evidence: Path, catalog: Catalog, limit: int) -> list[Evidence]:
    """Return the newest runs, the oldest first. A run whose file is damaged is left out: it must not stop the next."""
    found: list[Evidence] = []
    for folder in reversed(folders(evidence)):
        if len(found) == limit:
            break
        found += _read(folder, catalog)
    return found[::-1]


def compare(evidence: Path, catalog: Catalog, findings: Sequence[Finding], started: str) -> Compared:
    """Hold a new run against the last one, which knows those before it. The first run of a deployment has no drift."""
    found = runs(evidence, catalog, 1)
    if not found:
        return Compared(drift.lasting((), started, findings, started), None, ())
    last = found[0]
    past = (*last.past, Past(last.started, summary(last.findings)))
    return Compared(
        drift.lasting(last.findings, last.started, findings, started),
        drift.compare(last.findings, findings, last.started),
        past[1 - SHOWN :],
    )


def thin(evidence: Path, catalog: Catalog, today: datetime | None = None) -> list[Path]:
    """Remove what need not be kept and return it: documents of older runs, all but a day's worst run, and what is old.

    What was removed can still be told from the journal, which has a line for each run.
    """
    oldest = ((today or datetime.now(UTC)) - timedelta(days=KEPT_DAYS)).date().isoformat()
    removed: list[Path] = []
    for day, of_day in groupby(folders(evidence)[:-KEPT_WHOLE], key=lambda path: path.name[:10]):
        runs_of_day = list(of_day)
        keep = None if day < oldest else _worst(runs_of_day, catalog)
        for folder in runs_of_day:
            if folder == keep:
                removed += [path for path in folder.iterdir() if path.name != "findings.json"]
            else:
                removed.append(folder)
    for path in removed:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return removed


def _worst(of_day: Sequence[Path], catalog: Catalog) -> Path:
    """Return the run in which most failed, then in which most could not be asked; the last of those alike."""
    if len(of_day) == 1:
        return of_day[0]

    def badness(folder: Path) -> tuple[int, int]:
        counts = [summary(run.findings) for run in _read(folder, catalog)]
        return (counts[0]["fail"], counts[0]["error"]) if counts else (-1, -1)

    return max(reversed(of_day), key=badness)


def _read(folder: Path, catalog: Catalog) -> Iterator[Evidence]:
    try:
        yield json_.read((folder / "findings.json").read_text(encoding="utf-8"), catalog)
    except (OSError, CallError):
        return


def _place(folder: Path) -> tuple[str, int]:
    """Return what runs are sorted by: the second one of the same second comes after the first."""
    found = FOLDER.fullmatch(folder.name)
    assert found is not None
    return folder.name[:18], int(found[2] or 1)

"""How a drill looks: what was found, how long it took, and how much would have been lost."""

from __future__ import annotations

from pathlib import Path

from hedgerow import printing
from hedgerow.console import Reporter
from hedgerow.drills import Drill
from hedgerow.findings import summary
from hedgerow.proof import Verified


def drilled(report: Reporter, made: Drill, run: Verified, file: Path, *, as_json_: bool) -> None:
    """Print how a drill ended."""
    if as_json_:
        printing.as_json({"drill": made.as_json(), "summary": summary(run.findings), "evidence": str(file)})
        return
    how = "is good" if made.ok else "did not hold"
    report.out.print(f"Backup {made.backup} {how}: restored onto {', '.join(made.hosts) or 'no host'}.", markup=False)
    for problem in made.problems:
        report.out.print(f"- {problem}", markup=False)
    if made.seconds_to_restore is not None:
        parts = ", ".join(f"{name} {seconds:g} s" for name, seconds in made.seconds.items())
        report.out.print(f"Time to restore: {made.seconds_to_restore:g} s ({parts}).", markup=False)
    if made.lost_seconds is not None:
        report.out.print(f"The journal reached {made.reaches}, {made.lost_seconds:g} s before the drill.", markup=False)
    moved = f"; {made.moved} moved while it was made and were not" if made.moved else ""
    report.out.print(f"{made.tables} tables with {made.rows} rows were compared by count and sum{moved}.", markup=False)
    report.out.print(f"Not in the backup: {', '.join(made.left_out)}.", markup=False)
    for line in made.changed:
        report.out.print(f"Otherwise there: {line}", markup=False)
    report.out.print(f"Evidence: {file}", markup=False)
    printing.findings(report, run.findings)

"""How upgrades look: what they change, and what came of a rehearsal or of the upgrade itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from hedgerow import printing
from hedgerow.console import Reporter
from hedgerow.installed import Difference
from hedgerow.printing_backup import MIB
from hedgerow.rehearsals import DAYS, Rehearsal

SHORT = len("sha256:") + 12
CLICKHOUSE = (
    "ClickHouse is in no backup: there it began empty, so how long its migrations take on your events was not seen,"
    " and they only go forward."
)


def rehearsed(report: Reporter, made: Rehearsal, differs: Difference, file: Path, *, as_json_: bool) -> None:
    """Print how a rehearsal ended."""
    if as_json_:
        printing.as_json({"rehearsal": made.as_json(), "changes": asdict(differs), "evidence": str(file)})
        return
    changes(report, differs)
    how = "went well" if made.ok else "did not go well"
    report.out.print(f"The rehearsal with backup {made.backup} {how}: {', '.join(made.hosts) or 'no host'}.")
    for problem in made.problems:
        report.out.print(f"- {problem}", markup=False)
    if made.seconds_to_migrate is not None:
        report.out.print(f"`web` had migrated and was well after {made.seconds_to_migrate:g} s.", markup=False)
    report.out.print(migrated(made.migrations), markup=False)
    for host, measured in made.peaks.items():
        table = Table(host, "before", "peak", "after", box=None)
        for name, row in measured.items():
            table.add_row(name, *(f"{-(-row[when] // MIB)} MiB" for when in ("before", "peak", "after")))
        report.out.print(table)
    report.out.print(CLICKHOUSE)
    for line in made.changed:
        report.out.print(f"Otherwise there: {line}", markup=False)
    report.out.print(f"Evidence: {file}", markup=False)
    if made.ok:
        report.out.print(f"For {DAYS} days, `upgrade` takes it as the rehearsal of this release with these images.")


def changes(report: Reporter, differs: Difference) -> None:
    """Print what an upgrade changes of the application."""
    if not differs:
        report.out.print("Release and images are those that run already.")
        return
    before, after = differs.release
    report.out.print(f"Release: {before if before == after else f'{before} -> {after}'}", markup=False)
    used: dict[str, list[str]] = {}
    for service, image in differs.services.items():
        used.setdefault(image, []).append(service)
    for key, (old, new) in differs.images.items():
        by = ", ".join(used.get(key, ())) or "no service that stays"
        report.out.print(f"Image {key}: {old[:SHORT] or 'none'} -> {new[:SHORT] or 'none'} ({by})", markup=False)
    for word, names in (("come", differs.coming), ("go", differs.going)):
        if names:
            report.out.print(f"Services that {word}: {', '.join(names)}", markup=False)


def migrated(names: tuple[str, ...] | None) -> str:
    """Say which migrations there were."""
    if names is None:
        return "Which migrations were applied is not known: no database keeps a list of them, and `web` named none."
    return f"Migrations applied: {len(names)}{': ' if names else ''}{', '.join(names)}."

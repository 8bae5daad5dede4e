"""How upgrades look: what they change, and what came of a rehearsal or of the upgrade itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from hedgerow import printing
from hedgerow.console import Reporter
from hedgerow.findings import summary
from hedgerow.installed import Difference
from hedgerow.printing_backup import MIB
from hedgerow.proof import Verified
from hedgerow.rehearsals import DAYS, Rehearsal
from hedgerow.returning import TRIED, Returned
from hedgerow.smoke import SmokeReport
from hedgerow.upgrades import Upgrade

FORWARD = (
    "ClickHouse is in no backup: what a newer release's migrations make of it stays, also where PostgreSQL goes back."
)
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


def nothing(report: Reporter, *, as_json_: bool) -> None:
    """Say that there is nothing to upgrade."""
    if as_json_:
        printing.as_json({"outcome": "nothing to do"})
        return
    report.out.print("Release and images are those that run already. `install` does whatever else is declared.")


def ahead(
    report: Reporter,
    differs: Difference,
    coming: Mapping[str, tuple[str, ...]],
    rehearsed: Mapping[str, Any] | None,
) -> None:
    """Say what an upgrade is about to change, before it does."""
    changes(report, differs)
    for host, names in coming.items():
        report.out.print(f"Packages that come on {host}: {', '.join(names)}", markup=False)
    if rehearsed and rehearsed["ok"]:
        names = rehearsed["migrations"]
        took = rehearsed["seconds_to_migrate"]
        report.out.print(
            f"Rehearsed at {rehearsed['at']}: `web` was well after {took} s."
            f" {migrated(None if names is None else tuple(names))}",
            markup=False,
        )
    else:
        report.out.print("Migrations: not known without a rehearsal.")
    report.out.print(FORWARD, markup=False)


def upgraded(
    report: Reporter, ended: Upgrade, run: Verified, smoked: SmokeReport, folder: Path, file: Path, *, as_json_: bool
) -> None:
    """Print how an upgrade ended that stays."""
    if as_json_:
        _as_json(ended, run, smoked, folder, file)
        return
    report.out.print(f"Upgraded: release {ended.release} runs, backup {ended.backup} is of before.", markup=False)
    _proof(report, run, smoked, folder, file)


def taken_back(report: Reporter, ended: Upgrade, returned: Returned, file: Path, *, as_json_: bool) -> None:
    """Print how an upgrade ended that was taken back."""
    if as_json_:
        _as_json(ended, returned.verified, returned.smoked, returned.folder, file)
        return
    report.out.print(f"The upgrade failed: {ended.why}", markup=False)
    state = "runs again" if returned.ok else "is there again, and its smoke test FAILED"
    report.out.print(
        f"It was taken back: release {ended.release_before} {state}, with the images of before and PostgreSQL's data as"
        f" of {ended.data}. {returned.backup} is a backup of that.",
        markup=False,
    )
    report.out.print(f"{FORWARD} What was tried is kept in {TRIED}/ of the deployment's folder.", markup=False)
    _proof(report, returned.verified, returned.smoked, returned.folder, file)


def _as_json(ended: Upgrade, run: Verified, smoked: SmokeReport, folder: Path, file: Path) -> None:
    said = {"upgrade": ended.as_json(), "summary": summary(run.findings), "smoke": smoked.as_json()}
    printing.as_json({"outcome": ended.outcome, **said, "evidence": str(file), "findings": str(folder)})


def _proof(report: Reporter, run: Verified, smoked: SmokeReport, folder: Path, file: Path) -> None:
    printing.findings(report, run.findings)
    printing.smoked(report, smoked, as_json_=False)
    report.out.print(f"Evidence: {file}, {folder}", markup=False)


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

"""How backups look: what each holds, what it leaves out, and what came of reading or restoring one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from hedgerow import printing
from hedgerow.console import Reporter
from hedgerow.findings import summary
from hedgerow.proof import Verified
from hedgerow.restoring import Moment
from hedgerow.smoke import SmokeReport

MIB = 1 << 20
CLICKHOUSE, VALKEY = "clickhouse", "valkey"
SAME_DISK = "The backups lie on the disk of the data: who loses one loses both. Mount another machine's storage there."


def left_out(row: dict[str, Any]) -> str:
    """Say in one sentence what a backup does not hold, "" where it holds all."""
    if not row["leaves_out"]:
        return ""
    return "Not in it: " + "; ".join(f"{name} ({what})" for name, what in row["leaves_out"].items()) + "."


def listed(report: Reporter, found: dict[str, Any], *, as_json_: bool) -> None:
    """Print every backup, the newest first."""
    if as_json_:
        printing.as_json(found)
        return
    table = Table("backup", "finished", "kind", "MiB", "holds", box=None)
    for row in found["backups"]:
        if row["problem"]:
            table.add_row(row["id"], row["problem"])
            continue
        kind = row["holds"]["postgres"]["kind"]
        table.add_row(row["id"], row["finished"], kind, str(-(-row["bytes"] // MIB)), ", ".join(row["holds"]))
    report.out.print(table)
    newest = next((row for row in found["backups"] if not row["problem"]), None)
    if newest is None:
        report.out.print(f"There is no backup in {found['to']}.", markup=False)
        return
    _told(report, newest)


def made(report: Reporter, row: dict[str, Any], *, as_json_: bool) -> None:
    """Print a backup that was just made."""
    if as_json_:
        printing.as_json(row)
        return
    report.out.print(f"Backup {row['id']} holds {', '.join(row['holds'])}, and was read back whole.", markup=False)
    _told(report, row)


def verified(report: Reporter, found: dict[str, Any], *, as_json_: bool) -> None:
    """Print what is wrong with a backup that was read."""
    if as_json_:
        printing.as_json(found)
        return
    for problem in found["problems"]:
        report.out.print(f"- {problem}", markup=False)
    wrong = f"{found['wrong']} things are not as they were" if found["problems"] else "is as it was made"
    report.out.print(f"Backup {found['id']}: {wrong}.", markup=False)


def about_to_restore(report: Reporter, name: str, row: dict[str, Any], moment: Moment, missing: float) -> None:
    """Say what a restore is about to do, before it asks. `missing` are the seconds of events that no backup has."""
    to = f"as it was at {moment.at}" if moment.at else f"as it was when the backup ended ({row['finished']})"
    parts = [part for part in row["holds"] if part in ("postgres", "host")]
    report.note(f"{name}: {', '.join(parts)} from backup {row['id']}, {to}. All that came later is gone then.")
    if moment.events:
        cut = f", without what came after {moment.at}" if moment.at else ""
        report.note(f"{CLICKHOUSE} from backup {moment.events}{cut}.")
    if moment.queues:
        report.note(f"{VALKEY} from backup {moment.queues}: what waited then is done, some of it a second time.")
    if missing:
        report.note(f"No backup has the events of the last {missing:.0f} seconds before that moment: they are lost.")
    stays = [name for name, taken in ((CLICKHOUSE, moment.events), (VALKEY, moment.queues)) if not taken]
    if row["leaves_out"]:
        report.note(f"{left_out(row)} These stay as they are now.")
    for store in stays:
        report.note(f"{store} stays as it is now.")


def restored(
    report: Reporter,
    put_back: dict[str, Any],
    row: dict[str, Any],
    run: Verified,
    smoked: SmokeReport | None,
    folder: Path,
    *,
    as_json_: bool,
) -> None:
    """Print how a restore ended."""
    if as_json_:
        printing.as_json(
            {
                "restored": put_back,
                "backup": row["id"],
                "leaves_out": row["leaves_out"],
                "summary": summary(run.findings),
                "smoke": smoked.as_json() if smoked else None,
                "evidence": str(folder),
            }
        )
        return
    back = "PostgreSQL and the host's own files are" if put_back.get("files") else "PostgreSQL is"
    report.out.print(f"{back} back from {put_back['id']}; {row['id']} is a backup of what is there now.", markup=False)
    if events := put_back.get("events"):
        gone = sum(events["deleted"].values())
        cut = f"; {gone} rows that came after the moment were deleted" if gone else ""
        report.out.print(f"ClickHouse is back from {events['from']}{cut}.", markup=False)
    if queues := put_back.get("valkey"):
        report.out.print(f"Valkey is back from {queues['from']}, with {queues['keys']} keys.", markup=False)
    printing.findings(report, run.findings)
    if smoked is not None:
        printing.smoked(report, smoked, as_json_=False)
    report.out.print(f"Evidence: {folder}", markup=False)


def _told(report: Reporter, row: dict[str, Any]) -> None:
    if row["leaves_out"]:
        report.out.print(left_out(row), markup=False)
    if row["same_disk"]:
        report.out.print(SAME_DISK, markup=False)

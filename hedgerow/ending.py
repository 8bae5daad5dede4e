"""The verb `destroy`: what must be said first, what ends, what is kept and for how long, and the record of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from hedgerow import disposal, flow, printing, wiping
from hedgerow.console import Reporter
from hedgerow.declaration import Declaration
from hedgerow.deployment import Deployment
from hedgerow.errors import EXIT_DONE, CallError, HedgerowError, UnreachableError
from hedgerow.hosts import Change
from hedgerow.variables import data_host

Given = argparse.Namespace
SHREDDED = "overwritten with random bytes, flushed, removed"
YEARS = "documentation, kept for six years (45 CFR 164.316(b)(2)(i))"


def destroy(given: Given, report: Reporter) -> int:
    """End what is ours. Machines that are not ours are left alone, or with `given.wipe` freed of what we brought."""
    work = flow.leftover(given.reference) or flow.open_work(given.reference, judge_files=False)
    demand_no_hold(work)
    foreign = work.declaration.target.kind == "onprem"
    if given.wipe and not foreign:
        raise CallError("--wipe is for machines of your own (target.kind: onprem)", "Leave it out.")
    if given.forget_backups and not given.wipe:
        raise CallError("--forget-backups goes with --wipe", "")
    if foreign and not given.wipe:
        printing.not_ours(report, work, as_json_=given.json)
        return EXIT_DONE
    demand_name(work.deployment.name, given, report)
    with work.deployment.lock("destroy"):
        rows = _end(work, given, report)
    printing.destroyed(report, work.deployment.name, rows, as_json_=given.json)
    return EXIT_DONE if not any(row.action == "failed" for row in rows) else UnreachableError.exit_code


def demand_no_hold(work: flow.Work) -> None:
    """Raise CallError while a legal hold is declared: in the file that was named, or in the one last installed.

    A hold is lifted by an install without it, so that the journal and the evidence know of both. The refusal itself is
    a line of the journal.
    """
    held = [work.declaration.legal_hold]
    if work.deployment.exists():
        held.append(flow.open_work(work.deployment.name, judge_files=False).declaration.legal_hold)
    if (hold := next(filter(None, held), None)) is None:
        return
    if work.deployment.exists():
        work.deployment.record("destroy", "refused: legal hold", reason=hold.reason, by=hold.by)
    raise CallError(
        f"{work.deployment.name} is under a legal hold since {hold.since}: {hold.reason}. Nothing was destroyed",
        f"Ask {hold.by}. Once it is lifted, take legal_hold out of deploy.yml and run install, then destroy.",
    )


def demand_name(name: str, given: Given, report: Reporter) -> None:
    """Raise CallError unless the deployment's name is typed, or --yes was said."""
    if given.yes:
        return
    if not sys.stdin.isatty():
        raise CallError(f"destroy ends every host of {name} and its data", "Say --yes.")
    report.err.print(f"Every host of {name} ends, with all its data. Type {name}: ", end="", markup=False)
    if sys.stdin.readline().strip() != name:
        raise CallError("nothing was destroyed")


def kept_backups(declaration: Declaration, today: date, *, forget: bool) -> tuple[Change, ...]:
    """Return the backups that outlive the hosts, and until when they are wanted. Only those elsewhere do."""
    if declaration.backup is None or declaration.target.kind != "onprem":
        return ()
    until = today + timedelta(days=declaration.backup.keep_days)
    why = "their key was shredded: nobody can read them" if forget else f"kept until {until}, and the keys to read them"
    return (Change("keep", "backups", f"{declaration.backup.to}/{declaration.name}", why),)


def kept_records(deployment: Deployment) -> tuple[Change, ...]:
    """Return what tells the deployment's story, which no end takes."""
    places = (deployment.evidence, deployment.root / "journal.jsonl", deployment.root / disposal.FILE)
    keys = (deployment.signing_key,) if deployment.signing_key.exists() else ()
    return tuple(Change("keep", "records", place.name, YEARS) for place in (*places, *keys))


def _end(work: flow.Work, given: Given, report: Reporter) -> list[Change]:
    """End it, write down how, and return the rows. Where something fails, the keys stay for the next try."""
    backups = kept_backups(work.declaration, datetime.now(UTC).date(), forget=given.forget_backups)
    try:
        rows, notes = _hosts(work, given, report)
    except (HedgerowError, KeyboardInterrupt):
        work.deployment.record("destroy", "not finished")
        raise
    rows += [*backups, *kept_records(work.deployment)]
    failed = any(row.action == "failed" for row in rows)
    if not failed and (not backups or given.forget_backups):
        rows += _shred(work.deployment)
    gone = [row for row in rows if row.action == "delete"]
    if gone and work.deployment.root.exists():
        # A cloud's own entry stands before this one: it writes what it removed even where it is stopped half way.
        ours = work.declaration.target.kind in ("lab", "onprem")
        told = [row for row in gone if ours or row.kind == "key file"]
        left = [row for row in rows if row.action != "delete" and (row.kind in ("records", "backups") or notes)]
        disposal.write(work.deployment.root, work.deployment.name, told, left, notes)
    outcome = "failed" if failed else "done"
    work.deployment.record("destroy", outcome, removed=len(gone), shredded=[row.name for row in gone if _is_key(row)])
    return rows


def _hosts(work: flow.Work, given: Given, report: Reporter) -> tuple[list[Change], Sequence[str]]:
    with report.phase("destroy", "destroy: the machines"):
        if not given.wipe:
            return work.target.destroy(report.say), ()
        site = work.target.site()
        backup = work.declaration.backup
        rows: list[Change] = []
        for host in site.hosts:
            keep = backup.to if backup and host == data_host(site) else ""
            try:
                rows += wiping.wipe(host, work.deployment.known_hosts, keep, report.say)
            except HedgerowError as error:  # what became of the others is to be written down all the same
                rows.append(Change("failed", "host", host.name, error.message))
        return rows, wiping.LIMITS


def _shred(deployment: Deployment) -> list[Change]:
    keys: tuple[Path, ...] = deployment.keys
    deployment.forget()
    return [Change("delete", "key file", path.name, SHREDDED) for path in keys]


def _is_key(row: Change) -> bool:
    return row.kind == "key file"


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """Add what `destroy` is told."""
    sub.add_argument("--yes", action="store_true", help="do not ask for the deployment's name")
    sub.add_argument(
        "--wipe",
        action="store_true",
        help="on machines of your own: end our services there, and destroy their data and our keys",
    )
    sub.add_argument(
        "--forget-backups",
        action="store_true",
        help="with --wipe: shred the vault key too, without which no backup that is left elsewhere can be read",
    )

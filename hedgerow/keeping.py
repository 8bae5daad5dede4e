"""The verbs `backup` and `restore`: what they ask of whom, in which order, and what the journal keeps of it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hedgerow import flow, printing_backup, proof, restoring
from hedgerow.console import Reporter
from hedgerow.errors import EXIT_CONTROL_FAILED, EXIT_DONE, CallError, HedgerowError
from hedgerow.hosts import Site
from hedgerow.installing import exit_code
from hedgerow.restoring import BackupError

Given = argparse.Namespace


def backup(given: Given, report: Reporter) -> int:
    """Make, list or read back backups; `given.action` says which."""
    work = flow.open_work(given.reference, judge_files=False)
    restoring.demand_declared(work)
    site = work.target.site()
    match given.action:
        case "list":
            printing_backup.listed(report, restoring.listed(work, site), as_json_=given.json)
            return EXIT_DONE
        case "verify":
            with report.phase("backup", "backup verify: read from end to end"):
                found = restoring.verify(work, site, given.id or "", report.say)
            outcome = f"{found['wrong']} wrong" if found["problems"] else "done"
            work.deployment.record("backup verify", outcome, id=found["id"])
            printing_backup.verified(report, found, as_json_=given.json)
            return EXIT_CONTROL_FAILED if found["problems"] else EXIT_DONE
        case _:
            with work.deployment.lock("backup now"), recorded(work, "backup now") as facts:
                with report.phase("backup", "backup now: made, and read back"):
                    made = restoring.make(work, site, report.say)
                facts["id"] = made["id"]
            printing_backup.made(report, made, as_json_=given.json)
            return EXIT_DONE


def restore(given: Given, report: Reporter) -> int:
    """Put the stores that a backup holds back, as they were then, and prove that the deployment is well."""
    work = flow.open_work(given.reference, judge_files=False)
    restoring.demand_declared(work)
    site = work.target.site()
    found, moment = _chosen(work, site, given, report)
    held = next(row for row in found if row["id"] == moment.id)
    if held["problem"]:
        raise CallError(held["problem"], "Nothing was touched. Name another by --from.")
    missing = restoring.misses_events(found, moment)
    printing_backup.about_to_restore(report, work.deployment.name, held, moment, missing)
    _demand_word(work.deployment.name, given, report)
    with work.deployment.lock("restore"), recorded(work, "restore", backup=moment.id, to=moment.at) as facts:
        code = _restore(work, site, moment, given, report)
        facts["outcome"] = "done" if code == EXIT_DONE else f"exit {code}"
    return code


def _chosen(
    work: flow.Work, site: Site, given: Given, report: Reporter
) -> tuple[list[dict[str, Any]], restoring.Moment]:
    """Return the backups and what is gone back to; where none has all events up to the moment, one is made first."""

    def choose() -> tuple[list[dict[str, Any]], restoring.Moment]:
        backups = restoring.listed(work, site)["backups"]
        moment = restoring.chosen(backups, given.from_ or "", given.at or "", datetime.now(UTC))
        left = {part: "" for part, store in restoring.STORES.items() if store in given.leave}
        return backups, replace(moment, **left)

    backups, moment = choose()
    if given.from_ or not restoring.misses_events(backups, moment):
        return backups, moment
    with work.deployment.lock("restore"), report.phase("backup", "backup: of the events up to the moment"):
        try:
            restoring.make(work, site, report.say)
        except BackupError as error:
            report.note(f"No backup of what is there now could be made: {error.message}")
    return choose()


def _restore(work: flow.Work, site: Site, moment: restoring.Moment, given: Given, report: Reporter) -> int:
    with report.phase("restore", "restore: read first, then put back"):
        for name in dict.fromkeys(filter(None, (moment.id, moment.events, moment.queues))):
            wrong = restoring.verify(work, site, name, report.say)
            if wrong["problems"]:
                words = "; ".join(wrong["problems"][:5])
                raise CallError(
                    f"backup {name} is not as it was made: {words}", "Nothing was touched. Name another by --from."
                )
        restoring.stop_writers(work, site, report.say)
        put_back = restoring.restore(work, site, moment, report.say)
    credentials, stack = flow.prepare(work, site, report)
    flow.converge_hosts(work, site, credentials, stack, report)
    with report.phase("restore", "backup: of what is there now"):
        made = restoring.make(work, site, report.say)
    verified = proof.compared(work, proof.verify_whole(work, site, report))
    smoked = proof.smoke_test(work, site, report) if work.declaration.posthog.deploy else None
    folder = proof.write_evidence(work, site, verified, smoked)
    code = exit_code(verified.findings, smoked is None or smoked.ok)
    printing_backup.restored(report, put_back, made, verified, smoked, folder, as_json_=given.json)
    return code


def _demand_word(name: str, given: Given, report: Reporter) -> None:
    """Raise CallError unless the deployment's name is typed, or --yes was said."""
    if given.yes:
        return
    if not sys.stdin.isatty():
        raise CallError(f"restore overwrites what {name} holds now", "Say --yes.")
    report.err.print(f"Type {name} to overwrite what it holds now: ", end="", markup=False)
    if sys.stdin.readline().strip() != name:
        raise CallError("nothing was restored")


@contextmanager
def recorded(work: flow.Work, verb: str, **facts: object) -> Iterator[dict[str, object]]:
    """Write one line to the journal, however it ends."""
    told: dict[str, object] = {"outcome": "done", **facts}
    began = time.monotonic()
    try:
        yield told
    except (HedgerowError, KeyboardInterrupt) as error:
        told["outcome"] = error.message.splitlines()[0][:300] if isinstance(error, HedgerowError) else "interrupted"
        raise
    finally:
        outcome = str(told.pop("outcome"))
        work.deployment.record(verb, outcome, seconds=round(time.monotonic() - began, 1), **told)


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """Add what `restore` is told."""
    sub.add_argument("--from", dest="from_", metavar="ID", help="this backup (default: the newest that fits)")
    sub.add_argument(
        "--at",
        metavar="TIME",
        help="go on from there to this moment (UTC, 2026-02-01T13:30:00Z), or `latest`: all that was archived",
    )
    sub.add_argument(
        "--leave",
        action="append",
        default=[],
        choices=sorted(restoring.STORES.values()),
        help="leave this store as it is now; may be said of each",
    )
    sub.add_argument("--yes", action="store_true", help="do not ask")

"""The verb `destroy`: what must be said first, what ends, what is kept, and the record of it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hedgerow import disposal, flow, printing_ending, repository
from hedgerow.console import Reporter
from hedgerow.deployment import Deployment
from hedgerow.errors import EXIT_DONE, CallError, HedgerowError, UnreachableError
from hedgerow.hosts import Change
from hedgerow.targets import wiping

Given = argparse.Namespace
AGAIN = "See what holds it there; the same command again goes on."
SHREDDED = "overwritten with random bytes, flushed, removed"
YEARS = "documentation, kept for six years (45 CFR 164.316(b)(2)(i))"


def destroy(given: Given, report: Reporter) -> int:
    """End what is ours; leave machines alone that are not, and their data unless --wipe says otherwise."""
    work = flow.leftover(given.reference) or flow.open_work(given.reference, judge_files=False)
    demand_no_hold(work)
    name, onprem = work.deployment.name, work.declaration.target.kind == "onprem"
    if given.wipe and not onprem:
        raise CallError(
            "--wipe is for machines of your own", "Leave it out: what was made for a deployment ends whole."
        )
    if onprem and not given.wipe:
        hosts = [host.name for host in getattr(work.declaration.target, "hosts", ())]
        printing_ending.not_ours(report, name, hosts, as_json_=given.json)
        return EXIT_DONE
    if onprem and not work.deployment.exists():
        raise CallError(f"{name} was never installed: what is on its hosts is not its own", "Nothing was touched.")
    demand_name(name, given, report)
    with work.deployment.lock("destroy"):
        rows, notes = _wipe(work, report) if onprem else (_end(work, report), ())
    printing_ending.destroyed(report, name, rows, notes, as_json_=given.json)
    return EXIT_DONE


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
        raise CallError(f"destroy ends {name} and all its data", "Say --yes.")
    what = f"All data on the hosts of {name} ends" if given.wipe else f"Every host of {name} ends, with all its data"
    report.err.print(f"{what}. Type {name}: ", end="", markup=False)
    if sys.stdin.readline().strip() != name:
        raise CallError("nothing was destroyed")


def kept_records(deployment: Deployment) -> tuple[Change, ...]:
    """Return what tells the deployment's story, which no end takes."""
    places = (deployment.evidence, deployment.root / "journal.jsonl", deployment.root / disposal.FILE)
    keys = (deployment.signing_key,) if deployment.signing_key.exists() else ()
    return tuple(Change("keep", "records", place.name, YEARS) for place in (*places, *keys))


def _end(work: flow.Work, report: Reporter) -> list[Change]:
    """End it, write down how, and return the rows. Where something fails, the keys stay for the next try."""
    try:
        with report.phase("destroy", "destroy: the machines"):
            rows = work.target.destroy(report.say)
    except (HedgerowError, KeyboardInterrupt):
        work.deployment.record("destroy", "not finished")
        raise
    keys, kept = _shred(work.deployment), kept_records(work.deployment)
    gone = [row for row in [*rows, *keys] if row.action == "delete"]
    if gone and work.deployment.root.exists():
        # A cloud's own entry stands before this one: it writes what it removed even where it is stopped half way.
        told = gone if work.declaration.target.kind == "lab" else keys
        disposal.write(work.deployment.root, work.deployment.name, told, kept, ())
    work.deployment.record("destroy", "done", removed=len(gone), shredded=[row.name for row in keys])
    return [*rows, *keys, *kept]


def _wipe(work: flow.Work, report: Reporter) -> tuple[list[Change], tuple[str, ...]]:
    """End the data on machines that stay, write down how, and return the rows and what could not be done.

    The keys go last, and stay for the next try where a host did not get to its end.
    """
    deployment = work.deployment
    rows: list[Change] = []
    notes: list[str] = []
    site = work.target.site()  # all of them, before the first is touched
    disposal.begin(deployment.root, deployment.name, [Change("delete", "data", host.name) for host in site.hosts])
    try:
        with report.phase("destroy", "destroy: the data on the hosts"):
            for host in site.hosts:
                report.say(f"{host.name}: services stopped, data written over")
                place = repository.folder(work.declaration) if "data" in host.roles else ""
                wiped = wiping.ask(host, deployment.known_hosts, deployment.name, place)
                rows += wiped.rows
                notes += wiped.notes
                if not wiped.whole:
                    raise UnreachableError(f"{host.name} is not wiped: {'; '.join(wiped.notes)}", AGAIN)
    except (HedgerowError, KeyboardInterrupt):
        disposal.write(deployment.root, deployment.name, rows, (), [*notes, "not finished; the keys are there still"])
        deployment.record("destroy", "not finished")
        raise
    keys, kept = _shred(deployment), [*wiping.LEFT, *kept_records(deployment)]
    disposal.write(deployment.root, deployment.name, [*rows, *keys], kept, notes)
    deployment.record("destroy", "done", removed=len(rows), shredded=[row.name for row in keys], not_done=notes)
    return [*rows, *keys, *kept], tuple(notes)


def _shred(deployment: Deployment) -> list[Change]:
    keys: tuple[Path, ...] = deployment.keys
    deployment.forget()
    return [Change("delete", "key file", path.name, SHREDDED) for path in keys]


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """Add what `destroy` is told."""
    sub.add_argument("--wipe", action="store_true", help="end the data on machines of your own; the machines stay")
    sub.add_argument("--yes", action="store_true", help="do not ask for the deployment's name")

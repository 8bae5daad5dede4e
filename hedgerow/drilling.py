"""The verb `drill`: the newest backup restored onto a host that is made for it, compared, tried, and ended again."""

from __future__ import annotations

import argparse
import time
from typing import Any

from hedgerow import drills, elsewhere, flow, printing_drill, proof, restoring, scratch
from hedgerow.console import Reporter
from hedgerow.deployment import now
from hedgerow.drills import Drill
from hedgerow.elsewhere import Course, Trial
from hedgerow.errors import EXIT_CONTROL_FAILED
from hedgerow.images import release_of
from hedgerow.installing import exit_code
from hedgerow.keeping import recorded

Given = argparse.Namespace
PROVES = ("postgres.", "backup.encrypted", "backup.verified")
"""Controls, or beginnings of their names, that say whether what was restored is kept as well as it was."""


def drill(given: Given, report: Reporter) -> int:
    """Restore the newest backup elsewhere, compare and try it, and write down what came of it."""
    work = flow.open_work(given.reference, judge_files=False)
    restoring.demand_declared(work)
    scratch.demand_possible(work, "a drill")
    with work.deployment.lock("drill"), elsewhere.ended_gently(), recorded(work, "drill") as facts:
        site = work.target.site()
        held, course = elsewhere.tried(
            work, site, work.deployment.declaration, report, lambda trial: _drilled(trial, report)
        )
        facts["backup"] = held["id"]
        made = concluded(work, held, course)
        facts |= {"outcome": "done" if made.ok else "the backup did not hold", "restored_in": made.seconds_to_restore}
        file = drills.write(work.deployment.evidence, made)
        credentials, stack = flow.prepare(work, site, report)
        flow.converge_hosts(work, site, credentials, stack, report, ("--tags", "backup.drilled"))
        verified = proof.compared(work, proof.verify_whole(work, site, report))
        proof.write_evidence(work, site, verified)
    printing_drill.drilled(report, made, verified, file, as_json_=given.json)
    return exit_code(verified.findings) if made.ok else EXIT_CONTROL_FAILED


def _drilled(trial: Trial, report: Reporter) -> None:
    up = elsewhere.restored(trial, report)
    elsewhere.started(trial, up, report)
    trial.course.facts["seconds_to_restore"] = round(time.monotonic() - trial.course.began, 1)
    elsewhere.proven(trial, up, PROVES, report)


def concluded(work: flow.Work, held: dict[str, Any], course: Course) -> Drill:
    """Return the drill as it ended."""
    facts = course.facts
    return Drill(
        deployment=work.deployment.name,
        at=course.at,
        ended=now(),
        backup=held["id"],
        newest=held["finished"],
        reaches=facts.get("reaches", ""),
        lost_seconds=facts.get("lost_seconds"),
        seconds_to_restore=facts.get("seconds_to_restore"),
        seconds=course.seconds,
        release=release_of(work.declaration),
        hosts=facts.get("hosts", ()),
        stand_in=facts.get("stand_in", False),
        tables=facts.get("tables", 0),
        rows=facts.get("rows", 0),
        moved=facts.get("moved", 0),
        controls=facts.get("controls", {}),
        smoke=facts.get("smoke"),
        brought=facts.get("brought", elsewhere.BROUGHT),
        left_out=tuple(held["leaves_out"]),
        changed=facts.get("changed", ()),
        problems=tuple(course.problems),
    )

"""Taking an upgrade back: declaration, image lock, units and PostgreSQL's data as they were before it.

Each step may be done twice, and the record of the attempt says from where to go on. ClickHouse stays as it is, with
what the newer release has made of it: with the backup of before, all events since would be lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hedgerow import attempts, flow, image_lock, proof, restoring
from hedgerow.attempts import BACK, Attempt
from hedgerow.deployment import Deployment, write_file
from hedgerow.errors import HedgerowError
from hedgerow.hosts import Site
from hedgerow.proof import Verified
from hedgerow.restoring import BackupError, Moment
from hedgerow.smoke import SmokeReport, Steady

TRIED = "tried"
"""The folder below the deployment's in which declaration and image lock of what failed are kept."""
BACKUPS_END = "the end of the backup"


@dataclass(frozen=True)
class Returned:
    """What runs again, with the proof of it. `data` says to where PostgreSQL was put back; `backup` was made since."""

    attempt: Attempt
    data: str
    backup: str
    verified: Verified
    smoked: SmokeReport
    folder: Path

    @property
    def ok(self) -> bool:
        """Whether its smoke test went through."""
        return self.smoked.ok


def go_back(
    deployment: Deployment, attempt: Attempt, why: str, report: flow.Reporter, meanwhile: Steady | None = None
) -> Returned:
    """Take an upgrade back that has changed hosts, or go on with that. Raises HedgerowError; then it goes on again.

    Events that came in `meanwhile` are looked for in the end: ClickHouse does not go back, so they are there.
    """
    try:
        return _gone_back(deployment, begun(deployment, attempt, why), report, meanwhile)
    except HedgerowError as error:
        error.message = f"the upgrade failed: {attempt.why or why}\nand taking it back did not end: {error.message}"
        error.fix = f"{error.fix}\n  `upgrade {deployment.name}` goes on with taking it back.".lstrip()
        raise


def begun(deployment: Deployment, attempt: Attempt, why: str) -> Attempt:
    """Have the folder be as before the upgrade, and remember that it goes back; what was tried is kept beside it."""
    if attempt.going != BACK:
        keep_tried(deployment)
        attempt = attempts.write(deployment, replace(attempt, going=BACK, why=why))
    before = attempt.before
    write_file(deployment.root / ".source", f"{before.source}\n")
    write_file(deployment.declaration, before.declared)
    before.lock.write(deployment.root)
    deployment.take_back(before.release)
    return attempt


def keep_tried(deployment: Deployment) -> None:
    """Keep declaration and image lock of what is taken back, so that they can be looked at and tried again."""
    for path in (deployment.declaration, deployment.root / image_lock.NAME):
        beside = deployment.root / TRIED / path.name
        beside.unlink(missing_ok=True)
        if path.exists():
            write_file(beside, path.read_bytes())


def _gone_back(deployment: Deployment, attempt: Attempt, report: flow.Reporter, meanwhile: Steady | None) -> Returned:
    work = flow.open_work(deployment.name, judge_files=False)
    site = work.target.site()
    if not attempt.data:
        with report.phase("restore", "taking it back: PostgreSQL's data"):
            data = _put_back(work, site, attempt, report)
        attempt = attempts.write(deployment, replace(attempt, data=data))
    credentials, stack = flow.prepare(work, site, report)
    flow.converge_hosts(work, site, credentials, stack, report)
    with report.phase("backup", "backup: of what is there now"):
        made = restoring.make(work, site, report.say)
    verified = proof.compared(work, proof.verify_whole(work, site, report))
    smoked = proof.smoke_test(work, site, report, None, meanwhile)
    folder = proof.write_evidence(work, site, verified, smoked)
    attempts.clear(deployment)
    return Returned(attempt, attempt.data, made["id"], verified, smoked, folder)


def _put_back(work: flow.Work, site: Site, attempt: Attempt, report: flow.Reporter) -> str:
    """Stop what writes and put PostgreSQL back as it was when the writers of before had stopped; say to where."""
    tried = work.deployment.root / TRIED / work.deployment.declaration.name
    newer = flow.work_of(tried.read_text(encoding="utf-8-sig"), tried, work.deployment.source_folder())
    # Services of either version: one that only the newer has may be writing still.
    for each in (newer, work):
        restoring.stop_writers(each, site, report.say)
    try:
        restoring.restore(work, site, Moment(attempt.backup, attempt.moment), report.say)
    except BackupError as error:
        # A hole in the journal is no reason to stay between two versions: the backup itself was read back.
        report.note(f"{error.message}\nPostgreSQL goes back to {BACKUPS_END} {attempt.backup} instead.")
        restoring.restore(work, site, Moment(attempt.backup), report.say)
        return f"{BACKUPS_END} {attempt.backup}"
    return attempt.moment

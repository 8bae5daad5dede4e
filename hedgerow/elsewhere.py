"""The newest backup brought up elsewhere, on hosts made for it and ended after it: what drill and rehearsal share."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hedgerow import drills, flow, proof, repository, restoring, scratch, ssh
from hedgerow.catalog import catalog_of
from hedgerow.credentials import Credentials
from hedgerow.deployment import now
from hedgerow.errors import CallError, HedgerowError
from hedgerow.findings import summary
from hedgerow.hosts import Host, Site
from hedgerow.restoring import DAY, BackupError
from hedgerow.stack import Stack
from hedgerow.variables import data_host

FIGURES = "/usr/local/lib/hedgerow/figures"
# ClickHouse and the application's other containers come up with them, empty; before anybody signs up, and without a
# backup beside them, which would be of nothing.
STORES_FIRST = (
    "--skip-tags",
    "edge,backup,health,audit,posthog.sign-up-closed,posthog.mail-relay,clickhouse.retention",
)
BROUGHT = ("declaration", "secrets and their key", "private CA", "locked images")
SEED = "the second factor of the owner, from the host"


@dataclass
class Course:
    """What is known of a trial while it goes on."""

    began: float = field(default_factory=time.monotonic)
    at: str = field(default_factory=now)
    seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time one part."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - begun, 1)


@dataclass(frozen=True)
class Trial:
    """A trial: whose backup `held` is, the scratch deployment `there`, and what has become known."""

    work: flow.Work
    site: Site
    there: flow.Work
    held: dict[str, Any]
    course: Course


@dataclass(frozen=True)
class Restored:
    """The scratch hosts once PostgreSQL is back on them, and with what the application will be started."""

    far: Site
    credentials: Credentials
    stack: Stack


def tried(
    work: flow.Work, site: Site, declared: Path, report: flow.Reporter, act: Callable[[Trial], None]
) -> tuple[dict[str, Any], Course]:
    """Have the newest backup and a scratch deployment of what `declared` says, and do `act` with them.

    Returns that backup, and a course whose problems say what did not hold. The hosts end however it goes. Raises
    CallError where nothing could be tried.
    """
    scratch.sweep(work, report)
    held = newest(restoring.listed(work, site)["backups"])
    with report.phase("read", "the backup, read where it lies"):
        # Where this fails no host need be booted to say so.
        wrong = restoring.verify(work, site, held["id"], report.say)["problems"]
    course = Course()
    try:
        if wrong:
            raise BackupError(f"backup {held['id']} is not as it was made: {'; '.join(wrong[:5])}")
        with scratch.deployment(work, declared, report) as (there, changed):
            course.facts["changed"] = changed
            act(Trial(work, site, there, held, course))
    except CallError:
        raise  # nothing was tried: that says nothing about the backup
    except HedgerowError as error:
        course.problems.append(error.message.splitlines()[0][:500])
    return held, course


def newest(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the newest backup. Raises CallError where there is none, or where it cannot be trusted."""
    if not rows:
        raise CallError("there is no backup to restore", "`backup now` makes one.")
    if rows[0]["problem"]:
        raise CallError(rows[0]["problem"], "`backup now` makes another; find out who changed this one.")
    return rows[0]


def restored(trial: Trial, report: flow.Reporter) -> Restored:
    """Boot the hosts, put the stores back, and hold them against what was recorded. Raises HedgerowError."""
    work, site, there, course = trial.work, trial.site, trial.there, trial.course
    name, moment, facts = trial.held["id"], datetime.fromisoformat(course.at), course.facts
    # Before anything takes time: what is archived while the scratch host boots would not have been there.
    facts |= _reach(restoring.ask(work, data_host(site), "reach")[1]["youngest"], moment)
    with course.part("boot"):
        far = flow.provision(there, report)
    scratch.demand_free(there, far)
    facts |= {"hosts": tuple(f"{host.name} ({host.address})" for host in far.hosts), "stand_in": far.stand_ins}
    with course.part("stores"):
        credentials, stack = flow.prepare(there, far, report)
        flow.converge_hosts(there, far, credentials, stack, report, STORES_FIRST)
    with course.part("copy"), report.phase("restore", "the backup, copied"):
        copy(work, data_host(site), there, data_host(far), report.say)
    with course.part("read and restore"):
        flow.converge_hosts(there, far, credentials, stack, report, ("--tags", "backup"))
        with report.phase("restore", "read, put back, and compared"):
            if told := restoring.verify(there, far, name, report.say)["problems"]:
                raise BackupError(f"backup {name} is not as it was made: {'; '.join(told[:5])}")
            restoring.stop_writers(there, far, report.say)
            restoring.restore(there, far, restoring.end_of(trial.held), report.say)
            _compare(there, far, name, course)
    return Restored(far, credentials, stack)


def started(trial: Trial, up: Restored, report: flow.Reporter) -> None:
    """Bring the application up over what was restored, and smoke it. Raises HedgerowError."""
    there, course = trial.there, trial.course
    with course.part("services"):
        if _bring_seed(trial.work, trial.site, there, up.far):
            course.facts["brought"] = (*BROUGHT, SEED)
        flow.converge_hosts(there, up.far, up.credentials, up.stack, report)
        smoked = proof.smoke_test(there, up.far, report) if there.declaration.posthog.deploy else None
    if smoked is not None:
        course.facts["smoke"] = smoked.ok
        course.problems += [] if smoked.ok else ["the smoke test failed on what was restored"]


def proven(trial: Trial, up: Restored, beginnings: tuple[str, ...], report: flow.Reporter) -> None:
    """Ask the controls whose names begin so; one that fails there, or could not be asked, is a problem."""
    with trial.course.part("verify"):
        ids = [each for each in catalog_of("lab").ids if each.startswith(beginnings)]
        findings = proof.verify_hosts(trial.there, up.far, report, ids).findings
    trial.course.facts["controls"] = summary(findings)
    trial.course.problems += [
        f"{each.control} is {each.status} there" for each in findings if each.status in ("fail", "error")
    ]


def _compare(there: flow.Work, far: Site, name: str, course: Course) -> None:
    """Hold what was restored against what the backup recorded, before any service changes it."""
    noted = _figures(there, data_host(far), "recorded", name)
    told = drills.differences(noted, _figures(there, data_host(far), "count")["tables"])
    still = noted["still"].values()
    course.facts |= {"tables": len(still), "rows": sum(row[0] for row in still), "moved": len(noted["moved"])}
    more = [f"and {len(told) - drills.SHOWN} more differences"] if len(told) > drills.SHOWN else []
    course.problems += told[: drills.SHOWN] + more


def _figures(work: flow.Work, host: Host, *words: str) -> dict[str, Any]:
    """Return what the program that counts says. Raises BackupError."""
    line = ["sudo", "-n", shlex.join([FIGURES, *words])]
    answer = ssh.ask(host, work.deployment.known_hosts, line, seconds=DAY)
    try:
        said: dict[str, Any] = json.loads(answer.stdout)
    except ValueError:
        raise BackupError(f"{host.name}: counting gave no answer: {answer.stderr.strip()[-300:]}") from None
    if "refused" in said:
        raise BackupError(f"{host.name}: {said['refused']}", "`backup now` makes a backup with figures beside it.")
    return said


def _reach(youngest: float, moment: datetime) -> dict[str, Any]:
    """Return to which moment the archived journal reaches, and how long before the trial that was. Pure.

    A piece is archived when it is full or a minute old, so its file's time is at most that later than what it holds.
    """
    if not youngest:
        raise BackupError("there is no journal at the backup's place")
    written = datetime.fromtimestamp(youngest, UTC)
    lost = max(0.0, round((moment - written).total_seconds(), 1))
    return {"reaches": written.strftime("%Y-%m-%dT%H:%M:%SZ"), "lost_seconds": lost}


def as_root(work: flow.Work, host: Host, line: str, stdin: str = "") -> str:
    """Return what a line of shell says as root on a host. Raises BackupError."""
    words = ["sudo", "-n", "sh", "-c", shlex.quote(line)]
    answer = ssh.ask(host, work.deployment.known_hosts, words, stdin=stdin, seconds=600)
    if answer.returncode != 0:
        raise BackupError(f"{host.name}: `{line[:60]}` failed: {answer.stderr.strip()[-300:]}")
    return answer.stdout.strip()


def copy(work: flow.Work, host: Host, there: flow.Work, far: Host, say: Callable[[str], None]) -> None:
    """Copy the backups from the data host to the scratch host, through this controller. Raises BackupError.

    The scratch host never sees their own place: it would go on writing there. What is added or removed meanwhile does
    no harm, as all of it is read before it is used.
    """
    say(f"from {host.name} to {far.name}")
    to = shlex.quote(repository.folder(there.declaration))
    as_root(there, far, f"install -d -m 711 {to}")
    give = ["sudo", "-n", restoring.PROGRAM, "give"]
    take = ["sudo", "-n", "tar", "-C", to, "-xpf", "-"]
    line = ssh.command(far, there.deployment.known_hosts, take)
    # Leaving closes our end of the pipe: where nobody takes any more, the giver ends too.
    with subprocess.Popen(ssh.command(host, work.deployment.known_hosts, give), stdout=subprocess.PIPE) as giver:
        taken = subprocess.run(line, stdin=giver.stdout, capture_output=True, text=True, timeout=DAY, check=False)
    if giver.returncode != 0 or taken.returncode != 0:
        raise BackupError(f"the backup could not be copied to {far.name}: {taken.stderr.strip()[-300:]}")


def _bring_seed(work: flow.Work, site: Site, there: flow.Work, far: Site) -> bool:
    """Bring the seed of the owner's second factor, which the restored PostHog asks for, where the backup held none.

    It holds that of its own host alone, and backups of before hold none; what was brought is not proven, and is told.
    """
    home, app = (next(host for host in each.hosts if "app" in host.roles) for each in (site, far))
    if proof.owner_seed(there.deployment, app) or not (seed := proof.owner_seed(work.deployment, home)):
        return False
    place = shlex.quote(proof.OWNER_SEED)
    as_root(there, app, f"install -d -m 700 $(dirname {place}); umask 077; cat >{place}", stdin=seed)
    return True


@contextmanager
def ended_gently() -> Iterator[None]:
    """Have SIGTERM end us as Ctrl-C does, so that the scratch host goes too."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

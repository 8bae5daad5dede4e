"""`upgrade --rehearse`: the newest backup brought up on a host made for it, with what is declared now."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Iterable
from functools import partial

from hedgerow import elsewhere, flow, installed, printing_upgrade, rehearsals, restoring, scratch, ssh
from hedgerow.console import Reporter
from hedgerow.deployment import now
from hedgerow.elsewhere import Course, Restored, Trial
from hedgerow.errors import EXIT_CONTROL_FAILED, EXIT_DONE, CallError
from hedgerow.hosts import Host, Site
from hedgerow.image_lock import ImageLock
from hedgerow.images import stack_for
from hedgerow.installed import Installed
from hedgerow.keeping import recorded
from hedgerow.peaks import watched
from hedgerow.rehearsals import Rehearsal
from hedgerow.restoring import BackupError
from hedgerow.stack import Stack
from hedgerow.variables import data_host

Given = argparse.Namespace
PROVES = ("postgres.", "posthog.", "containers.")
"""Controls, by the beginnings of their names, that an upgrade of PostHog itself can break."""
UNREHEARSED = "--risk-unrehearsed-migrations"
STARTING, STARTED = "7d4958e842da4a758f6c1cdc7b36dcc5", "39f53479d3a045ac8e11786248231fbf"
"""Under these numbers systemd writes of each unit that it starts it, and that it has started (systemd-catalog)."""
WEB = "hedgerow-web.service"
APPLIED = re.compile(r"^\s*Applying ([\w.]+)\.\.\.")
"""How Django names a migration as it applies it (`migrate`, verbosity 1)."""
LISTS = r"""
select format('select %L || app || ''.'' || name from %I.django_migrations', current_database() || ': ', schemaname)
  from pg_tables where tablename = 'django_migrations' \gexec
select format('select %L || version || '' '' || description from %I._sqlx_migrations', current_database() || ': ',
  schemaname) from pg_tables where tablename = '_sqlx_migrations' \gexec
"""
"""Asks a database which migrations it lists: upstream's services in Python keep theirs as Django does, those in Rust as
sqlx does."""
EACH_DATABASE = (
    "cd /; lists=$(cat); runuser -u postgres -- psql -XAtqd postgres"
    ' -c "select datname from pg_database where datallowconn and not datistemplate order by 1" | while read -r name; do'
    ' printf "%s\\n" "$lists" | runuser -u postgres -- psql -XAtqd "$name" -v ON_ERROR_STOP=1 -f - || exit 1; done'
)


def rehearse(given: Given, report: Reporter) -> int:
    """Bring the newest backup up with what is declared now, and write down how that went."""
    work = flow.open_work(given.reference)
    restoring.demand_declared(work)
    demand_deployed(work)
    scratch.demand_possible(
        work,
        "a rehearsal",
        f"Have the same declared for a lab (docs/ci.md), then `upgrade {work.deployment.name} {UNREHEARSED}`.",
    )
    flow.demand_forward(work)
    before = demand_known(work)
    with work.deployment.lock("upgrade --rehearse"), elsewhere.ended_gently(), recorded(work, "rehearse") as facts:
        site = work.target.site()
        stack = stack_for(work.declaration, site, ImageLock.read(work.deployment.root), report.say)
        held, course = elsewhere.tried(work, site, work.source, report, partial(_rehearsed, report=report))
        made = concluded(work, before, stack, held, course)
        facts |= {"backup": held["id"], "release": made.release, "migrated_in": made.seconds_to_migrate}
        facts["outcome"] = "done" if made.ok else "it did not go well"
        file = rehearsals.write(work.deployment.evidence, made)
    differs = installed.differences(before, work.declaration, stack)
    printing_upgrade.rehearsed(report, made, differs, file, as_json_=given.json)
    return EXIT_DONE if made.ok else EXIT_CONTROL_FAILED


def demand_deployed(work: flow.Work) -> None:
    """Raise CallError where there is no application to upgrade."""
    if not work.declaration.posthog.deploy:
        raise CallError(
            "PostHog is not deployed here (posthog.deploy is false)", "`install` brings the hosts up to date."
        )


def demand_known(work: flow.Work) -> Installed:
    """Return what was last installed whole. Raises CallError where that is not known."""
    found = installed.read(work.deployment)
    if found is None:
        raise CallError(
            f"{work.deployment.name}: it is not known what was last installed whole",
            "`install` with the release and the image lock that run now writes it down; then declare what is new.",
        )
    return found


def concluded(work: flow.Work, before: Installed, stack: Stack, held: dict[str, object], course: Course) -> Rehearsal:
    """Return the rehearsal as it ended."""
    facts, version = course.facts, installed.version_of(work.declaration, stack)
    return Rehearsal(
        deployment=work.deployment.name,
        at=course.at,
        ended=now(),
        backup=str(held["id"]),
        newest=str(held["finished"]),
        release_before=before.release,
        images_before=before.version.digests,
        release=version.release,
        images=version.digests,
        seconds=course.seconds,
        seconds_to_migrate=facts.get("seconds_to_migrate"),
        migrations=facts.get("migrations"),
        peaks=facts.get("peaks", {}),
        hosts=facts.get("hosts", ()),
        stand_in=facts.get("stand_in", False),
        tables=facts.get("tables", 0),
        rows=facts.get("rows", 0),
        moved=facts.get("moved", 0),
        controls=facts.get("controls", {}),
        smoke=facts.get("smoke"),
        brought=facts.get("brought", elsewhere.BROUGHT),
        left_out=tuple(held["leaves_out"]),  # type: ignore[arg-type]
        changed=facts.get("changed", ()),
        problems=tuple(course.problems),
    )


def _rehearsed(trial: Trial, report: Reporter) -> None:
    up = elsewhere.restored(trial, report)
    there, facts = trial.there, trial.course.facts
    before = listed(there, data_host(up.far))
    began = restoring.clock(there, up.far)
    with watched(up.far.hosts, there.deployment.known_hosts) as peaks:
        # What is measured counts where it ends badly, too.
        facts["peaks"] = peaks
        try:
            elsewhere.started(trial, up, report)
        finally:
            _told_by_web(there, up, before, began, facts)
    elsewhere.proven(trial, up, PROVES, report)


def _told_by_web(there: flow.Work, up: Restored, before: list[str], began: str, facts: dict[str, object]) -> None:
    """Find out how long `web` took, and which migrations that were, since what was restored is there."""
    lines = _journal(there, up.far, began)
    facts["seconds_to_migrate"] = migrating(lines)
    facts["migrations"] = applied(before, listed(there, data_host(up.far)), lines)


def listed(work: flow.Work, host: Host) -> list[str]:
    """Return the migrations that PostgreSQL's databases list, each after its database; none where none has a list."""
    try:
        return elsewhere.as_root(work, host, EACH_DATABASE, stdin=LISTS).splitlines()
    except BackupError:
        return []  # PostgreSQL is not there to be asked: the course itself says so


def applied(before: Iterable[str], after: Iterable[str], journal: Iterable[str]) -> tuple[str, ...] | None:
    """Return the migrations that were applied in between, those that `web` named among them. Pure.

    None where nobody keeps a list: then it is not known whether there were any.
    """
    before, after = list(before), list(after)
    said = [found[1] for line in journal if (found := APPLIED.match(_field(line, "MESSAGE")))]
    new = [line for line in after if line not in set(before)]
    # What was said and is in a list is told once, by its place in the list.
    more = [name for name in dict.fromkeys(said) if not any(line.endswith(f": {name}") for line in after)]
    return (*new, *more) if after or said else None


def migrating(journal: Iterable[str]) -> float | None:
    """Return the seconds from the first start of `web` until systemd called it started, which waits for its health.

    Starts that ended before are counted in. Pure; None where it was not started, or never well.
    """
    began = None
    for line in journal:
        kind, at = _field(line, "MESSAGE_ID"), _field(line, "__REALTIME_TIMESTAMP")
        if kind == STARTING and began is None:
            began = int(at)
        if kind == STARTED and began is not None:
            return round((int(at) - began) / 1e6, 1)
    return None


def _journal(work: flow.Work, site: Site, began: str) -> list[str]:
    """Return what the journal of the application's host has of `web` since then, an object of JSON a line."""
    host = next(host for host in site.hosts if "app" in host.roles)
    since = f"--since={began.partition('.')[0]} UTC"
    words = ["sudo", "-n", "journalctl", "-q", "-u", WEB, shlex.quote(since), "-o", "json"]
    words.append("--output-fields=MESSAGE,MESSAGE_ID")
    return ssh.ask(host, work.deployment.known_hosts, [*words, "--no-pager"], seconds=120).stdout.splitlines()


def _field(line: str, name: str) -> str:
    """Return a field of an entry; "" where it has none, or one that is no text (journal-json)."""
    value = json.loads(line).get(name)
    return value if isinstance(value, str) else ""

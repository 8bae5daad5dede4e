"""The verb `upgrade`: show what changes, bring it up and prove it, and take it back where it fails."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hedgerow import (
    attempts,
    flow,
    installed,
    inventory,
    packages,
    printing_upgrade,
    proof,
    rehearsals,
    rehearsing,
    restoring,
    returning,
    upgrades,
)
from hedgerow.attempts import BACK, Attempt
from hedgerow.console import Reporter
from hedgerow.deployment import now
from hedgerow.errors import EXIT_CONTROL_FAILED, EXIT_DONE, CallError, HedgerowError, UnreachableError
from hedgerow.hosts import Site
from hedgerow.image_lock import ImageLock
from hedgerow.images import stack_for
from hedgerow.installed import Installed, Version
from hedgerow.installing import exit_code, told
from hedgerow.keeping import recorded
from hedgerow.proof import Verified
from hedgerow.smoke import SmokeReport, Steady
from hedgerow.upgrades import broken, failing

Given = argparse.Namespace


def upgrade(given: Given, report: Reporter) -> int:
    """Bring up what is declared now and prove it, or have again what was there before; with --rehearse, elsewhere."""
    if given.rehearse:
        return rehearsing.rehearse(given, report)
    work = flow.open_work(given.reference)
    restoring.demand_declared(work)
    rehearsing.demand_deployed(work)
    with work.deployment.lock("upgrade"):
        begun = attempts.read(work.deployment)
        if begun and (begun.going == BACK or given.back):
            with recorded(work, "upgrade", release=begun.release) as facts:
                return _take_back(work, begun, begun.why or "somebody said --back", facts, given, report)
        if given.back:
            raise CallError("there is no upgrade that was begun and has not ended", "Nothing was taken back.")
        if begun and not begun.moment:
            begun = None  # no host was changed: it begins anew, with a backup of today
        flow.demand_forward(work)
        before = begun.before if begun else rehearsing.demand_known(work)
        site = work.target.site()
        wanted = _announced(work, site, before, begun, given, report)
        if wanted is None:
            printing_upgrade.nothing(report, as_json_=given.json)
            return EXIT_DONE
        with recorded(work, "upgrade", release=wanted.release) as facts:
            attempt = replace(begun, release=wanted.release, images=wanted.digests) if begun else None
            attempt = attempt or _safe(work, site, before, wanted, report)
            attempts.write(work.deployment, attempt)
            with proof.events_sent(work, site, report) as meanwhile:
                try:
                    return _upgraded(work, attempt, facts, given, report, meanwhile)
                finally:
                    facts.update(told(meanwhile))


def _announced(
    work: flow.Work, site: Site, before: Installed, begun: Attempt | None, given: Given, report: Reporter
) -> Version | None:
    """Say what changes, and return what will run then; None where that runs already. Raises CallError.

    Only what was rehearsed goes on, or what was let in before: a killed run is finished by the same command.
    """
    with report.phase("plan", "upgrade: what it changes"):
        stack = stack_for(work.declaration, site, ImageLock.read(work.deployment.root), report.say)
        differs = installed.differences(before, work.declaration, stack)
        if not differs and not begun:
            return None
        if problems := flow.obstacles(work, site, report.say):
            raise CallError("\n".join(problems), "Nothing was upgraded.")
        coming = packages_to_come(work, site)
    wanted = installed.version_of(work.declaration, stack)
    rehearsed = rehearsals.last_of(work.deployment.evidence, wanted)
    if not given.json:
        printing_upgrade.ahead(report, differs, coming, rehearsed)
    if not (begun and begun.version == wanted):
        demand_rehearsed(work, rehearsed, given.risk_unrehearsed_migrations)
    return wanted


def demand_rehearsed(work: flow.Work, rehearsed: dict[str, Any] | None, risk: bool) -> None:
    """Raise CallError where no rehearsal counts and the risk was not named."""
    if not risk and (why := rehearsals.missing(rehearsed, datetime.now(UTC))):
        raise CallError(
            why,
            f"`upgrade {work.deployment.name} --rehearse` first; or {rehearsing.UNREHEARSED}: then nobody has seen how"
            " long the migrations take, nor whether they end.",
        )


def packages_to_come(work: flow.Work, site: Site) -> dict[str, tuple[str, ...]]:
    """Return the packages that the hosts lack and converge will install, as `plan` shows them; by host."""
    found = {}
    for name, there in inventory.ask(site.hosts, work.deployment.known_hosts).items():
        host = next(host for host in site.hosts if host.name == name)
        needed = packages.packages(host, packages.further(work.declaration, host))
        distribution = there[0].distribution.split()[0]
        lacking = set(needed.get(distribution, ())) - {package.name for package in there}
        if lacking:
            found[name] = tuple(sorted(lacking))
    return found


def _safe(work: flow.Work, site: Site, before: Installed, wanted: Version, report: Reporter) -> Attempt:
    """Find out what fails already, and make a backup that was read back. Nothing has changed on any host then."""
    attempt = Attempt(now(), before, wanted.release, wanted.digests, "")
    was = attempt.work_before(work.deployment)
    verified = proof.verify_hosts(was, site, report, lock=before.lock)
    with report.phase("backup", "backup: made, and read back"):
        made = restoring.make(work, site, report.say)
    return replace(attempt, backup=made["id"], failing=failing(verified.findings))


def _upgraded(
    work: flow.Work,
    attempt: Attempt,
    facts: dict[str, object],
    given: Given,
    report: Reporter,
    meanwhile: Steady | None,
) -> int:
    """Bring the newer version up; where it fails, take it back. A host that cannot be reached stops either way."""
    try:
        verified, smoked = _brought_up(work, attempt, report, meanwhile)
        why = "; ".join(broken(attempt.failing, verified.findings, smoked))
    except UnreachableError as error:
        error.fix += f"\n  `upgrade {work.deployment.name}` goes on; with --back it takes back what was begun."
        raise
    except HedgerowError as error:
        attempt = attempts.read(work.deployment) or attempt
        if not attempt.moment:
            attempts.clear(work.deployment)  # no host was changed: there is nothing to take back
            raise
        why = error.message
    if why:
        attempt = attempts.read(work.deployment) or attempt
        report.note(f"The upgrade failed: {why}")
        return _take_back(work, attempt, why, facts, given, report, meanwhile)
    site = work.target.site()
    folder = proof.write_evidence(work, site, verified, smoked)
    stack = stack_for(work.declaration, site, ImageLock.read(work.deployment.root), report.say)
    # In this order: what is killed in between goes on with an attempt that knows what was before.
    installed.write(work, stack)
    attempts.clear(work.deployment)
    facts["backup"] = attempt.backup
    ended = upgrades.ended(work.deployment, attempt, site, verified, smoked)
    file = upgrades.write(work.deployment.evidence, ended)
    printing_upgrade.upgraded(report, ended, verified, smoked, folder, file, as_json_=given.json)
    return exit_code(verified.findings, smoked.ok)


def _brought_up(
    work: flow.Work, attempt: Attempt, report: Reporter, meanwhile: Steady | None
) -> tuple[Verified, SmokeReport]:
    """Converge to what is declared, verify and smoke. Raises HedgerowError."""
    site = flow.provision(work, report)
    credentials, stack = flow.prepare(work, site, report)
    if not attempt.moment:
        # From here on nobody writes until the newer version does: to this moment PostgreSQL can go back without loss.
        with report.phase("converge", "services stopped; their senders keep what they have"):
            restoring.stop_writers(attempt.work_before(work.deployment), site, report.say)
            attempts.write(work.deployment, replace(attempt, moment=restoring.clock(work, site)))
    flow.converge_hosts(work, site, credentials, stack, report)
    verified = proof.compared(work, proof.verify_whole(work, site, report))
    return verified, proof.smoke_test(work, site, report, None, meanwhile)


def _take_back(
    work: flow.Work,
    attempt: Attempt,
    why: str,
    facts: dict[str, object],
    given: Given,
    report: Reporter,
    meanwhile: Steady | None = None,
) -> int:
    """Have again what was there before, say so, and never end well: what was asked for did not come about."""
    facts |= {"backup": attempt.backup, "why": why.splitlines()[0][:300]}
    if not attempt.moment:
        attempts.clear(work.deployment)
        raise CallError("the upgrade had changed no host yet", "There is nothing to take back; it is forgotten.")
    returned = returning.go_back(work.deployment, attempt, why, report, meanwhile)
    facts |= {"outcome": "taken back", "to": attempt.before.release, "data": returned.data}
    ended = upgrades.taken_back(work.deployment, returned)
    file = upgrades.write(work.deployment.evidence, ended)
    printing_upgrade.taken_back(report, ended, returned, file, as_json_=given.json)
    return EXIT_CONTROL_FAILED


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """Add what `upgrade` is told."""
    what = sub.add_mutually_exclusive_group()
    what.add_argument("--rehearse", action="store_true", help="try it with the newest backup on a host made for that")
    what.add_argument("--back", action="store_true", help="take back an upgrade that was begun and has not ended")
    what.add_argument(
        rehearsing.UNREHEARSED,
        action="store_true",
        help="without a rehearsal: nobody has seen how long the migrations take, nor whether they end",
    )

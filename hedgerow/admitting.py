"""The verb `users`: who can reach what, the review of it, and letting people in and out.

What is declared is the truth: administrators are let in and out by a change of deploy.yml, which is shown first.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hedgerow import flow, people, printing_people, proof, ssh
from hedgerow.catalog import whole_catalog
from hedgerow.console import Reporter
from hedgerow.declaration import Around, Declaration, parse
from hedgerow.declaration.editing import Person, with_administrator, without_administrator
from hedgerow.deployment import now, operator, write_file
from hedgerow.errors import EXIT_CONTROL_FAILED, EXIT_DONE, CallError, HedgerowError
from hedgerow.findings import Finding
from hedgerow.hosts import Site
from hedgerow.installing import exit_code
from hedgerow.people import asking, inviting, removing, review
from hedgerow.people.removing import Way
from hedgerow.variables import data_host

Given = argparse.Namespace
CONTROLS = (
    "accounts.administrators-are-declared",
    "accounts.expiry",
    "ssh.groups-only",
    "sudo.no-strangers",
    "sudo.scope",
)
"""What is asked after a change of people; the first and the last are the tags by which it is converged."""


def users(given: Given, report: Reporter) -> int:
    """List, review, add or remove people; `given.action` says which."""
    work = flow.open_work(given.reference, judge_files=False)
    match given.action:
        case "list":
            return _list(work, given, report)
        case "review":
            return _review(work, given, report)
        case "add":
            with work.deployment.lock("users add"):
                return _add(work, given, report)
        case _:
            with work.deployment.lock("users remove"):
                return _remove(work, given, report)


def _list(work: flow.Work, given: Given, report: Reporter) -> int:
    with report.phase("users", "users: asking hosts and database"):
        access = asking.access(work, work.target.site(), report.say)
    if given.format == "csv":
        sys.stdout.write(review.table(access))
        return EXIT_DONE
    notes = people.ending(work.declaration.access.administrators, datetime.now(UTC).date())
    printing_people.listed(report, access, notes, as_json_=given.json)
    return EXIT_DONE


def _review(work: flow.Work, given: Given, report: Reporter) -> int:
    with report.phase("users", "users: asking hosts and database"):
        access = asking.access(work, work.target.site(), report.say)
    text = review.table(access)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    reviewer = given.reviewer or operator()
    file = work.deployment.evidence / "access-reviews" / f"{access.at.replace(':', '')}.csv"
    write_file(file, text)
    facts = {"at": access.at, "reviewer": reviewer, "who": operator(), "file": file.name, "sha256": checksum}
    write_file(file.with_suffix(".json"), json.dumps({**facts, **access.as_json()}, indent=2, sort_keys=True) + "\n")
    work.deployment.record("users review", "done", reviewer=reviewer, file=file.name, sha256=checksum)
    printing_people.reviewed(report, file, checksum, as_json_=given.json)
    return EXIT_DONE


def _invite(work: flow.Work, given: Given, report: Reporter) -> int:
    """Invite a member: by mail where a relay is declared, else by a link that is shown once and kept nowhere."""
    if given.key or given.expires or given.sudo:
        raise CallError(f"{given.who} is an address in PostHog, which has no keys, days or sudo", "Say --level.")
    if not work.declaration.posthog.deploy:
        raise CallError("PostHog is not deployed here (posthog.deploy is false)", "Nobody can be invited to it.")
    site = work.target.site()
    if there := removing.member(work, data_host(site), given.who):
        state = "" if there["active"] else ", which was removed and cannot be invited again: give another address"
        raise CallError(f"PostHog has an account of {given.who}{state}", "users list shows it.")
    if not given.yes:
        _demand_word(f"Invite {given.who} into PostHog as {given.level}?", report)
    with report.phase("users", "users: inviting as the owner"):
        made = inviting.invite(
            proof.smoke_sheet(work, site), given.who, given.level, by_mail=work.declaration.mail is not None
        )
    work.deployment.record("users add", "invited", person=given.who, level=given.level, mailed=made.mailed)
    printing_people.invited(report, made, as_json_=given.json)
    return EXIT_DONE


def _add(work: flow.Work, given: Given, report: Reporter) -> int:
    if "@" in given.who:
        return _invite(work, given, report)
    if not given.key:
        raise CallError(f"{given.who} could not log in without a key", "Say --key FILE.pub.")
    if any(person.name == given.who for person in work.declaration.access.administrators):
        raise CallError(f"{given.who} is an administrator already", "Change her lines in deploy.yml, then run install.")
    file = declaration_file(work)
    text = file.read_text(encoding="utf-8")
    site = work.target.site()
    for host in site.hosts:
        asking.accounts(work, host, (given.who,))  # a host that is away now would not let her in
    changed = _declare(work, file, text, with_administrator(text, person_of(given)), given, report)
    try:
        findings = _converge(changed, site, report)
    except (HedgerowError, KeyboardInterrupt):
        work.deployment.record("users add", "declared, not yet on the hosts: run install", who=given.who)
        raise
    code = exit_code(findings)
    work.deployment.record("users add", "done" if code == EXIT_DONE else f"exit {code}", who_added=given.who)
    printing_people.changed(report, (), findings, None, as_json_=given.json)
    return code


def _remove(work: flow.Work, given: Given, report: Reporter) -> int:
    site = work.target.site()
    names = tuple(who for who in given.who if "@" not in who)
    addresses = tuple(who for who in given.who if "@" in who)
    if ours := sorted({*names} & {"root", *(host.user for host in site.hosts)}):
        raise CallError(f"{ours[0]} is no person's account", "The installer comes in by it.")
    if addresses and not work.declaration.posthog.deploy:
        raise CallError("PostHog is not deployed here (posthog.deploy is false)", "Nobody has an address in it.")
    declared = {person.name for person in work.declaration.access.administrators}
    # All of them first: one that is away now would go on letting her in.
    seen = {one.name for host in site.hosts for one in (asking.accounts(work, host, names) if names else ())}
    if unknown := sorted({*names} - declared - seen):
        raise CallError(f"nobody is called {unknown[0]}, declared or on a host", "users list shows who there is.")
    database = data_host(site)
    for address in addresses:
        waiting = removing.invited(work, database, address)
        removing.demand_removable(work, address, removing.member(work, database, address), waiting)
    changed = work
    if leaving := [name for name in names if name in declared]:
        file = declaration_file(work)
        text = before = file.read_text(encoding="utf-8")
        for name in leaving:
            text = without_administrator(text, name)
        changed = _declare(work, file, before, text, given, report)
    elif not given.yes:
        _demand_word(f"Take every way in from {', '.join(given.who)}?", report)
    findings: tuple[Finding, ...] = ()
    if names:
        findings = _converge(changed, site, report)
        _end_processes(changed, site, names)
    for address in addresses:
        removing.remove_member(changed, database, address)
    with report.phase("users", "users: trying each old way in"):
        ways = tried(changed, site, names, addresses)
    evidence = _record(changed, given.who, ways)
    printing_people.changed(report, ways, findings, evidence, as_json_=given.json)
    return exit_code(findings) if all(way.closed for way in ways) else EXIT_CONTROL_FAILED


def tried(work: flow.Work, site: Site, names: Sequence[str], addresses: Sequence[str]) -> tuple[Way, ...]:
    """Try every way in that these accounts and addresses may have had. Raises UnreachableError."""
    ways: list[Way] = []
    database = data_host(site)
    for host in site.hosts if names else ():
        seen = asking.accounts(work, host, tuple(names))
        ways += [way for name in names for way in removing.host_ways(host.name, name, seen)]
    if names:
        roles = [
            people.role_of(database.name, row, ()) for row in asking.query(work, database, asking.ROLES, "postgres")
        ]
        ways += [removing.role_way(database.name, name, roles) for name in names]
    for address in addresses:
        waiting = removing.invited(work, database, address)
        ways += removing.member_ways(f"PostHog, {address}", removing.member(work, database, address), waiting)
    return tuple(ways)


def person_of(given: Given) -> Person:
    """Return what is written of a person who is added. Raises CallError where a file of keys cannot be read."""
    keys: list[str] = []
    for key in given.key:
        try:
            keys += (
                [line.strip() for line in Path(key).read_text().splitlines() if line.strip()]
                if _is_file(key)
                else [key]
            )
        except (OSError, UnicodeDecodeError) as error:
            raise CallError(f"{key} cannot be read: {error}", "Name the .pub file, or give its line.") from None
    person: dict[str, str | Sequence[str]] = {"name": given.who, "ssh_keys": keys}
    if given.expires:
        person["expires"] = given.expires
    if given.sudo:
        person["sudo"] = given.sudo[0] if given.sudo[0] in ("all", "none") and len(given.sudo) == 1 else given.sudo
    return person


def _is_file(key: str) -> bool:
    return " " not in key or Path(key).is_file()


def declaration_file(work: flow.Work) -> Path:
    """Return the deploy.yml that the operator keeps, which must say what was installed last. Raises CallError."""
    deployment = work.deployment
    if not deployment.exists():
        raise CallError(f"{deployment.name} was never installed", "Declare people in deploy.yml, and run install.")
    installed = deployment.declaration.read_bytes()
    if work.source.resolve() != deployment.declaration.resolve():
        found = [work.source]
    else:
        found = sorted(deployment.source_folder().glob("*.y*ml"))
    same = [path.resolve() for path in found if path.read_bytes() == installed]
    if len(same) != 1:
        folder = work.source if len(found) == 1 else deployment.source_folder()
        raise CallError(
            f"{folder}: no deploy.yml there says what was installed last"
            if not same
            else f"{folder}: several files do",
            "Name the file, and run install first where it was changed since.",
        )
    return same[0]


def _declare(work: flow.Work, file: Path, before: str, after: str, given: Given, report: Reporter) -> flow.Work:
    """Show the change of the declaration, have it confirmed, and write it. Raises DeclarationError, CallError."""
    _read(after, file)  # all that is wrong in it is said before anything is touched
    report.err.print(printing_people.difference(before, after, str(file)), markup=False, highlight=False)
    if not given.yes:
        _demand_word(f"Write this to {file}, and have the hosts follow?", report)
    write_file(file, after, mode=file.stat().st_mode & 0o777)
    work.deployment.adopt(file)
    return flow.open_work(str(file), judge_files=False)


def _read(text: str, file: Path) -> Declaration:
    catalog = whole_catalog()
    around = Around(base=file.parent, known_controls=catalog.ids, never_waived=catalog.never_waived)
    return parse(text, str(file), around=around)


def _demand_word(question: str, report: Reporter) -> None:
    if not sys.stdin.isatty():
        raise CallError("this changes who is let in", "Say --yes.")
    report.err.print(f"{question} [y/N] ", end="", markup=False)
    if sys.stdin.readline().strip().lower() != "y":
        raise CallError("nothing was changed")


def _converge(work: flow.Work, site: Site, report: Reporter) -> tuple[Finding, ...]:
    """Have the hosts follow the declaration of people, and ask them. Raises ConvergeError, UnreachableError."""
    credentials, stack = flow.prepare(work, site, report)
    flow.converge_hosts(work, site, credentials, stack, report, ["--tags", f"{CONTROLS[0]},{CONTROLS[-1]}"])
    return proof.verify_hosts(work, site, report, CONTROLS).findings


def _end_processes(work: flow.Work, site: Site, names: Sequence[str]) -> None:
    """End what still runs under an account: logind ends sessions, and not what was left behind by one."""
    for host in site.hosts:
        for name in names:
            ssh.ask(host, work.deployment.known_hosts, ["sudo", "-n", "pkill", "-KILL", "-u", name])
    time.sleep(1)  # the kernel needs a moment to reap them


def _record(work: flow.Work, who: Sequence[str], ways: Sequence[Way]) -> Path:
    """Keep each refusal: a line of the journal, and a file among the evidence."""
    at = now()
    for way in ways:
        row: dict[str, Any] = way.as_json()
        outcome = "refused" if row.pop("refused") else "open"
        work.deployment.record("users remove: tried", outcome, person=", ".join(who), **row)
    work.deployment.record(
        "users remove", "done" if all(way.closed for way in ways) else "a way is open", person=", ".join(who)
    )
    file = work.deployment.evidence / "removals" / f"{at.replace(':', '')}.json"
    told = {"at": at, "who": operator(), "removed": list(who), "ways": [way.as_json() for way in ways]}
    write_file(file, json.dumps(told, indent=2, sort_keys=True) + "\n")
    return file


def add_arguments(sub: argparse.ArgumentParser, action: str) -> None:
    """Add what an action of `users` is told."""
    match action:
        case "list":
            sub.add_argument("--format", choices=("table", "csv"), default="table")
        case "review":
            sub.add_argument("--reviewer", metavar="WHO", help="who reviews (default: who runs this)")
        case "add":
            sub.add_argument("who", metavar="ACCOUNT|EMAIL", help="an account on the hosts, or an address for PostHog")
            sub.add_argument("--key", action="append", default=[], metavar="FILE", help="her .pub file, or its line")
            sub.add_argument("--expires", metavar="DATE", help="the day from which she is let in no more")
            sub.add_argument(
                "--sudo", action="append", metavar="all|none|COMMAND", help="what she may do as root; may be repeated"
            )
            sub.add_argument(
                "--level", choices=tuple(inviting.OFFERED), default="member", help="of an address: her level in PostHog"
            )
        case _:
            sub.add_argument("who", nargs="+", metavar="ACCOUNT|EMAIL", help="accounts on hosts, addresses in PostHog")
    if action in ("add", "remove"):
        sub.add_argument("--yes", action="store_true", help="do not ask; the change of deploy.yml is still shown")

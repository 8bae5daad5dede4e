"""How people and their access look: who there is, what a change of the declaration would be, which ways are closed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from hedgerow import printing
from hedgerow.console import Reporter
from hedgerow.findings import Finding
from hedgerow.people import Access
from hedgerow.people.inviting import VALID_DAYS, Invitation
from hedgerow.people.removing import Way


def listed(report: Reporter, access: Access, notes: Sequence[str], *, as_json_: bool) -> None:
    """Print who can reach what."""
    if as_json_:
        printing.as_json({**access.as_json(), "notes": list(notes)})
        return
    hosts = Table(
        "host", "account", "declared", "opens", "sudo", "until", "last login", "keys", box=None, pad_edge=False
    )
    for one in access.accounts:
        sudo = ", ".join(rule.rpartition(": ")[2] for rule in one.sudo) or "none"
        keys = ", ".join(key.partition(" ")[0] for key in one.keys)
        opens = "yes" if one.opens else "no"
        hosts.add_row(
            one.host, one.name, one.declared or "NO", opens, sudo, one.expires, one.last_login or "never seen", keys
        )
    report.out.print(hosts)
    if access.members:
        members = Table(
            "member", "level", "active", "2nd factor", "last login", "keys", "sessions", box=None, pad_edge=False
        )
        for member in access.members:
            sessions = "?" if member.sessions is None else str(member.sessions)
            active = "yes" if member.active else "no"
            row = (member.email, member.level, active, member.second_factor, member.last_login[:19])
            members.add_row(*row, str(len(member.keys)), sessions)
        report.out.print(members)
    roles = Table("database role", "declared", "superuser", "sessions", box=None, pad_edge=False)
    for role in access.roles:
        roles.add_row(role.name, role.declared or "NO", "yes" if role.superuser else "no", str(role.sessions))
    report.out.print(roles)
    for line in notes:
        report.out.print(line, markup=False)


def reviewed(report: Reporter, file: Path, checksum: str, *, as_json_: bool) -> None:
    """Print where a review lies."""
    if as_json_:
        printing.as_json({"review": str(file), "sha256": checksum})
        return
    report.out.print(f"Access review: {file}\nSHA-256: {checksum}", markup=False)


def invited(report: Reporter, made: Invitation, *, as_json_: bool) -> None:
    """Print an invitation. The link is a secret, shown here and kept nowhere; where PostHog mails it, not even here."""
    if as_json_:
        link = {} if made.mailed else {"link": made.link}
        printing.as_json({"email": made.email, "level": made.level, "mailed": made.mailed, **link})
        return
    if made.mailed:
        report.out.print(
            f"PostHog sends the invitation to {made.email}; it is good for {VALID_DAYS} days.", markup=False
        )
        return
    report.out.print(f"Give this to {made.email} by a way that is safe; it is good once, for {VALID_DAYS} days:")
    report.out.print(made.link, markup=False)


def difference(before: str, after: str, name: str) -> str:
    """Return what would be changed in a declaration, as diff(1) shows it."""
    lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), name, f"{name} (new)")
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def changed(
    report: Reporter, ways: Sequence[Way], findings: Sequence[Finding], file: Path | None, *, as_json_: bool
) -> None:
    """Print what came of a change: each way in that was tried, and the controls that were asked."""
    failed = [finding for finding in findings if finding.status in ("fail", "error")]
    if as_json_:
        rows = [{"control": one.control, "host": one.host, "status": one.status} for one in findings]
        evidence = {"evidence": str(file)} if file else {}
        printing.as_json({"ways": [way.as_json() for way in ways], "findings": rows, **evidence})
        return
    for way in ways:
        report.out.print(
            f"{'refused' if way.closed else 'OPEN   '}  {way.where}: {way.way}: {way.answer}", markup=False
        )
    for finding in failed:
        report.out.print(f"{finding.status}  {finding.host}: {finding.control}: {finding.reason}", markup=False)
    if not failed:
        report.out.print(f"{len(findings)} controls of people hold.")
    if file:
        report.out.print(f"Evidence: {file}", markup=False)

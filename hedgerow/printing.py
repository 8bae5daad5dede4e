"""How results look: tables and sentences for people, one JSON object for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from hedgerow import printing_audit as audit
from hedgerow.budget import GIB
from hedgerow.console import Reporter
from hedgerow.converge import Converged
from hedgerow.declaration import Waiver
from hedgerow.errors import DeclarationError, HedgerowError
from hedgerow.evidence import NOT_A_CERTIFICATE, STAND_IN_NOTICE, Evidence
from hedgerow.evidence import coverage as matrix
from hedgerow.findings import STATUSES, Finding, summary
from hedgerow.flow import Work
from hedgerow.hosts import Site
from hedgerow.image_lock import STAND_IN as STAND_IN_SOURCE
from hedgerow.image_lock import ImageLock
from hedgerow.looking import Public, SeenHost, Status, public_page
from hedgerow.planning import Planned
from hedgerow.proof import Verified
from hedgerow.smoke import SmokeReport, Steady

SHOWN = ("fail", "error", "waived", "not-exercised")
STAND_IN = "STAND-IN: images built for this lab run in place of PostHog's own."


def as_json(value: dict[str, Any]) -> None:
    """Print one JSON object on one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def error_json(error: HedgerowError) -> None:
    """Print an error as JSON; a declaration's problems one by one."""
    said: dict[str, Any] = {"error": error.message, "fix": error.fix, "exit": error.exit_code}
    if isinstance(error, DeclarationError):
        said["problems"] = [vars(problem) for problem in error.problems]
    as_json(said)


def preflight(report: Reporter, problems: list[str], notes: Sequence[str] = (), *, as_json_: bool) -> None:
    """Print what stands in the way, and in `notes` what does not but will be missed."""
    if as_json_:
        as_json({"problems": problems, "notes": list(notes)})
        return
    for line in notes:
        report.out.print(line, markup=False)
    for problem in problems:
        report.out.print(f"- {problem}", markup=False)
    if not problems:
        report.out.print("Nothing stands in the way of an install.")


def plan(report: Reporter, planned: Planned, *, as_json_: bool) -> None:
    """Print what an install would do."""
    hosts = planned.hosts
    if as_json_:
        as_json(
            {
                "machines": [vars(change) for change in planned.changes],
                **({"cost": planned.cost} if planned.cost else {}),
                "hosts": {name: recap.as_json() for name, recap in hosts.hosts.items()} if hosts else None,
                "changes": [vars(change) for change in hosts.changes] if hosts else None,
            }
        )
        return
    for change in planned.changes:
        report.out.print(f"{change.action:<8} {change.kind:<15} {change.name}  {change.detail}", markup=False)
    if planned.cost:
        report.out.print(f"\nCost: {planned.cost}", markup=False)
    if hosts is None:
        report.out.print("\nThe hosts are not up; what would be done on them shows once they are.")
        return
    for task in hosts.changes:
        report.out.print(f"\n{task.host}: {task.task}", style="bold", markup=False)
        if task.diff:
            report.out.print(task.diff, markup=False)
    for name, recap in hosts.hosts.items():
        report.out.print(f"\n{name}: {recap.changed} of {recap.ok} tasks would change something. Nothing was touched.")


def verified(
    report: Reporter,
    run: Verified,
    folder: Path | None,
    files: Mapping[str, Path],
    waivers: Sequence[Waiver],
    *,
    as_json_: bool,
) -> None:
    """Print the findings: as JSON every one, else those that need a person; what is different, and what was written."""
    if as_json_:
        as_json(
            {
                "summary": summary(run.findings),
                "findings": [finding.as_json() for finding in run.findings],
                "seconds": run.seconds,
                "files": {name: str(path) for name, path in files.items()},
                "drift": run.drift.as_json() if run.drift else None,
                "waivers": [{"control": each.control, "until": each.until.isoformat()} for each in waivers],
            }
        )
        return
    findings(report, run.findings)
    for line in [*audit.waivers(waivers, run.findings), *audit.drift(run.drift)]:
        report.out.print(line, markup=False)
    if folder is not None:
        report.out.print(f"Evidence: {folder / 'report.html'}", markup=False)
    for name, path in files.items():
        report.out.print(f"Written: {name}: {path}", markup=False)


def coverage(report: Reporter, evidence: Evidence, *, as_json_: bool) -> None:
    """Print what answers each paragraph of the Security Rule."""
    answers = matrix.matrix(evidence)
    counts = matrix.summary(answers)
    if as_json_:
        as_json(
            {
                "deployment": evidence.deployment,
                "started": evidence.started,
                "stand_in": evidence.stand_in,
                "summary": counts,
                "paragraphs": [answer.as_json() for answer in answers],
            }
        )
        return
    table = Table("paragraph", "kind", "what", "stands", "answered by", box=None, pad_edge=False)
    for answer in answers:
        standard = answer.standard
        table.add_row(standard.paragraph, standard.kind, standard.title, answer.status, Text(matrix.in_words(answer)))
    report.out.print(table)
    report.out.print("Paragraphs: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
    report.out.print(NOT_A_CERTIFICATE)
    if evidence.stand_in:
        report.out.print(STAND_IN_NOTICE)


def findings(report: Reporter, found: tuple[Finding, ...]) -> None:
    """Print the counts, and a table of what is not simply a pass."""
    rows = [finding for status in SHOWN for finding in found if finding.status == status]
    if rows and not report.quiet:
        table = Table("status", "control", "host", "why", box=None, pad_edge=False)
        for finding in rows:
            table.add_row(finding.status, finding.control, finding.host, finding.reason or finding.observed)
        report.out.print(table)
    counts = summary(found)
    report.out.print("Controls: " + ", ".join(f"{counts[status]} {status}" for status in STATUSES))


def smoked(report: Reporter, run: SmokeReport, *, as_json_: bool) -> None:
    """Print each step of the smoke test."""
    if as_json_:
        as_json(run.as_json())
        return
    for step in run.steps:
        report.out.print(f"{step.status:<10} {step.name}: {step.detail}", markup=False)


def status(report: Reporter, seen: Status, *, as_json_: bool) -> None:
    """Print the hosts and the page."""
    if as_json_:
        as_json(
            {
                "name": seen.name,
                "target": seen.target,
                "stand_in": seen.stand_in,
                "hosts": [host.as_json() for host in seen.hosts],
                "public": _public(seen.public),
                "notes": list(seen.notes),
            }
        )
        return
    table = Table("host", "address", "roles", "reachable", "room", "unwell", box=None, pad_edge=False)
    for host in seen.hosts:
        answers = "yes" if host.reachable else f"no: {host.detail}"
        unwell = str(len(host.unwell) or "nothing") if host.reachable else ""
        table.add_row(host.name, host.address, ", ".join(host.roles), answers, _disk_room(host), unwell)
    report.out.print(table)
    for host in seen.hosts:
        for one in host.unwell:
            report.out.print(f"{host.name}: {one.what}: {one.reason}\n  {one.fix}", markup=False)
    for line in seen.notes:
        report.out.print(line, markup=False)
    if seen.public:
        _page(report, seen.public)
    if seen.stand_in:
        report.out.print(STAND_IN)


def _disk_room(host: SeenHost) -> str:
    if host.disk_free is None:
        return ""
    days = "" if host.days_left is None else f", {host.days_left} days"
    return f"{host.disk_free / GIB:.1f} GiB{days}{' (refuses events)' if host.refusing_events else ''}"


def images(report: Reporter, lock: ImageLock, *, as_json_: bool) -> None:
    """Print what is locked, and where hosts get it from."""
    if as_json_:
        as_json({"images": {key: asdict(row) for key, row in lock.images.items()}})
        return
    for key, row in lock.images.items():
        origin = row.archive or row.mirror or ("built for the lab" if row.source == STAND_IN_SOURCE else row.named.name)
        report.out.print(f"{key}: {row.digest}", markup=False)
        report.out.print(f"  resolved from {row.source} at {row.resolved}; hosts get it from: {origin}", markup=False)


def recap(
    report: Reporter,
    work: Work,
    site: Site,
    converged: Converged,
    run: Verified,
    smoke: SmokeReport | None,
    folder: Path,
    meanwhile: Steady | None,
    *,
    as_json_: bool,
) -> None:
    """Print how an install ended, and what became of events that came in meanwhile. As JSON it is the last line."""
    page = public_page(work, site)
    if as_json_:
        as_json(
            {
                "hosts": {name: host.as_json() for name, host in converged.hosts.items()},
                "seconds": report.seconds,
                "summary": summary(run.findings),
                "drift": run.drift.as_json() if run.drift else None,
                "smoke": smoke.as_json() if smoke else None,
                **({"events": meanwhile.tally.as_json()} if meanwhile else {}),
                "public": _public(page),
                "evidence": str(folder),
                "stand_in": site.stand_ins,
            }
        )
        return
    report.out.print()
    for name, host in converged.hosts.items():
        report.out.print(f"{name}: {host.ok} tasks, changed={host.changed}, failed={host.failed}")
    findings(report, run.findings)
    for line in [*audit.waivers(work.declaration.waivers, run.findings), *audit.drift(run.drift)]:
        report.out.print(line, markup=False)
    if smoke is None:
        report.out.print(
            "Smoke: not run, because posthog.deploy is false; the hosts are prepared, PostHog is not there."
        )
    else:
        report.out.print(f"Smoke: {'ok' if smoke.ok else 'FAILED'}")
        for step in smoke.steps:
            if step.status != "ok":
                report.out.print(f"  {step.status:<10} {step.name}: {step.detail}", markup=False)
    if meanwhile:
        report.out.print(f"Events meanwhile: {meanwhile.tally.words()}", markup=False)
    _page(report, page)
    report.out.print(f"Report: {folder / 'report.html'}", markup=False)
    if site.stand_ins:
        report.out.print(STAND_IN)
        report.out.print(f"The hosts stay up until: {report.command} destroy {work.deployment.name}", markup=False)


def _public(page: Public | None) -> dict[str, str | None] | None:
    if page is None:
        return None
    return {"url": page.url, "address": page.address, "ca_file": str(page.ca_file) if page.ca_file else None}


def _page(report: Reporter, page: Public) -> None:
    report.out.print(f"Page: {page.url} (at {page.address})", markup=False)
    if page.ca_file:
        report.out.print(f"  The CA a client must trust: {page.ca_file}", markup=False)

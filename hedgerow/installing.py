"""The verb `install`: the flow from its beginning to its end. `rotate` and `upgrade` walk it too."""

from __future__ import annotations

import argparse
import time

from hedgerow import attempts, baseline, flow, installed, printing, proof
from hedgerow.console import Reporter
from hedgerow.errors import EXIT_CONTROL_FAILED, EXIT_DONE, EXIT_UNREACHABLE, HedgerowError
from hedgerow.findings import Finding
from hedgerow.smoke import Steady

Given = argparse.Namespace


def install(given: Given, report: Reporter) -> int:
    """Provision, converge, verify, smoke."""
    work = flow.open_work(given.reference)
    flow.prepare_controller(work, yes=given.yes, say=report.note)
    with work.deployment.lock("install"):
        return carry_out(work, report, given, "install")


def carry_out(
    work: flow.Work, report: Reporter, given: Given, verb: str, meanwhile: Steady | None = None, **facts: object
) -> int:
    """Do what an install does, for a verb that holds the lock, and put down in the journal how it ended.

    `meanwhile` are events that come in while it is done: the smoke test looks for them, and the journal counts them.
    """
    started = time.monotonic()
    try:
        code = _install(work, report, given, meanwhile)
        facts |= told(meanwhile)
    except (HedgerowError, KeyboardInterrupt) as error:
        if meanwhile is not None:
            meanwhile.stop()
            report.note(f"Events meanwhile: {meanwhile.tally.words()}.")
            facts |= told(meanwhile)
        outcome = "interrupted" if isinstance(error, KeyboardInterrupt) else error.message.splitlines()[0]
        if work.deployment.exists():
            work.deployment.record(verb, outcome, seconds=round(time.monotonic() - started, 1), **facts)
        raise
    work.deployment.record(verb, "done" if code == EXIT_DONE else f"exit {code}", seconds=report.seconds, **facts)
    return code


def told(meanwhile: Steady | None) -> dict[str, object]:
    """Return what the journal says of events that came in while something was done."""
    return {"events": meanwhile.tally.as_json()} if meanwhile is not None else {}


def _install(work: flow.Work, report: Reporter, given: Given, meanwhile: Steady | None = None) -> int:
    attempts.demand_none_going_back(work.deployment)
    site = flow.provision(work, report)
    credentials, stack = flow.prepare(work, site, report)
    converged = flow.converge_hosts(work, site, credentials, stack, report)
    # Before the first verify, which holds hosts against it.
    baseline.keep(work.deployment, site.hosts)
    verified = proof.compared(work, proof.verify_whole(work, site, report))
    smoked = proof.smoke_test(work, site, report, None, meanwhile) if work.declaration.posthog.deploy else None
    if smoked is not None and smoked.ok:
        installed.write(work, stack)
        attempts.clear(work.deployment)
    folder = proof.write_evidence(work, site, verified, smoked)
    code = exit_code(verified.findings, smoked is None or smoked.ok)
    printing.recap(report, work, site, converged, verified, smoked, folder, meanwhile, as_json_=given.json)
    return code


def exit_code(findings: tuple[Finding, ...], smoke_ok: bool = True) -> int:
    """Return 1 when a control or the smoke test fails, else 3 when a question could not be asked, else 0."""
    if any(finding.status == "fail" for finding in findings) or not smoke_ok:
        return EXIT_CONTROL_FAILED
    if any(finding.status == "error" for finding in findings):
        return EXIT_UNREACHABLE
    return EXIT_DONE

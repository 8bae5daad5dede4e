"""The verbs that an auditor asks for: what was, run by run. They ask no host."""

from __future__ import annotations

import argparse

from hedgerow import flow, printing, printing_audit
from hedgerow.catalog import load_catalog
from hedgerow.console import Reporter
from hedgerow.errors import EXIT_DONE, CallError
from hedgerow.history import runs

Given = argparse.Namespace


def history(given: Given, report: Reporter) -> int:
    """Show the kept runs, and each control that did not hold in one of them."""
    work = flow.open_work(given.reference, judge_files=False)
    found = runs(work.deployment.evidence, load_catalog(), given.runs)
    if not found:
        raise CallError(f"{work.deployment.name} has no evidence yet", "Run verify first.")
    if given.json:
        printing.as_json(printing_audit.history_json(found, given.control))
        return EXIT_DONE
    report.out.print(printing_audit.history_runs(found))
    rows = printing_audit.statuses(found, given.control)
    if rows:
        report.out.print()
        report.out.print(printing_audit.history_controls(rows))
        report.out.print(printing_audit.LEGEND, markup=False)
    else:
        report.out.print("Nothing failed, was waived or could not be asked in these runs.")
    return EXIT_DONE

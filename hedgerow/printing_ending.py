"""How an end looks: what was removed and kept, and what could not be done."""

from __future__ import annotations

from collections.abc import Sequence

from hedgerow import printing
from hedgerow.console import Reporter
from hedgerow.hosts import Change


def destroyed(
    report: Reporter, name: str, removed: Sequence[Change], notes: Sequence[str] = (), *, as_json_: bool
) -> None:
    """Print what was removed, and in `notes` what could not be done."""
    if as_json_:
        told = {"notes": list(notes)} if notes else {}
        printing.as_json({"removed": [vars(change) for change in removed], **told})
        return
    for change in removed:
        word = "removed" if change.action == "delete" else "kept"
        report.note(f"{word:<8} {change.kind:<15} {change.name}  {change.detail}".rstrip())
    for line in notes:
        report.out.print(f"Not done: {line}", markup=False)
    gone = any(change.action == "delete" for change in removed)
    report.out.print(f"{name} is gone. Its evidence and its journal stay." if gone else "There was nothing to remove.")


def not_ours(report: Reporter, name: str, hosts: Sequence[str], *, as_json_: bool) -> None:
    """Say that machines which are not ours were left alone."""
    if as_json_:
        printing.as_json({"removed": []})
        return
    report.out.print(
        f"Nothing was removed: {', '.join(hosts)} are your machines, and stay as they are, data included."
        f" `{report.command} destroy {name} --wipe` ends the data on them, and the keys.",
        markup=False,
    )

"""How what an auditor asks for looks on a terminal: drift, waivers, history, a control.

Values in, lines and tables out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from hedgerow.catalog import Catalog
from hedgerow.declaration import Waiver
from hedgerow.drift import KINDS, Change, Drift
from hedgerow.evidence import Evidence
from hedgerow.explaining import Explained
from hedgerow.findings import STATUSES, Finding, summary
from hedgerow.requirements import Requirement, answered_by

SIGNS = {"pass": ".", "fail": "F", "error": "E", "waived": "w", "not-exercised": "-", "attested": "a", "": " "}
LEGEND = ". pass  F fail  E could not be asked  w waived  - not exercised  a attested  (blank: not asked)"
LENGTH = 160
"""Characters of an observation in a line; the report has it whole."""


def drift(found: Drift | None) -> Iterator[str]:
    """Say what is different since the run before; the first run has nothing to say."""
    if found is None:
        return
    counts = ", ".join(f"{len(getattr(found, name))} {words}" for name, words in KINDS.items() if getattr(found, name))
    yield f"Since {found.since}: {counts or 'nothing is different'}"
    for name, words in KINDS.items():
        for change in getattr(found, name):
            yield f"  {words}: {change.control} on {change.host}{_told(name, change)}"


def _told(kind: str, change: Change) -> str:
    if kind == "observed":
        return f"\n    before: {_short(change.was)}\n    now:    {_short(change.observed)}"
    return f" ({change.before or 'not asked'} -> {change.now or 'not asked'})"


def _short(text: str) -> str:
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"


def waivers(declared: Sequence[Waiver], found: Sequence[Finding]) -> Iterator[str]:
    """Count the waivers, and name the one that ends next."""
    if not declared:
        return
    waived = {finding.control for finding in found if finding.status == "waived"}
    used = [waiver for waiver in declared if waiver.control in waived]
    next_ = min(declared, key=lambda waiver: waiver.until)
    yield (
        f"Waivers: {len(declared)} declared, {len(used)} in use; "
        f"the next to end is {next_.control}, on {next_.until.isoformat()}"
    )


def statuses(runs: Sequence[Evidence], controls: Sequence[str] = ()) -> dict[tuple[str, str], list[str]]:
    """Return each control and host with its status in each run, "" where it was not asked.

    With `controls` those; without, every one that did not hold at least once.
    """
    asked = [{(finding.control, finding.host): finding.status for finding in run.findings} for run in runs]
    keys = sorted({key for run in asked for key in run})
    rows = {key: [run.get(key, "") for run in asked] for key in keys}
    wanted = {"fail", "error", "waived"}
    return {key: row for key, row in rows.items() if (key[0] in controls if controls else not wanted.isdisjoint(row))}


def history_json(runs: Sequence[Evidence], controls: Sequence[str]) -> dict[str, object]:
    """Return the runs and every control in them as plain values, in the order of the runs."""
    ids = controls or sorted({finding.control for run in runs for finding in run.findings})
    return {
        "runs": [
            {"started": run.started, "operator": run.operator, "version": run.version, "summary": summary(run.findings)}
            for run in runs
        ],
        "controls": [
            {"control": control, "host": host, "statuses": row} for (control, host), row in statuses(runs, ids).items()
        ],
    }


def history_runs(runs: Sequence[Evidence]) -> Table:
    """Return the runs as a table, the newest last."""
    table = Table("", "started (UTC)", *STATUSES, "by", box=None, pad_edge=False)
    for number, run in enumerate(runs, 1):
        counts = summary(run.findings)
        table.add_row(str(number), run.started, *(str(counts[status]) for status in STATUSES), run.operator)
    return table


def history_controls(rows: dict[tuple[str, str], list[str]]) -> Table:
    """Return the controls as a table: one sign a run, the oldest first."""
    table = Table("control", "host", "oldest to newest", box=None, pad_edge=False)
    for (control, host), row in rows.items():
        table.add_row(control, host, "".join(SIGNS[status] for status in row))
    return table


def explained(found: Explained) -> Iterator[str]:
    """Tell everything about a control, section by section."""
    control = found.control
    yield f"{control.id}: {control.promise}"
    facts = {
        "HIPAA": f"45 CFR {', '.join(control.hipaa)}",
        "Source": control.source,
        "Also in": "; ".join(control.references),
        "Answers": ", ".join(each.id for each in answered_by(control.id)),
        "Hosts": f"those that play {', '.join(control.hosts)}",
        "Waiver": f"never: {control.never_waived}" if control.never_waived else "possible, in deploy.yml under waivers",
    }
    yield from (f"  {name:<8} {text}" for name, text in facts.items() if text)
    yield from ("", "Why it matters", *(f"  {line}" for line in control.why))
    yield from ("", "What to do when it fails", f"  {control.fix}")
    yield from ("", "How it is checked, on the running system")
    if found.check is None:
        yield "  no check answers it"
    else:
        yield f"  {found.check.place}"
        yield from _indented(found.check.words)
        yield from ("", *_indented(found.check.code))
    yield from ("", f"How it is made true: by `install` (role {control.role}), or in the deployment's folder by")
    yield f"  ansible-playbook site.yml --tags {control.id}"
    yield from (f"  {task.place}: {task.name}" for task in found.tasks)
    yield from ("", "How the tests break it, to see the check fail")
    yield from _sabotage(found)


def requirement(asked: Requirement, catalog: Catalog) -> Iterator[str]:
    """Tell what answers a technical requirement, and what does not."""
    yield f"{asked.id}: {asked.title} ({asked.answer})"
    yield from (f"  {name}: {catalog.control(name).promise}" for name in asked.controls)
    yield from (f"  proven by {name}" for name in asked.tests)
    yield from (
        f"  the operator's word for {paragraph}, in deploy.yml under attestations" for paragraph in asked.attested
    )
    if asked.missing:
        yield f"  not answered: {asked.missing}"


def _sabotage(found: Explained) -> Iterator[str]:
    broken = found.sabotage
    if not broken.command:
        yield f"  {broken.note}{f' ({broken.place})' if broken.place else ''}"
        return
    yield f"  {broken.place}"
    yield from _indented(broken.command)
    if broken.companions:
        yield f"  These may fail with it: {', '.join(broken.companions)}"
    if broken.mend:
        yield f"  Mended by: {broken.mend}"


def _indented(text: str) -> Iterator[str]:
    return (f"  {line}".rstrip() for line in text.splitlines())

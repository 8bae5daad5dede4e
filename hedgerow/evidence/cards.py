"""The findings as a page shows them: a card a control, with the hosts that gave the same answer side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hedgerow.catalog import Control
from hedgerow.evidence import Evidence
from hedgerow.findings import Finding

ORDER = ("fail", "error", "waived", "not-exercised", "attested", "pass")
"""From what needs a person first to what needs nobody."""


@dataclass(frozen=True)
class Answer:
    """What one or more hosts answered, word for word the same. `times` says which of them was asked when."""

    finding: Finding
    hosts: tuple[str, ...]
    times: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Card:
    """One control with its answers, the worst first. `asked` and `expected` stand here where all answers share them.

    `facts` are what the catalog says of it, as label and text.
    """

    control: str
    promise: str
    hipaa: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    answers: tuple[Answer, ...]
    asked: str | None
    expected: str | None

    @property
    def status(self) -> str:
        """The worst that a host answered."""
        return self.answers[0].finding.status

    @property
    def hosts(self) -> int:
        """How many hosts were asked."""
        return sum(len(answer.hosts) for answer in self.answers)

    @property
    def counts(self) -> tuple[tuple[str, int], ...]:
        """Each status that occurs, with its number of hosts."""
        return tuple(
            (status, sum(len(answer.hosts) for answer in self.answers if answer.finding.status == status))
            for status in ORDER
            if any(answer.finding.status == status for answer in self.answers)
        )


def cards(evidence: Evidence) -> tuple[Card, ...]:
    """Return a card for each control, in the order of their ids."""
    found: dict[str, list[Finding]] = {}
    for finding in evidence.findings:
        found.setdefault(finding.control, []).append(finding)
    return tuple(_card(evidence, control, rows) for control, rows in sorted(found.items()))


def _card(evidence: Evidence, name: str, findings: Sequence[Finding]) -> Card:
    # Evidence outlives a catalog: a control of an older release is shown without its promise.
    control = evidence.catalog.control(name) if name in evidence.catalog.ids else None
    return Card(
        name,
        control.promise if control else "",
        findings[0].hipaa,
        _facts(control) if control else (),
        tuple(_answers(findings)),
        _shared(finding.asked for finding in findings),
        _shared(finding.expected for finding in findings),
    )


def _facts(control: Control) -> tuple[tuple[str, str], ...]:
    """Return what an auditor wants to read beside a finding."""
    facts = {
        "Severity": control.severity,
        "How to fix it": control.fix,
        "Source": control.source,
        "Asked for by": "; ".join(control.references),
        "Waiver": f"never: {control.never_waived}" if control.never_waived else "",
    }
    return tuple((label, text) for label, text in facts.items() if text)


def _answers(findings: Iterable[Finding]) -> list[Answer]:
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for each in findings:
        key = (each.status, each.reason, each.observed, each.expected, each.asked, each.since)
        groups.setdefault(key, []).append(each)
    made = [Answer(rows[0], tuple(sorted(row.host for row in rows)), tuple(_times(rows))) for rows in groups.values()]
    return sorted(made, key=lambda answer: (ORDER.index(answer.finding.status), answer.hosts))


def _times(rows: Iterable[Finding]) -> Iterable[tuple[str, tuple[str, ...]]]:
    found: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: (row.at, row.host)):
        found.setdefault(row.at.replace("+00:00", "Z"), []).append(row.host)
    return ((at, tuple(hosts)) for at, hosts in found.items())


def _shared(texts: Iterable[str]) -> str | None:
    """Return the one text, None where there are several."""
    found = set(texts)
    return found.pop() if len(found) == 1 else None

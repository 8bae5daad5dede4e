"""The matrix: every standard and specification of the Security Rule, and what answers it. No silent gap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from hedgerow.evidence import Attested, Evidence
from hedgerow.findings import Finding
from hedgerow.standards import Standard, standards

STATUSES = ("fail", "error", "not-answered", "partly", "waived", "not-exercised", "attested", "pass")
"""How a paragraph can stand, the worst first. `partly`: what controls can see holds, but something of the answer is
missing, a control's finding or the operator's word. Only `pass` counts as met by what was seen."""


NAMED = 3
"""How many controls without a finding a line names; as JSON the row has all of them."""


@dataclass(frozen=True)
class Answer:
    """One paragraph with everything that answers it.

    `silent` are controls of the catalog that name it and of which this run has no finding. `missing` lists which of
    the standard's ways (controls, attestation) has given nothing.
    """

    standard: Standard
    findings: tuple[Finding, ...]
    words: tuple[Attested, ...]
    silent: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The ways in which the standard can be answered, and is not."""
        given = {"controls": self.findings, "attestation": self.words}
        return tuple(way for way in self.standard.answered_by if not given[way])

    @property
    def status(self) -> str:
        """One of STATUSES: the worst of the findings, and never better than what the operator's word is worth."""
        found = {finding.status for finding in self.findings} | ({"attested"} if self.words else set())
        if not found:
            return "not-answered"
        if self.findings and ("attestation" in self.missing or self.silent):
            found.add("partly")
        return min(found, key=STATUSES.index)

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each status that occurs, the worst first."""
        found = Counter(finding.status for finding in self.findings)
        return {status: found[status] for status in STATUSES if found[status]}

    def as_json(self) -> dict[str, object]:
        """Return the row as plain values; findings by control and host, as they are elsewhere in the document."""
        return {
            "paragraph": self.standard.paragraph,
            "kind": self.standard.kind,
            "title": self.standard.title,
            "asks": self.standard.asks,
            "status": self.status,
            "answered_by": list(self.standard.answered_by),
            "missing": list(self.missing),
            "findings": [{"control": each.control, "host": each.host, "status": each.status} for each in self.findings],
            "attestations": [vars(word) for word in self.words],
            "controls_without_finding": list(self.silent),
            "nist_800_66r2": self.standard.nist_800_66r2,
            "nist_800_53r5": list(self.standard.nist_800_53r5),
        }


def matrix(evidence: Evidence) -> tuple[Answer, ...]:
    """Return one answer for every standard and specification, in the order of the rule."""
    return tuple(_answer(evidence, standard) for standard in standards())


def summary(answers: Iterable[Answer]) -> dict[str, int]:
    """Count paragraphs by status; every status is present, also at zero."""
    found = Counter(answer.status for answer in answers)
    return {status: found[status] for status in STATUSES}


def in_words(answer: Answer) -> str:
    """Say on one line what answers a paragraph and what is missing."""
    said = [", ".join(f"{count} {status}" for status, count in answer.counts.items())] if answer.findings else []
    said += [f"attested by {word.name} on {word.date}: {word.reference}" for word in answer.words]
    if answer.silent:
        more = len(answer.silent) - NAMED
        said.append(f"no finding of {', '.join(answer.silent[:NAMED])}{f' and {more} more' if more > 0 else ''}")
    if "controls" in answer.missing and not answer.silent:
        said.append("no control in this release")
    if "attestation" in answer.missing:
        said.append("not attested")
    return "; ".join(said)


def _answer(evidence: Evidence, standard: Standard) -> Answer:
    found = tuple(finding for finding in evidence.findings if standard.paragraph in finding.hipaa)
    asked = {finding.control for finding in found}
    return Answer(
        standard=standard,
        findings=tuple(sorted(found, key=lambda each: (STATUSES.index(each.status), each.control, each.host))),
        words=_words(evidence, standard),
        silent=tuple(
            control.id
            for control in evidence.catalog.controls
            if standard.paragraph in control.hipaa and control.id not in asked
        ),
    )


def _words(evidence: Evidence, standard: Standard) -> tuple[Attested, ...]:
    said = tuple(word for word in evidence.attestations if word.paragraph == standard.paragraph)
    if not standard.by_agreement:
        return said
    return said + tuple(
        Attested(standard.paragraph, f"the agreement with {party}", signed, reference)
        for party, signed, reference in evidence.agreements
    )

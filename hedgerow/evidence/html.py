"""Evidence as one self-contained HTML page: no server, no network, readable on a screen, a phone and paper."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hedgerow.evidence import NOT_A_CERTIFICATE, STAND_IN_NOTICE, Evidence
from hedgerow.findings import Finding, summary

ORDER = ("fail", "error", "waived", "not-exercised", "attested", "pass")
WORDS = {
    "fail": ("fails", "fail"),
    "error": ("could not be asked", "could not be asked"),
    "waived": ("waived", "waived"),
    "not-exercised": ("not exercised here", "not exercised here"),
    "attested": ("attested", "attested"),
    "pass": ("holds", "hold"),
}


@dataclass(frozen=True)
class Row:
    """A finding with what the catalog promises about its control."""

    finding: Finding
    promise: str
    source: str

    @property
    def concern(self) -> str:
        """The part of the control id before the dot."""
        return self.finding.control.partition(".")[0]


def render(evidence: Evidence) -> str:
    """Return the page, the same bytes for the same evidence."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = tuple(_row(evidence, finding) for finding in evidence.findings)
    counts = summary(evidence.findings)
    return environment.get_template("report.html.j2").render(
        evidence=evidence,
        verdict=verdict(counts),
        counts=[(status, counts[status], WORDS[status][counts[status] != 1]) for status in ORDER],
        total=len(rows),
        sections=[(status, WORDS[status][1], _sorted(rows, status)) for status in ORDER],
        paragraphs=paragraphs(evidence.findings),
        words=WORDS,
        stand_in_notice=STAND_IN_NOTICE,
        not_a_certificate=NOT_A_CERTIFICATE,
    )


def verdict(counts: dict[str, int]) -> tuple[str, str]:
    """Return the status that decides, and one sentence a security lead can act on."""
    if counts["fail"]:
        return "fail", f"{counts['fail']} control{'s' * (counts['fail'] != 1)} failed. Read these first."
    if counts["error"]:
        return (
            "error",
            f"{counts['error']} question{'s' * (counts['error'] != 1)} could not be asked: nothing is known there.",
        )
    if not counts["pass"]:
        return "error", "No control was seen to hold."
    return "pass", "Every control that could be exercised holds."


def paragraphs(findings: Iterable[Finding]) -> list[tuple[str, str, list[Finding]]]:
    """Return each HIPAA paragraph with its worst status and its findings, in the order of the rule."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        for paragraph in finding.hipaa:
            found.setdefault(paragraph, []).append(finding)
    return [
        (paragraph, min((f.status for f in rows), key=ORDER.index), sorted(rows, key=lambda f: (f.control, f.host)))
        for paragraph, rows in sorted(found.items())
    ]


def _row(evidence: Evidence, finding: Finding) -> Row:
    if finding.control not in evidence.catalog.ids:
        # Evidence outlives a catalog: a control of an older release is shown without its promise.
        return Row(finding, "", "")
    control = evidence.catalog.control(finding.control)
    return Row(finding, control.promise, control.source)


def _sorted(rows: tuple[Row, ...], status: str) -> list[Row]:
    return sorted(
        (row for row in rows if row.finding.status == status), key=lambda r: (r.finding.control, r.finding.host)
    )

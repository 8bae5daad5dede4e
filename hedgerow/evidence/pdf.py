"""Evidence as a PDF, for an auditor's file: the verdict, what needs a person, the matrix, every finding."""

from __future__ import annotations

import textwrap
from datetime import datetime
from typing import Any

from hedgerow.evidence import NOT_A_CERTIFICATE, STAND_IN_NOTICE, Evidence, coverage, html
from hedgerow.findings import STATUSES, Finding, summary

URGENT = ("fail", "error", "waived")
LONGEST = 1200
"""Characters of an observation that are printed; the JSON has all of it."""
FONT = "Helvetica"
BODY = "Courier"
ADVANCE = 0.6 * 25.4 / 72
"""Millimetres that a letter of Courier takes, by the font's size in points."""


def render(evidence: Evidence) -> bytes:
    """Return the document, the same bytes for the same evidence."""
    page = _new(evidence)
    _cover(page, evidence)
    _urgent(page, evidence)
    _matrix(page, evidence)
    _findings(page, evidence)
    return bytes(page.output())


def _new(evidence: Evidence) -> Any:
    from fpdf import FPDF  # noqa: PLC0415 - with its image and font libraries too slow for verbs that print no PDF

    class Page(FPDF):
        """Every page carries what the document is not, whatever is torn out of it."""

        def footer(self) -> None:
            self.set_y(-16)
            self.set_font(FONT, size=7)
            words = f"{NOT_A_CERTIFICATE} {STAND_IN_NOTICE if evidence.stand_in else ''}".strip()
            self.multi_cell(0, 3, plain(words), align="C", new_x="LMARGIN", new_y="NEXT")
            line = f"{evidence.deployment}, {evidence.started}, Hedgerow {evidence.version}, page {self.page_no()}"
            self.cell(0, 3, plain(line), align="C")

    page = Page(format="A4")
    page.set_auto_page_break(True, margin=20)
    page.set_title(plain(f"Hedgerow: evidence for {evidence.deployment}"))
    page.set_lang("en")
    # The run's time: the clock would make other bytes of each copy.
    page.set_creation_date(datetime.fromisoformat(evidence.started))
    page.add_page()
    return page


def plain(text: str) -> str:
    """Return a text that the PDF's built-in font has letters for; what it has none for is written as its number."""
    shown = "".join(char if char.isprintable() or char == "\n" else f"<{ord(char):02x}>" for char in text)
    return shown.encode("latin-1", "backslashreplace").decode("latin-1")


def _heading(page: Any, text: str) -> None:
    page.ln(3)
    page.start_section(plain(text))
    page.set_font(FONT, "B", 13)
    page.multi_cell(0, 7, plain(text), new_x="LMARGIN", new_y="NEXT")
    page.set_font(FONT, size=9)


def _line(page: Any, text: str, style: str = "", size: float = 8) -> None:
    """Print a text, broken by us: of a fixed width it costs a tenth of what fpdf takes to measure words."""
    page.set_font(BODY, style, size)
    columns = int(page.epw / (size * ADVANCE))
    for part in plain(text).splitlines():
        for line in textwrap.wrap(part, columns, break_on_hyphens=False) or [""]:
            page.cell(0, size / 2, line, new_x="LMARGIN", new_y="NEXT")


def _cover(page: Any, evidence: Evidence) -> None:
    counts = summary(evidence.findings)
    _line(page, f"Evidence for {evidence.deployment}", "B", 16)
    _line(page, f"{evidence.domain}, target {evidence.target}", size=10)
    _line(page, html.verdict(counts)[1], "B", 11)
    page.ln(2)
    _line(page, NOT_A_CERTIFICATE)
    if evidence.stand_in:
        _line(page, STAND_IN_NOTICE, "B")
    page.ln(2)
    _line(page, f"Asked at {evidence.started}, in {evidence.seconds:.1f} s, by {evidence.operator}")
    for name, address, roles in evidence.hosts:
        _line(page, f"Host {name}, {address}: {', '.join(roles)}")
    _line(page, "Findings: " + ", ".join(f"{counts[status]} {status}" for status in STATUSES))
    standing = coverage.summary(coverage.matrix(evidence))
    _line(page, "Paragraphs: " + ", ".join(f"{count} {status}" for status, count in standing.items()))


def _urgent(page: Any, evidence: Evidence) -> None:
    rows = [finding for status in URGENT for finding in evidence.findings if finding.status == status]
    _heading(page, "What needs a person")
    if not rows:
        _line(page, "Nothing failed, was waived or could not be asked.")
    for finding in rows:
        known = finding.control in evidence.catalog.ids
        control = evidence.catalog.control(finding.control) if known else None
        _line(page, f"{finding.status}: {finding.control} on {finding.host} at {finding.at or evidence.started}", "B")
        said = [("Severity", control.severity), ("Promise", control.promise)] if control else []
        said += [("HIPAA", ", ".join(finding.hipaa)), ("Why", finding.reason), ("Asked", finding.asked)]
        said += [("Observed", finding.observed), ("Expected", finding.expected)]
        said += [("Remedy", control.fix)] if control else []
        for key, text in said:
            if text:
                _line(page, f"{key}: {text[:LONGEST]}")
        page.ln(2)


def _matrix(page: Any, evidence: Evidence) -> None:
    _heading(page, "The Security Rule, paragraph by paragraph")
    for answer in coverage.matrix(evidence):
        standard = answer.standard
        _line(page, f"{standard.paragraph} {standard.title} ({standard.kind}): {answer.status}", "B")
        _line(page, coverage.in_words(answer))


def _findings(page: Any, evidence: Evidence) -> None:
    _heading(page, "Every finding")
    _line(page, "What was asked and observed for each of them is in report.html and findings.json of the same run.")
    for finding in sorted(evidence.findings, key=_order):
        at = finding.at or evidence.started
        _line(page, f"{finding.control} on {finding.host} at {at}: {finding.status}")


def _order(finding: Finding) -> tuple[str, str]:
    return finding.control, finding.host

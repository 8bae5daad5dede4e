"""Every format that evidence is written in: a function of the evidence, and the name of its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hedgerow.evidence import Evidence, html, json_, junit, oscal_component, oscal_results, pdf, sarif


@dataclass(frozen=True)
class Format:
    """One format: how evidence becomes its text (or bytes, where it is none), and its file in the evidence folder."""

    render: Callable[[Evidence], str | bytes]
    file: str
    is_text: bool = True


FORMATS = {
    "json": Format(json_.render, "findings.json"),
    "html": Format(html.render, "report.html"),
    "junit": Format(junit.render, "junit.xml"),
    "sarif": Format(sarif.render, "findings.sarif"),
    "oscal": Format(oscal_results.render, "assessment-results.json"),
    "oscal-component": Format(oscal_component.render, "component-definition.json"),
    "pdf": Format(pdf.render, "report.pdf", is_text=False),
}
ALWAYS = ("json", "html", "junit")
"""What every verify writes; the others are written when they are asked for."""

"""Evidence as JUnit XML, for CI: a suite a host, a test case a control."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hedgerow.evidence import NOT_A_CERTIFICATE, STAND_IN_NOTICE, Evidence
from hedgerow.findings import Finding

# XML 1.0 has no place for these, not even escaped.
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
TAGS = {"fail": "failure", "error": "error", "not-exercised": "skipped", "waived": "skipped", "attested": "skipped"}


def render(evidence: Evidence) -> str:
    """Return the document. A waived or not exercised control is `skipped` with its reason, never a success."""
    root = ElementTree.Element("testsuites", name=f"hedgerow {evidence.deployment}", time=f"{evidence.seconds:.3f}")
    for name, _, _ in evidence.hosts:
        _suite(root, evidence, name, [finding for finding in evidence.findings if finding.host == name])
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(root: ElementTree.Element, evidence: Evidence, host: str, findings: list[Finding]) -> None:
    counts = {tag: sum(TAGS.get(f.status) == tag for f in findings) for tag in ("failure", "error", "skipped")}
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name=host,
        timestamp=evidence.started.removesuffix("Z"),
        time=f"{sum(finding.seconds for finding in findings):.3f}",
        tests=str(len(findings)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
    )
    properties = ElementTree.SubElement(suite, "properties")
    ElementTree.SubElement(properties, "property", name="deployment", value=evidence.deployment)
    ElementTree.SubElement(properties, "property", name="hedgerow", value=evidence.version)
    ElementTree.SubElement(properties, "property", name="notice", value=NOT_A_CERTIFICATE)
    if evidence.stand_in:
        ElementTree.SubElement(properties, "property", name="stand-in", value=STAND_IN_NOTICE)
    for finding in findings:
        _case(suite, finding)


def _case(suite: ElementTree.Element, finding: Finding) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=f"{finding.host}.{finding.control.split('.')[0]}",
        name=finding.control,
        time=f"{finding.seconds:.3f}",
    )
    tag = TAGS.get(finding.status)
    if tag is not None:
        message = _clean(f"{finding.status}: {finding.reason or finding.observed}")
        said = ElementTree.SubElement(case, tag, message=message)
        said.text = _clean(f"asked: {finding.asked}\nobserved: {finding.observed}\nexpected: {finding.expected}")
    # The schema that Jenkins and pytest hold to knows no properties of a case; everybody shows its output.
    facts = {"control": finding.control, "host": finding.host, "at": finding.at, "hipaa": ", ".join(finding.hipaa)}
    ElementTree.SubElement(case, "system-out").text = _clean("\n".join(f"{key}: {fact}" for key, fact in facts.items()))


def _clean(text: str) -> str:
    return FORBIDDEN.sub("\ufffd", text)

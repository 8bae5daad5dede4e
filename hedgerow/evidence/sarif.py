"""Evidence as SARIF 2.1.0 (OASIS), for code scanning: a rule a control, a result a finding."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hedgerow.catalog import BENCHMARKS, Control
from hedgerow.evidence import NOT_A_CERTIFICATE, STAND_IN_NOTICE, Evidence
from hedgerow.findings import Finding

SCHEMA = "https://json.schemastore.org/sarif-2.1.0-rtm.5.json"
KINDS = {
    "pass": "pass",
    "fail": "fail",
    "waived": "fail",  # with a suppression: it failed, and somebody accepted that
    "not-exercised": "open",
    "error": "open",
    "attested": "review",
}
"""SARIF 3.27.9. What was not seen is `open`: too little is known to decide; a person's word is for review."""

LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
SECURITY_SEVERITY = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.5"}
"""What GitHub sorts by: over 9.0 is critical there, over 7.0 high, over 4.0 medium."""


def render(evidence: Evidence) -> str:
    """Return the document, the same bytes for the same evidence."""
    return json.dumps(document(evidence), indent=1, ensure_ascii=False) + "\n"


def document(evidence: Evidence) -> dict[str, Any]:
    """Return the one run as plain values."""
    rules = {control.id: index for index, control in enumerate(_asked(evidence))}
    notices = [NOT_A_CERTIFICATE, *([STAND_IN_NOTICE] if evidence.stand_in else [])]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "Hedgerow",
                        "version": evidence.version,
                        "rules": [_rule(control) for control in _asked(evidence)],
                    }
                },
                "automationDetails": {"id": f"hedgerow/{evidence.deployment}/{evidence.started}"},
                "invocations": [_invocation(evidence)],
                "results": [_result(evidence, finding, rules) for finding in evidence.findings],
                "properties": {
                    "deployment": evidence.deployment,
                    "target": evidence.target,
                    "standIn": evidence.stand_in,
                    "notices": notices,
                },
            }
        ],
    }


def _asked(evidence: Evidence) -> list[Control]:
    asked = {finding.control for finding in evidence.findings}
    return [control for control in evidence.catalog.controls if control.id in asked]


def _rule(control: Control) -> dict[str, Any]:
    return {
        "id": control.id,
        "shortDescription": {"text": control.promise},
        "help": {"text": control.fix or control.promise},
        "defaultConfiguration": {"level": LEVELS[control.severity]},
        "properties": {
            "tags": ["security", *control.hipaa],
            "severity": control.severity,
            "security-severity": SECURITY_SEVERITY[control.severity],
            "source": control.source,
            "nist_800_53r5": list(control.nist_800_53r5),
            "cis": {BENCHMARKS[edition]: list(numbers) for edition, numbers in control.cis},
        },
    }


def _invocation(evidence: Evidence) -> dict[str, Any]:
    """What could not be asked also says so of the run as a whole: an open result alone is easily overlooked."""
    unasked = [finding for finding in evidence.findings if finding.status == "error"]
    return {
        "executionSuccessful": not unasked,
        "startTimeUtc": evidence.started,
        "toolExecutionNotifications": [
            {"level": "error", "message": {"text": f"{finding.control} on {finding.host}: {finding.reason}"}}
            for finding in unasked
        ],
    }


def _result(evidence: Evidence, finding: Finding, rules: dict[str, int]) -> dict[str, Any]:
    kind = KINDS[finding.status]
    known = finding.control in rules
    level = LEVELS[evidence.catalog.control(finding.control).severity] if known else "error"
    return {
        "ruleId": finding.control,
        **({"ruleIndex": rules[finding.control]} if known else {}),
        "kind": kind,
        "level": level if kind == "fail" else "none",
        "message": {"text": f"{finding.host}: {finding.status}. {finding.reason or finding.observed}".strip()},
        "locations": [_location(finding)],
        "partialFingerprints": {"hedgerow/v1": _fingerprint(evidence, finding)},
        **({"suppressions": [_suppression(finding)]} if finding.status == "waived" else {}),
        "properties": finding.as_json(),
    }


def _location(finding: Finding) -> dict[str, Any]:
    """A host is no file. GitHub shows no result without one of the repository, so the declaration stands for it."""
    return {
        "physicalLocation": {"artifactLocation": {"uri": "deploy.yml"}, "region": {"startLine": 1}},
        "logicalLocations": [
            {"name": finding.host, "fullyQualifiedName": f"{finding.host}/{finding.control}", "kind": "host"}
        ],
    }


def _suppression(finding: Finding) -> dict[str, str]:
    return {"kind": "external", "status": "accepted", "justification": finding.reason}


def _fingerprint(evidence: Evidence, finding: Finding) -> str:
    """The same for the same control on the same host, run after run, so that a tool can tell new from known."""
    return hashlib.sha256(f"{evidence.deployment}/{finding.host}/{finding.control}".encode()).hexdigest()

"""Evidence as OSCAL assessment-results (NIST): an observation a finding of ours, an OSCAL finding a paragraph."""

from __future__ import annotations

import json
from typing import Any

from hedgerow.evidence import Attested, Evidence, coverage
from hedgerow.evidence.oscal import filled, id_of, metadata, prop, reference, resource, token
from hedgerow.findings import Finding

REASONS = {"pass": "pass", "fail": "fail"}
"""OSCAL knows satisfied and not-satisfied alone. What is neither seen to hold nor to fail is `other`, not satisfied."""


def render(evidence: Evidence) -> str:
    """Return the document, the same bytes for the same evidence."""
    return json.dumps({"assessment-results": document(evidence)}, indent=1, ensure_ascii=False) + "\n"


def document(evidence: Evidence) -> dict[str, Any]:
    """Return the run as plain values in the shape of the model."""
    return {
        "uuid": id_of("assessment-results", evidence.deployment, evidence.started),
        "metadata": metadata(evidence, f"Hedgerow: findings for {evidence.deployment}"),
        "import-ap": {"href": reference("plan")},
        "results": [_result(evidence)],
        "back-matter": {
            "resources": [
                resource("plan", "The plan of the assessment", "The catalog of controls, checks/controls.yml."),
            ]
        },
    }


def _result(evidence: Evidence) -> dict[str, Any]:
    answers = coverage.matrix(evidence)
    return filled(
        {
            "uuid": id_of("result", evidence.deployment, evidence.started),
            "title": f"{evidence.domain}, asked at {evidence.started}",
            "description": "Every control was asked of the running system.",
            "start": evidence.started,
            "props": [prop("deployment", evidence.deployment), prop("target", evidence.target)],
            "local-definitions": filled({"inventory-items": [_host(evidence, host) for host in evidence.hosts]}),
            "reviewed-controls": {
                "control-selections": [
                    {"include-controls": [{"control-id": token(answer.standard.paragraph)} for answer in answers]}
                ]
            },
            "attestations": [_attestation(evidence, word) for answer in answers for word in answer.words],
            "observations": [_observation(evidence, finding) for finding in evidence.findings],
            "findings": [_finding(evidence, answer) for answer in answers],
        }
    )


def _host(evidence: Evidence, host: tuple[str, str, tuple[str, ...]]) -> dict[str, Any]:
    name, address, roles = host
    return {
        "uuid": id_of("host", evidence.deployment, name),
        "description": f"{name}, {', '.join(roles)}",
        "props": [prop("host", name), prop("address", address)],
    }


def _attestation(evidence: Evidence, word: Attested) -> dict[str, Any]:
    prose = f"{word.name} attests on {word.date}: {word.reference}"
    return {
        "parts": [
            {
                "uuid": id_of("attestation", evidence.deployment, word.paragraph, word.name, word.date, word.reference),
                "name": "attestation",
                "title": word.paragraph,
                "prose": prose,
            }
        ]
    }


def _observation_id(evidence: Evidence, finding: Finding) -> str:
    return id_of("observation", evidence.deployment, finding.control, finding.host, finding.at or evidence.started)


def _observation(evidence: Evidence, finding: Finding) -> dict[str, Any]:
    known = finding.control in evidence.catalog.ids
    promise = evidence.catalog.control(finding.control).promise if known else finding.control
    severity = evidence.catalog.control(finding.control).severity if known else "unknown"
    return {
        "uuid": _observation_id(evidence, finding),
        "title": f"{finding.control} on {finding.host}",
        "description": promise,
        "props": [
            prop("control", finding.control),
            prop("host", finding.host),
            prop("status", finding.status),
            prop("severity", severity),
        ],
        # A person's word is no test (SP 800-53A, appendix C knows three methods).
        "methods": ["INTERVIEW" if finding.status == "attested" else "TEST"],
        "subjects": [
            {
                "subject-uuid": id_of("host", evidence.deployment, finding.host),
                "type": "inventory-item",
                "title": finding.host,
            }
        ],
        "relevant-evidence": [{"description": f"{key}: {said}"} for key, said in _said(finding)],
        "collected": finding.at or evidence.started,
    }


def _said(finding: Finding) -> list[tuple[str, str]]:
    said = [(key, getattr(finding, key)) for key in ("asked", "observed", "expected", "reason")]
    return [(key, value) for key, value in said if value] or [("status", finding.status)]


def _finding(evidence: Evidence, answer: coverage.Answer) -> dict[str, Any]:
    standard = answer.standard
    return filled(
        {
            "uuid": id_of("finding", evidence.deployment, standard.paragraph, evidence.started),
            "title": f"{standard.paragraph} {standard.title}",
            "description": standard.asks,
            "props": [
                prop("paragraph", standard.paragraph),
                prop("kind", standard.kind),
                prop("status", answer.status),
            ],
            "target": {
                "type": "objective-id",
                "target-id": token(standard.paragraph),
                "status": {
                    "state": "satisfied" if answer.status == "pass" else "not-satisfied",
                    "reason": REASONS.get(answer.status, "other"),
                    "remarks": f"{answer.status}: {coverage.in_words(answer) or 'nothing answers it'}",
                },
            },
            "related-observations": [
                {"observation-uuid": _observation_id(evidence, finding)} for finding in answer.findings
            ],
        }
    )

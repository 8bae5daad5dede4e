"""The controls as an OSCAL component-definition (NIST): which part of the stack does what for which paragraph."""

from __future__ import annotations

import json
from typing import Any

from hedgerow.catalog import CONCERNS, Control
from hedgerow.evidence import Evidence
from hedgerow.evidence.oscal import id_of, metadata, prop, reference, resource, token
from hedgerow.findings import Finding
from hedgerow.standards import standards


def render(evidence: Evidence) -> str:
    """Return the document, the same bytes for the same evidence."""
    return json.dumps({"component-definition": document(evidence)}, indent=1, ensure_ascii=False) + "\n"


def document(evidence: Evidence) -> dict[str, Any]:
    """Return one component a role, with what was found of each of its controls."""
    catalog = evidence.catalog.controls
    roles = [role for role in CONCERNS if any(control.role == role for control in catalog)]
    return {
        "uuid": id_of("component-definition", evidence.deployment, evidence.started),
        "metadata": metadata(evidence, f"Hedgerow: what {evidence.deployment} is made of, and what each part does"),
        "components": [_component(evidence, role, [each for each in catalog if each.role == role]) for role in roles],
        "back-matter": {
            "resources": [
                resource(
                    "rule", "HIPAA Security Rule", "45 CFR part 164, subpart C; paragraphs as in checks/standards.yml."
                )
            ]
        },
    }


def _component(evidence: Evidence, role: str, controls: list[Control]) -> dict[str, Any]:
    named = [each for each in standards() if any(each.paragraph in control.hipaa for control in controls)]
    return {
        "uuid": id_of("component", role),
        "type": "software",
        "title": role,
        "description": f"What the role {role} sets up on a host, and the controls that ask whether it holds.",
        "props": [each for control in controls for each in _rule(control)],
        "control-implementations": [
            {
                "uuid": id_of("implementation", role),
                "source": reference("rule"),
                "description": "Each rule is a control of Hedgerow's catalog, asked of the running host.",
                "implemented-requirements": [
                    _requirement(evidence, role, each.paragraph, each.asks, controls) for each in named
                ],
            }
        ],
    }


def _rule(control: Control) -> list[dict[str, str]]:
    """A rule is a set of properties that share their remarks, as compliance-trestle reads them."""
    rows = [
        ("Rule_Id", control.id),
        ("Rule_Description", control.promise),
        ("Severity", control.severity),
        ("Remedy", control.fix),
        *(("Reference", reference_) for reference_ in control.references),
    ]
    return [{**prop(name, value), "remarks": control.id} for name, value in rows]


def _requirement(evidence: Evidence, role: str, paragraph: str, asks: str, controls: list[Control]) -> dict[str, Any]:
    mine = [control for control in controls if paragraph in control.hipaa]
    ids = {control.id for control in mine}
    return {
        "uuid": id_of("requirement", role, paragraph),
        "control-id": token(paragraph),
        "description": asks,
        "props": [
            *(prop("Rule_Id", control.id) for control in mine),
            *(prop("Finding", _in_words(evidence, each)) for each in evidence.findings if each.control in ids),
        ],
    }


def _in_words(evidence: Evidence, finding: Finding) -> str:
    return f"{finding.control} on {finding.host} at {finding.at or evidence.started}: {finding.status}"

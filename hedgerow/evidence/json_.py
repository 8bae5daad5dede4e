"""Evidence as JSON: the source that every other document is made from. docs/evidence.schema.json is its schema."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from hedgerow.catalog import Catalog
from hedgerow.drift import Drift
from hedgerow.errors import CallError
from hedgerow.evidence import NOT_A_CERTIFICATE, STAND_IN_NOTICE, Accepted, Attested, Evidence, Past, coverage
from hedgerow.findings import Finding, summary
from hedgerow.network import Network
from hedgerow.profiles import DEFAULT

FORMAT = "hedgerow-evidence-1"


def document(evidence: Evidence) -> dict[str, Any]:
    """Return the whole run as plain values."""
    answers = coverage.matrix(evidence)
    return {
        "format": FORMAT,
        "deployment": evidence.deployment,
        "domain": evidence.domain,
        "target": evidence.target,
        "stand_in": evidence.stand_in,
        "notices": [NOT_A_CERTIFICATE, *([STAND_IN_NOTICE] if evidence.stand_in else [])],
        "started": evidence.started,
        "seconds": evidence.seconds,
        "version": evidence.version,
        "operator": evidence.operator,
        "profile": evidence.profile,
        "hosts": [{"name": name, "address": address, "roles": list(roles)} for name, address, roles in evidence.hosts],
        "summary": summary(evidence.findings),
        "findings": [finding.as_json() for finding in evidence.findings],
        "smoke": list(evidence.smoke),
        "agreements": [
            {"with": party, "signed": signed, "reference": reference}
            for party, signed, reference in evidence.agreements
        ],
        "attestations": [vars(word) for word in evidence.attestations],
        "controls": _controls(evidence),
        "coverage": {"summary": coverage.summary(answers), "paragraphs": [answer.as_json() for answer in answers]},
        "waivers": [{**asdict(waiver), "excuses": evidence.waived(waiver)} for waiver in evidence.waivers],
        "drift": evidence.drift.as_json() if evidence.drift else None,
        "history": [asdict(past) for past in evidence.past],
        "network": evidence.network.as_json() if evidence.network else None,
    }


def _controls(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """Return what the catalog says of each control that was asked, so that the document can be read without it."""
    asked = {finding.control for finding in evidence.findings}
    return {
        control.id: {
            "severity": control.severity,
            "promise": control.promise,
            "source": control.source,
            "fix": control.fix,
            "references": list(control.references),
        }
        for control in evidence.catalog.controls
        if control.id in asked
    }


def render(evidence: Evidence) -> str:
    """Return the document as text, the same bytes for the same evidence."""
    return json.dumps(document(evidence), indent=1, ensure_ascii=False) + "\n"


def read(text: str, catalog: Catalog) -> Evidence:
    """Return the evidence that `render` wrote. Raises CallError when the text is something else."""
    try:
        said = json.loads(text)
        if said["format"] != FORMAT:
            raise KeyError(said["format"])
        return Evidence(
            deployment=said["deployment"],
            domain=said["domain"],
            target=said["target"],
            stand_in=said["stand_in"],
            started=said["started"],
            seconds=said["seconds"],
            version=said["version"],
            operator=said["operator"],
            hosts=tuple((host["name"], host["address"], tuple(host["roles"])) for host in said["hosts"]),
            findings=tuple(Finding(**{**row, "hipaa": tuple(row["hipaa"])}) for row in said["findings"]),
            catalog=catalog,
            smoke=tuple(said["smoke"]),
            agreements=tuple((row["with"], row["signed"], row["reference"]) for row in said["agreements"]),
            # Runs of an earlier release have none of these.
            profile=said.get("profile", DEFAULT),
            attestations=tuple(Attested(**row) for row in said.get("attestations", ())),
            waivers=tuple(
                Accepted(row["control"], row["reason"], row["who"], row["until"]) for row in said.get("waivers", ())
            ),
            drift=Drift.from_json(said["drift"]) if said.get("drift") else None,
            past=tuple(Past(**row) for row in said.get("history", ())),
            network=Network.from_json(said["network"]) if said.get("network") else None,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CallError(f"this is not evidence of Hedgerow's ({error})", "Run verify again.") from error

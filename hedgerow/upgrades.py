"""How an upgrade ended, and what makes one fail. Pure but for its folder among the evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hedgerow import rehearsals
from hedgerow.attempts import Attempt
from hedgerow.deployment import Deployment, now, write_file
from hedgerow.findings import Finding, summary
from hedgerow.hosts import Site
from hedgerow.proof import Verified
from hedgerow.returning import Returned
from hedgerow.smoke import SmokeReport

FOLDER = "upgrades"
UPGRADED, TAKEN_BACK = "upgraded", "taken back"


@dataclass(frozen=True)
class Upgrade:
    """One upgrade that has ended. `at` and `ended` are UTC in ISO 8601, images digests by the key of the table.

    `rehearsal` is when just this had been rehearsed, "" where the risk was taken instead. `controls` and `smoke` are of
    what runs in the end. Of one that was taken back, `why` says what had failed, and `data` to where PostgreSQL's data
    went back: a moment, or the end of a backup.
    """

    deployment: str
    outcome: str
    at: str
    ended: str
    release_before: str
    images_before: Mapping[str, str]
    release: str
    images: Mapping[str, str]
    backup: str
    rehearsal: str
    controls: Mapping[str, int]
    smoke: bool
    stand_in: bool
    why: str = ""
    data: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it under its published names."""
        return {"ok": self.outcome == UPGRADED, **asdict(self)}


def failing(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Return the controls that fail, each with its host."""
    return tuple(f"{each.control} on {each.host}" for each in findings if each.status == "fail")


def broken(before: Sequence[str], findings: Sequence[Finding], smoked: SmokeReport) -> list[str]:
    """Return why an upgrade does not stay: controls that did not fail before it, and the smoke test. Pure.

    What could not be asked is no reason: that is exit code 3, and the next `verify` asks again.
    """
    told = [f"{name} fails" for name in failing(findings) if name not in before]
    steps = [f"smoke test, {step.name}: {step.detail}" for step in smoked.steps if step.status == "failed"]
    return told + (steps or ([] if smoked.ok else ["the smoke test failed"]))


def ended(deployment: Deployment, attempt: Attempt, site: Site, verified: Verified, smoked: SmokeReport) -> Upgrade:
    """Return an upgrade that stays."""
    return _of(deployment, attempt, UPGRADED, verified, smoked, site.stand_ins)


def taken_back(deployment: Deployment, returned: Returned) -> Upgrade:
    """Return an upgrade that was taken back."""
    attempt, stand_in = returned.attempt, returned.smoked.stand_in
    return _of(
        deployment, attempt, TAKEN_BACK, returned.verified, returned.smoked, stand_in, attempt.why, returned.data
    )


def write(evidence: Path, upgrade: Upgrade) -> Path:
    """Write an upgrade among the evidence and return its file."""
    path = evidence / FOLDER / f"{upgrade.ended.replace(':', '')}.json"
    write_file(path, json.dumps(upgrade.as_json(), indent=2, sort_keys=True) + "\n")
    return path


def _of(
    deployment: Deployment,
    attempt: Attempt,
    outcome: str,
    verified: Verified,
    smoked: SmokeReport,
    stand_in: bool,
    why: str = "",
    data: str = "",
) -> Upgrade:
    rehearsed = rehearsals.last_of(deployment.evidence, attempt.version)
    return Upgrade(
        deployment=deployment.name,
        outcome=outcome,
        at=attempt.at,
        ended=now(),
        release_before=attempt.before.release,
        images_before=attempt.before.version.digests,
        release=attempt.release,
        images=attempt.images,
        backup=attempt.backup,
        rehearsal=rehearsed["at"] if rehearsed and rehearsed["ok"] else "",
        controls=summary(verified.findings),
        smoke=smoked.ok,
        stand_in=stand_in,
        why=why,
        data=data,
    )

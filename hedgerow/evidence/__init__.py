"""Evidence: the findings of one verify run, as documents. One module a format, all from the same value."""

from __future__ import annotations

from dataclasses import dataclass

from hedgerow.catalog import Catalog
from hedgerow.drift import Drift
from hedgerow.findings import Finding
from hedgerow.network import Network


@dataclass(frozen=True)
class Attested:
    """The operator's word for one paragraph of the rule: who said so, when (a date in ISO 8601), found where."""

    paragraph: str
    name: str
    date: str
    reference: str


@dataclass(frozen=True)
class Accepted:
    """A waiver as it was declared when the run began; `until` is its last day, year-month-day."""

    control: str
    reason: str
    who: str
    until: str


@dataclass(frozen=True)
class Past:
    """An earlier run: when it started, and how many findings it had of each status."""

    started: str
    summary: dict[str, int]


@dataclass(frozen=True)
class Evidence:
    """One verify run, whole. `started` is UTC in ISO 8601, `seconds` the time the run took.

    `stand_in` is true where stand-in images ran in place of PostHog's own; every document says so.
    `smoke` holds the steps of the smoke test that went with the run, if one did. `agreements` are the business
    associate agreements of the declaration (with whom, signed when, where it is found): the operator's word, as the
    `attestations` are. `waivers` are all that were declared, in use or not. `drift` is what differs from the run
    before, None for the first; `past` are earlier runs, the oldest first. `network` is what was seen to talk to what
    just before the controls were asked, None where that was not looked at. `profile` is the one that was declared: of a
    control outside of it there is a finding that says so.
    """

    deployment: str
    domain: str
    target: str
    stand_in: bool
    started: str
    seconds: float
    version: str
    operator: str
    hosts: tuple[tuple[str, str, tuple[str, ...]], ...]
    findings: tuple[Finding, ...]
    catalog: Catalog
    smoke: tuple[dict[str, object], ...] = ()
    agreements: tuple[tuple[str, str, str], ...] = ()
    attestations: tuple[Attested, ...] = ()
    profile: str = "hipaa"
    waivers: tuple[Accepted, ...] = ()
    drift: Drift | None = None
    past: tuple[Past, ...] = ()
    network: Network | None = None

    def waived(self, waiver: Accepted) -> int:
        """Return how many findings a waiver excuses."""
        return sum(finding.status == "waived" and finding.control == waiver.control for finding in self.findings)


STAND_IN_NOTICE = (
    "Stand-in images ran here in place of PostHog's own. This shows what Hedgerow does to a host; "
    "it says nothing about PostHog itself."
)
NOT_A_CERTIFICATE = "Hedgerow reports whether technical requirements were met. It certifies nobody under HIPAA."

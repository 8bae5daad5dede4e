"""Drift: what is different between two runs of verify. Pure: two runs in, the differences out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from hedgerow.findings import Finding

ALWAYS_NEW = (
    (re.compile(r"\bhedgerow-verify-[0-9a-f]+"), "hedgerow-verify-…"),
    (re.compile(r"\bhedgerow_trial_\d+"), "hedgerow_trial_…"),
    (re.compile(r"\[\d+-\d+\] \[\d+\]"), "[…]"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?"), "…"),
    (
        re.compile(r"\b\d+(\.\d+)?(?= ?(places|sessions|events|ms|s|seconds|minutes|hours|days|[KMG]i?B|%)(?![\w.]))"),
        "…",
    ),
)
"""What differs between any two runs of a host that nobody touched: the mark and the trial names that a run leaves in a
log, the log's own numbers, times, and amounts that a living system moves. Taken from real runs. Every other number
counts: a limit, a version, how many settings were looked at."""


@dataclass(frozen=True)
class Change:
    """One control on one host, in two runs. A status is "" where the control was not asked in that run."""

    control: str
    host: str
    before: str
    now: str
    was: str = ""
    observed: str = ""


@dataclass(frozen=True)
class Drift:
    """What is different since the run that started at `since` (UTC, ISO 8601).

    `failing` fails and did not before; `unknown` could not be asked and could before; `fixed` holds now and did not;
    `other` has another status in any other way (waived, attested, new, asked no more); `observed` has the same status
    for another reason or with something else seen.
    """

    since: str
    failing: tuple[Change, ...] = ()
    unknown: tuple[Change, ...] = ()
    fixed: tuple[Change, ...] = ()
    other: tuple[Change, ...] = ()
    observed: tuple[Change, ...] = ()

    @property
    def any(self) -> bool:
        """Whether anything is different."""
        return any((self.failing, self.unknown, self.fixed, self.other, self.observed))

    def as_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @staticmethod
    def from_json(said: Mapping[str, object]) -> Drift:
        """Return what `as_json` wrote. Raises KeyError, TypeError."""
        rows = {name: tuple(Change(**row) for row in said[name]) for name in KINDS}  # type: ignore[attr-defined]
        return Drift(str(said["since"]), **rows)


KINDS = {
    "failing": "newly failing",
    "unknown": "can no longer be asked",
    "fixed": "newly fixed",
    "other": "another status",
    "observed": "something else observed",
}
"""The fields of a Drift with their words, what needs a person first."""


def compare(before: Sequence[Finding], now: Sequence[Finding], since: str) -> Drift:
    """Return what differs. The findings may be of different hosts and catalogs: what one lacks is a change too."""
    was = {(finding.control, finding.host): finding for finding in before}
    found: dict[str, list[Change]] = {name: [] for name in KINDS}
    for finding in now:
        earlier = was.pop((finding.control, finding.host), None)
        kind = _kind(earlier, finding)
        if kind:
            found[kind].append(_change(earlier, finding))
    found["other"] += [Change(gone.control, gone.host, gone.status, "", gone.observed) for gone in was.values()]
    return Drift(since, **{name: tuple(rows) for name, rows in found.items()})


def lasting(
    before: Sequence[Finding], before_started: str, now: Sequence[Finding], started: str
) -> tuple[Finding, ...]:
    """Return the findings of now, each with the time since which its status is the same."""
    was = {(finding.control, finding.host): finding for finding in before}
    dated = []
    for finding in now:
        earlier = was.get((finding.control, finding.host))
        same = earlier is not None and earlier.status == finding.status
        dated.append(replace(finding, since=(earlier.since or before_started) if same and earlier else started))
    return tuple(dated)


def steady(text: str) -> list[str]:
    """Return what of an observation can be compared: its words without what is always new.

    Their order does not count: hosts list containers and settings in any.
    """
    for pattern, instead in ALWAYS_NEW:
        text = pattern.sub(instead, text)
    return sorted(re.split(r"[\s,;{}\[\]]+", text))


def _kind(before: Finding | None, now: Finding) -> str:
    """Return the kind of a change, "" where there is none."""
    was = before.status if before else ""
    if was != now.status:
        if now.status == "fail":
            return "failing"
        if now.status == "error":
            return "unknown"
        return "fixed" if now.status == "pass" and was in ("fail", "error") else "other"
    seen_before, seen_now = _seen(before), _seen(now)
    return "observed" if seen_before != seen_now else ""


def _seen(finding: Finding | None) -> list[str]:
    """Return what is compared of a finding; a pass has no reason, and a reason quotes what was observed."""
    return steady(finding.observed or finding.reason) if finding else []


def _change(before: Finding | None, now: Finding) -> Change:
    was = before.status if before else ""
    return Change(now.control, now.host, was, now.status, before.observed if before else "", now.observed or now.reason)

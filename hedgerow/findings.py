"""A finding: one control on one host at one time."""

from __future__ import annotations

from dataclasses import asdict, dataclass

STATUSES = ("pass", "fail", "waived", "not-exercised", "attested", "error")


@dataclass(frozen=True)
class Finding:
    """What was asked of a host about one control, what was seen, and what that means.

    `status` is one of STATUSES. `reason` says why for every status but pass. `seconds` is
    the time the check took. `at` is the UTC time in ISO 8601, `since` that of the first run in an unbroken row
    with this status.
    """

    control: str
    hipaa: tuple[str, ...]
    host: str
    status: str
    asked: str = ""
    observed: str = ""
    expected: str = ""
    reason: str = ""
    seconds: float = 0.0
    at: str = ""
    since: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the finding as plain values, keys in a stable order."""
        return {**asdict(self), "hipaa": list(self.hipaa)}


def summary(findings: tuple[Finding, ...]) -> dict[str, int]:
    """Count findings by status; every status is present, also at zero."""
    return {status: sum(f.status == status for f in findings) for status in STATUSES}

"""Snapshots of the disks: made each day, kept, encrypted, nobody else's."""

from __future__ import annotations

import pytest

from checks.gcp.found import by_name, disks, judge, last, open_to_everybody, ours, snapshots
from checks.judging import is_empty, is_true
from hedgerow.checking import NotExercised

NONE_YET = "there is no snapshot of this deployment yet"


def _schedules(gcp) -> dict[str, list[dict]]:
    """The snapshot schedules of each disk."""
    known = {row["name"]: row for row in gcp.every("compute.resourcePolicies.list")}
    return by_name(
        disks(gcp),
        lambda row: [
            known[last(link)]["snapshotSchedulePolicy"]
            for link in row.get("resourcePolicies", [])
            if "snapshotSchedulePolicy" in known.get(last(link), {})
        ],
    )


@pytest.mark.control("gcp.snapshots-planned")
def test_every_disk_is_copied_each_day(gcp, finding):
    finding.expect("a schedule of a day or less on each disk")
    seen = {
        name: any("hourlySchedule" in one["schedule"] or _daily(one) for one in rows)
        for name, rows in _schedules(gcp).items()
    }
    judge(gcp, finding, seen, is_true, "disk")


def _daily(schedule: dict) -> bool:
    return bool(schedule["schedule"].get("dailySchedule", {}).get("daysInCycle") == 1)


@pytest.mark.control("gcp.snapshots-kept")
def test_a_copy_is_kept_long_enough(gcp, finding):
    finding.expect(f"{gcp.sheet.lock_days} days or more, where there is a schedule")
    seen = {
        name: [one.get("retentionPolicy", {}).get("maxRetentionDays") for one in rows]
        for name, rows in _schedules(gcp).items()
    }

    def long_enough(days: list[int | None]) -> bool:
        return all(one is None or one >= gcp.sheet.lock_days for one in days)

    judge(gcp, finding, seen, long_enough, "disk")


@pytest.mark.control("gcp.snapshots-own-key")
def test_a_copy_is_under_our_key(gcp, finding):
    finding.expect("each snapshot under a key of the deployment's")
    seen = by_name(snapshots(gcp), lambda row: ours(gcp, row.get("snapshotEncryptionKey", {}).get("kmsKeyName")))
    if not seen:
        raise NotExercised(NONE_YET)
    judge(gcp, finding, seen, is_true, "snapshot")


@pytest.mark.control("gcp.snapshots-not-shared")
def test_no_copy_is_anybody_s(gcp, finding):
    finding.expect("no role on a snapshot for everybody")
    seen = by_name(
        snapshots(gcp), lambda row: open_to_everybody(gcp.ask("compute.snapshots.getIamPolicy", row["name"]))
    )
    if not seen:
        raise NotExercised(NONE_YET)
    judge(gcp, finding, seen, is_empty, "snapshot")

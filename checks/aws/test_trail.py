"""The trail: who did what in the account, everywhere, unforgeable and kept."""

from __future__ import annotations

from typing import Any

import pytest

from checks.aws.found import buckets, group_of, judge, log_groups, one_of, ours, trails


@pytest.mark.control("aws.trail-everywhere")
def test_the_trail_sees_every_region(aws, finding):
    finding.expect("a trail of all regions")
    one_of(finding, {row["Name"]: bool(row.get("IsMultiRegionTrail")) for row in trails(aws)}, "trail")


@pytest.mark.control("aws.trail-global-services")
def test_the_trail_sees_services_that_have_no_region(aws, finding):
    finding.expect("global services included: IAM, STS")
    one_of(finding, {row["Name"]: bool(row.get("IncludeGlobalServiceEvents")) for row in trails(aws)}, "trail")


@pytest.mark.control("aws.trail-validated")
def test_a_changed_record_would_be_noticed(aws, finding):
    finding.expect("log file validation on")
    one_of(finding, {row["Name"]: bool(row.get("LogFileValidationEnabled")) for row in trails(aws)}, "trail")


@pytest.mark.control("aws.trail-encrypted")
def test_the_trail_is_under_a_customer_s_key(aws, finding):
    finding.expect("a KMS key")
    one_of(finding, {row["Name"]: bool(row.get("KmsKeyId")) for row in trails(aws)}, "trail")


def _status(aws) -> dict[str, dict[str, Any]]:
    return {row["Name"]: aws.ask("cloudtrail.get_trail_status", Name=row["TrailARN"]) for row in trails(aws)}


@pytest.mark.control("aws.trail-logging")
def test_the_trail_is_being_written_now(aws, finding):
    finding.expect("logging, and the last delivery without an error")
    seen = {
        name: bool(said["IsLogging"]) and not said.get("LatestDeliveryError") for name, said in _status(aws).items()
    }
    one_of(finding, seen, "trail")


@pytest.mark.control("aws.trail-to-logs")
def test_the_trail_goes_where_alarms_look(aws, finding):
    finding.expect("a log group that is there")
    there = {row["logGroupName"] for row in log_groups(aws)}
    seen = {row["Name"]: group_of(row.get("CloudWatchLogsLogGroupArn", "")) in there for row in trails(aws)}
    one_of(finding, seen, "trail")


@pytest.mark.control("aws.trail-data-events")
def test_who_touches_an_object_is_written_down(aws, finding):
    """A selector's value that ends in / means all objects of a bucket; the bare prefix of S3 means all buckets."""
    finding.expect("reads and writes of every bucket's objects")
    selected: list[str] = []
    for row in trails(aws):
        said = aws.ask("cloudtrail.get_event_selectors", TrailName=row["TrailARN"])
        for one in said.get("EventSelectors") or []:
            if one.get("ReadWriteType") == "All":
                selected += [
                    v for data in one["DataResources"] if data["Type"] == "AWS::S3::Object" for v in data["Values"]
                ]
        for advanced in said.get("AdvancedEventSelectors") or []:
            selected += _advanced(advanced)
    everything = any(value.rstrip(":").endswith(":s3") for value in selected)
    covered = {value.rpartition(":")[2].rstrip("/") for value in selected if value.endswith("/")}
    seen = {name: "written down" if everything or name in covered else "not" for name in buckets(aws)}
    judge(finding, seen, lambda said: said == "written down", "bucket")


def _advanced(selector: dict[str, Any]) -> list[str]:
    """What an advanced selector of S3's objects covers; one that is narrowed by anything else covers nothing here."""
    fields = {one["Field"]: one for one in selector["FieldSelectors"]}
    if fields.get("resources.type", {}).get("Equals") != ["AWS::S3::Object"]:
        return []
    if set(fields) == {"eventCategory", "resources.type"}:
        return ["arn:aws:s3"]
    if set(fields) == {"eventCategory", "resources.type", "resources.ARN"}:
        return list(fields["resources.ARN"].get("StartsWith", []))
    return []


@pytest.mark.control("aws.log-groups-encrypted")
def test_every_log_group_is_under_our_key(aws, finding):
    finding.expect("a key of the deployment's")
    seen = {row["logGroupName"]: ours(aws, row.get("kmsKeyId")) for row in log_groups(aws)}
    judge(finding, seen, lambda said: said is True, "log group")


@pytest.mark.control("aws.log-groups-kept")
def test_every_log_group_is_kept_for_six_years(aws, finding):
    """A log group without a number keeps for ever."""
    days = aws.sheet.record_days
    finding.expect(f"{days} days or more, or for ever")
    seen = {row["logGroupName"]: row.get("retentionInDays", "for ever") for row in log_groups(aws)}
    judge(finding, seen, lambda said: said == "for ever" or said >= days, "log group")

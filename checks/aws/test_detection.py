"""What looks for trouble: GuardDuty, and Config, which remembers what each thing was."""

from __future__ import annotations

from typing import Any

import pytest

from checks.aws.found import one_of


@pytest.mark.control("aws.guardduty-on")
def test_guardduty_is_on(aws, finding):
    finding.expect("a detector that is ENABLED, in this region")
    ids = aws.every("guardduty.list_detectors", "DetectorIds")
    seen = {one: aws.ask("guardduty.get_detector", DetectorId=one)["Status"] == "ENABLED" for one in ids}
    one_of(finding, seen, "detector")


def _recorders(aws) -> list[dict[str, Any]]:
    return aws.every("config.describe_configuration_recorders", "ConfigurationRecorders")


@pytest.mark.control("aws.config-recording")
def test_config_is_recording(aws, finding):
    finding.expect("a recorder that records now")
    rows = aws.every("config.describe_configuration_recorder_status", "ConfigurationRecordersStatus")
    one_of(finding, {row["name"]: bool(row["recording"]) for row in rows}, "recorder")


@pytest.mark.control("aws.config-everything")
def test_config_records_everything(aws, finding):
    finding.expect("all kinds of resources, global ones included")
    seen = {
        row["name"]: bool(
            row.get("recordingGroup", {}).get("allSupported")
            and row.get("recordingGroup", {}).get("includeGlobalResourceTypes")
        )
        for row in _recorders(aws)
    }
    one_of(finding, seen, "recorder")


@pytest.mark.control("aws.config-delivered")
def test_what_config_records_is_kept(aws, finding):
    finding.expect("a delivery channel to a bucket")
    rows = aws.every("config.describe_delivery_channels", "DeliveryChannels")
    one_of(finding, {row["name"]: bool(row.get("s3BucketName")) for row in rows}, "delivery channel")

"""The deployment's keys: alive, renewed, and nobody's but those whom their policies name."""

from __future__ import annotations

import pytest

from checks.aws.found import judge, keys, open_to_everybody
from checks.judging import is_empty, is_true


@pytest.mark.control("aws.keys-rotate")
def test_every_key_is_renewed_each_year(aws, finding):
    finding.expect("rotation on")
    seen = {
        row["KeyId"]: aws.ask("kms.get_key_rotation_status", KeyId=row["KeyId"])["KeyRotationEnabled"]
        for row in keys(aws)
        if row["KeyState"] != "PendingDeletion"
    }
    judge(finding, seen, is_true, "key")


@pytest.mark.control("aws.keys-named-principals")
def test_no_key_serves_whoever_asks(aws, finding):
    finding.expect("no statement allows everybody without a condition")
    seen = {
        row["KeyId"]: open_to_everybody(
            aws.ask("kms.get_key_policy", KeyId=row["KeyId"], PolicyName="default")["Policy"]
        )
        for row in keys(aws)
    }
    judge(finding, seen, is_empty, "key")


@pytest.mark.control("aws.keys-stay")
def test_no_key_is_off_or_about_to_end(aws, finding):
    """Data under a key that is gone is gone with it, backups included."""
    finding.expect("each key enabled")
    judge(finding, {row["KeyId"]: row["KeyState"] for row in keys(aws)}, lambda said: said == "Enabled", "key")

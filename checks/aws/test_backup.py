"""Backups of the volumes: made by a plan, of every volume, into a vault that gives nothing up early."""

from __future__ import annotations

from typing import Any

import pytest

from checks.aws.found import instances, judge, ours, plans, tags_of, vaults, volumes
from checks.judging import is_true


@pytest.mark.control("aws.vault-own-key")
def test_every_vault_is_under_our_key(aws, finding):
    finding.expect("a key of the deployment's")
    seen = {row["BackupVaultName"]: ours(aws, row.get("EncryptionKeyArn")) for row in vaults(aws)}
    judge(finding, seen, is_true, "vault")


@pytest.mark.control("aws.vault-locked")
def test_no_vault_gives_up_a_backup_early(aws, finding):
    finding.expect(f"locked, with a retention of {aws.sheet.lock_days} days or more")
    seen = {row["BackupVaultName"]: _retention(row) for row in vaults(aws)}
    judge(finding, seen, lambda days: days is not None and days >= aws.sheet.lock_days, "vault")


def _retention(row: dict[str, Any]) -> int | None:
    return row.get("MinRetentionDays", 1) if row.get("Locked") else None


@pytest.mark.control("aws.backup-planned")
def test_a_plan_makes_backups(aws, finding):
    finding.expect("a plan with a schedule")
    seen = {
        plan["BackupPlanName"]: any(rule.get("ScheduleExpression") for rule in plan["Rules"]) for plan, _ in plans(aws)
    }
    judge(finding, seen, is_true, "backup plan")


@pytest.mark.control("aws.backup-covers-volumes")
def test_the_plan_covers_every_volume(aws, finding):
    """By its ARN or its tags, or with the machine that it belongs to."""
    finding.expect("each volume chosen by a plan")
    chosen = [selection for _, selections in plans(aws) for selection in selections]
    machines = {
        one["Ebs"]["VolumeId"]: row
        for row in instances(aws)
        for one in row.get("BlockDeviceMappings", [])
        if "Ebs" in one
    }
    seen = {
        row["VolumeId"]: any(
            _covers(selection, f":volume/{row['VolumeId']}", tags_of(row))
            or _covers(
                selection,
                f":instance/{machines.get(row['VolumeId'], {}).get('InstanceId')}",
                tags_of(machines.get(row["VolumeId"], {})),
            )
            for selection in chosen
        )
        for row in volumes(aws)
    }
    judge(finding, seen, is_true, "volume")


def _covers(selection: dict[str, Any], end: str, tags: dict[str, str]) -> bool:
    kind = end.partition("/")[0]
    named = any(one == "*" or one.endswith((end, f"{kind}/*")) for one in selection.get("Resources", []))
    if any(one.endswith(end) for one in selection.get("NotResources", [])):
        return False
    return named or any(
        tags.get(one["ConditionKey"]) == one["ConditionValue"] for one in selection.get("ListOfTags", [])
    )

"""A name of ours that somebody else uses: nothing is taken up by its name alone, and the whole plan says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from hedgerow.errors import UnreachableError
from tests.cloud.account import census, quiet, target

REGION = "us-east-1"


def client(name: str) -> Any:
    return boto3.client(name, region_name=REGION)


def topic() -> None:
    client("sns").create_topic(Name="hedgerow-acme-alarms")


def alarm() -> None:
    client("cloudwatch").put_metric_alarm(
        AlarmName="hedgerow-acme-root-use",
        MetricName="errors",
        Namespace="Somebody/else",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )


def log_group() -> None:
    client("logs").create_log_group(logGroupName="/hedgerow/acme/flow", tags={"hedgerow:deployment": "another"})


def trail() -> None:
    client("s3").create_bucket(Bucket="somebody-elses")
    client("cloudtrail").create_trail(Name="hedgerow-acme", S3BucketName="somebody-elses")


def vault() -> None:
    client("backup").create_backup_vault(BackupVaultName="hedgerow-acme")


@pytest.mark.parametrize("somebody_makes", [topic, alarm, log_group, trail, vault])
def test_a_thing_that_bears_a_name_of_ours_is_left_alone(aws: str, somebody_makes: Callable[[], None]) -> None:
    somebody_makes()
    before = census()
    for verb in (target().plan, lambda: target().provision(quiet)):
        with pytest.raises(UnreachableError, match="does not bear this deployment's tag") as refused:
            verb()
        assert "rename or remove it" in (refused.value.fix or "")
    assert census() == before


def test_a_backup_plan_that_is_somebody_elses_is_never_changed(aws: str) -> None:
    """AWS may take a second plan of a name; the emulator does not, and then the run says whose the first is not."""
    vault()
    rule = {"RuleName": "weekly", "TargetBackupVaultName": "hedgerow-acme", "ScheduleExpression": "cron(0 3 ? * 1 *)"}
    backup = client("backup")
    theirs = backup.create_backup_plan(BackupPlan={"BackupPlanName": "hedgerow-acme", "Rules": [rule]})["BackupPlanId"]
    backup.delete_backup_vault(BackupVaultName="hedgerow-acme")
    with pytest.raises(UnreachableError, match="a backup plan hedgerow-acme is there already"):
        target().provision(quiet)
    target().destroy(quiet)
    (kept,) = backup.get_backup_plan(BackupPlanId=theirs)["BackupPlan"]["Rules"]
    assert kept["RuleName"] == "weekly"

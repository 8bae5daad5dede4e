"""What belongs to the deployment, found by its tag or by what its things refer to; and how a row of them is judged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from checks.judging import judge as _judge
from hedgerow.aws_reading import TAG, Asker, masked
from hedgerow.checking import Finder

ALIVE = ["pending", "running", "stopping", "stopped"]
ANYWHERE = ("0.0.0.0/0", "::/0")
Row = dict[str, Any]


def judge(finding: Finder, seen: Mapping[str, Any], right: Callable[[Any], bool], what: str) -> None:
    """Write down what was seen, by name; fail where one is not right, and where there is none at all."""
    _judge(finding, seen, right, what, masked)


def one_of(finding: Finder, seen: Mapping[str, bool], what: str) -> None:
    """Fail unless one of several does: where what an account has already is used, one that is right is enough."""
    finding.observe("; ".join(f"{masked(name)}: {value}" for name, value in sorted(seen.items())) or "nothing")
    assert any(seen.values()), f"no {what} does"


def listed(value: Any) -> list[Any]:
    """Return a policy's "one or a list" as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def statements(policy: Any) -> list[Row]:
    """Return a policy's statements, whether it came as text or as data."""
    document = json.loads(unquote(policy)) if isinstance(policy, str) else policy
    return listed((document or {}).get("Statement"))


def open_to_everybody(policy: Any) -> list[str]:
    """Return what a policy allows to whoever asks, without a condition."""
    return [
        str(row.get("Sid") or row.get("Action"))
        for row in statements(policy)
        if row["Effect"] == "Allow" and not row.get("Condition") and "*" in principals(row)
    ]


def principals(statement: Row) -> list[str]:
    """Return whom a statement is about."""
    who = statement.get("Principal")
    return [str(one) for each in who.values() for one in listed(each)] if isinstance(who, dict) else listed(who)


def instances(aws: Asker) -> list[Row]:
    """Return the deployment's machines."""
    filters = [*aws.tagged, {"Name": "instance-state-name", "Values": ALIVE}]
    return [
        row for one in aws.every("ec2.describe_instances", "Reservations", Filters=filters) for row in one["Instances"]
    ]


def networks(aws: Asker) -> set[str]:
    """Return the ids of the VPCs that the deployment's subnets and machines lie in: its own, or one that was there."""
    return {row["VpcId"] for row in [*subnets(aws), *instances(aws)]}


def subnets(aws: Asker) -> list[Row]:
    """Return the deployment's subnets, and those of its machines if these were there before."""
    tagged = aws.every("ec2.describe_subnets", "Subnets", Filters=aws.tagged)
    used = {row["SubnetId"] for row in instances(aws)} - {row["SubnetId"] for row in tagged}
    more = aws.every("ec2.describe_subnets", "Subnets", SubnetIds=sorted(used)) if used else []
    return [*tagged, *more]


def in_networks(aws: Asker, name: str, key: str, *more: Row) -> list[Row]:
    """Return all of one kind that lies in the deployment's networks, whoever made it."""
    lying = sorted(networks(aws))
    assert lying, "there is no network of this deployment"
    return aws.every(name, key, Filters=[{"Name": "vpc-id", "Values": lying}, *more])


def volumes(aws: Asker) -> list[Row]:
    """Return the volumes of the deployment's machines and those that bear its tag."""
    ids = {
        one["Ebs"]["VolumeId"] for row in instances(aws) for one in row.get("BlockDeviceMappings", []) if "Ebs" in one
    }
    tagged = aws.every("ec2.describe_volumes", "Volumes", Filters=aws.tagged)
    more = sorted(ids - {row["VolumeId"] for row in tagged})
    return [*tagged, *(aws.every("ec2.describe_volumes", "Volumes", VolumeIds=more) if more else [])]


def snapshots(aws: Asker) -> list[Row]:
    """Return this account's snapshots of the deployment's volumes, and those that bear its tag."""
    ids = sorted(row["VolumeId"] for row in volumes(aws))
    of_volumes = [{"Name": "volume-id", "Values": ids}]
    rows = aws.every("ec2.describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=of_volumes) if ids else []
    rows += aws.every("ec2.describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=aws.tagged)
    return list({row["SnapshotId"]: row for row in rows}.values())


def _tagged(aws: Asker, kind: str) -> list[str]:
    rows = aws.every(
        "resourcegroupstaggingapi.get_resources",
        "ResourceTagMappingList",
        TagFilters=[{"Key": TAG, "Values": [aws.sheet.deployment]}],
        ResourceTypeFilters=[kind],
    )
    return sorted(row["ResourceARN"] for row in rows)


def buckets(aws: Asker) -> list[str]:
    """Return the deployment's buckets."""
    return [arn.rpartition(":")[2] for arn in _tagged(aws, "s3")]


def access_logs(aws: Asker) -> set[str]:
    """Return the buckets that others write their access logs to."""
    found = (aws.ask("s3.get_bucket_logging", Bucket=name).get("LoggingEnabled") for name in buckets(aws))
    return {one["TargetBucket"] for one in found if one}


def keys(aws: Asker) -> list[Row]:
    """Return the deployment's keys, as KMS describes them."""
    return [aws.ask("kms.describe_key", KeyId=arn)["KeyMetadata"] for arn in _tagged(aws, "kms:key")]


def ours(aws: Asker, key: str | None) -> bool:
    """Tell whether a key, however it is named, is one of the deployment's."""
    if not key or key.startswith("alias/aws/"):
        return False
    known = {name for row in keys(aws) for name in (row["Arn"], row["KeyId"])}
    return key in known or (
        ":alias/" in f":{key}" and aws.ask("kms.describe_key", KeyId=key)["KeyMetadata"]["Arn"] in known
    )


def trails(aws: Asker) -> list[Row]:
    """Return the deployment's trail; where it has none of its own, all that reach this account."""
    rows = aws.every("cloudtrail.describe_trails", "trailList", includeShadowTrails=True)
    arns = [row["TrailARN"] for row in rows]
    said = [aws.ask("cloudtrail.list_tags", ResourceIdList=[arn]) for arn in arns if aws.sheet.region in arn]
    mark = {"Key": TAG, "Value": aws.sheet.deployment}
    own = {tags["ResourceId"] for one in said for tags in one["ResourceTagList"] if mark in tags.get("TagsList", [])}
    return [row for row in rows if row["TrailARN"] in own] or rows


def group_of(arn: str) -> str:
    """Return the name of a log group from its ARN."""
    return arn.rsplit(":log-group:", maxsplit=1)[-1].removesuffix(":*")


def flow_logs(aws: Asker) -> list[Row]:
    """Return the flow logs of the deployment's networks."""
    lying = sorted(networks(aws))
    return aws.every("ec2.describe_flow_logs", "FlowLogs", Filters=[{"Name": "resource-id", "Values": lying}])


def log_groups(aws: Asker) -> list[Row]:
    """Return the log groups that flow logs and the trail write to, and those that are named for the deployment."""
    used = {row["LogGroupName"] for row in flow_logs(aws) if row.get("LogGroupName")}
    used |= {group_of(row["CloudWatchLogsLogGroupArn"]) for row in trails(aws) if row.get("CloudWatchLogsLogGroupArn")}
    rows = aws.every("logs.describe_log_groups", "logGroups")
    used.add(f"aws-waf-logs-hedgerow-{aws.sheet.deployment}")  # AWS WAF takes no name that begins otherwise
    named = ("hedgerow", aws.sheet.deployment)
    return [
        row
        for row in rows
        if row["logGroupName"] in used or tuple(row["logGroupName"].strip("/").split("/")[:2]) == named
    ]


def balancers(aws: Asker) -> dict[str, Row]:
    """Return each load balancer in the deployment's networks, by its name."""
    own = networks(aws)
    rows = aws.every("elbv2.describe_load_balancers", "LoadBalancers")
    return {row["LoadBalancerName"]: row for row in rows if row.get("VpcId") in own}


def plans(aws: Asker) -> list[tuple[Row, list[Row]]]:
    """Return the deployment's backup plans, each with what it selects."""
    found = []
    for row in aws.every("backup.list_backup_plans", "BackupPlansList"):
        tags = aws.ask("backup.list_tags", ResourceArn=row["BackupPlanArn"]).get("Tags", {})
        if tags.get(TAG) == aws.sheet.deployment:
            plan = aws.ask("backup.get_backup_plan", BackupPlanId=row["BackupPlanId"])["BackupPlan"]
            chosen = aws.every(
                "backup.list_backup_selections", "BackupSelectionsList", BackupPlanId=row["BackupPlanId"]
            )
            whole = [
                aws.ask("backup.get_backup_selection", BackupPlanId=row["BackupPlanId"], SelectionId=one["SelectionId"])
                for one in chosen
            ]
            found.append((plan, [one["BackupSelection"] for one in whole]))
    return found


def vaults(aws: Asker) -> list[Row]:
    """Return the vaults that the deployment's plans write to."""
    names = {rule["TargetBackupVaultName"] for plan, _ in plans(aws) for rule in plan.get("Rules", [])}
    return [aws.ask("backup.describe_backup_vault", BackupVaultName=name) for name in sorted(names)]


def machine_roles(aws: Asker) -> list[str]:
    """Return the names of the roles that the deployment's machines play."""
    profiles = {
        row["IamInstanceProfile"]["Arn"].rpartition("/")[2] for row in instances(aws) if "IamInstanceProfile" in row
    }
    said = [aws.ask("iam.get_instance_profile", InstanceProfileName=name) for name in sorted(profiles)]
    return [role["RoleName"] for one in said for role in one["InstanceProfile"]["Roles"]]


def tags_of(row: Row) -> Mapping[str, str]:
    """Return EC2's tags as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in row.get("Tags", [])}


def flattened(rows: Iterable[Iterable[Any]]) -> list[Any]:
    """Return the items of several lists as one."""
    return [item for row in rows for item in row]

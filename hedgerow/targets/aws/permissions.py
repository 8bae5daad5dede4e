"""The IAM policy that the installer needs: made from the calls in this package's own source, and from nothing else."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name

from hedgerow.targets.aws.api import TAG
from hedgerow.targets.aws.documents import Place, allow, document

PREFIXES = {"s3control": "s3"}
DOORS = ("call", "ask", "pages", "attempt")
PASS_ROLE = "iam:PassRole"  # noqa: S105 (the name of an action)
INSTANCE_KEY = ("kms:CreateGrant", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext")
ACTIONS: dict[str, tuple[str, ...]] = {
    "s3.head_bucket": ("s3:ListBucket",),
    "s3.create_bucket": (
        "s3:CreateBucket",
        "s3:PutBucketObjectLockConfiguration",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketVersioning",
    ),
    "s3.get_bucket_encryption": ("s3:GetEncryptionConfiguration",),
    "s3.put_bucket_encryption": ("s3:PutEncryptionConfiguration",),
    "s3.get_public_access_block": ("s3:GetBucketPublicAccessBlock",),
    "s3.put_public_access_block": ("s3:PutBucketPublicAccessBlock",),
    "s3.get_bucket_lifecycle_configuration": ("s3:GetLifecycleConfiguration",),
    "s3.put_bucket_lifecycle_configuration": ("s3:PutLifecycleConfiguration",),
    "s3.get_object_lock_configuration": ("s3:GetBucketObjectLockConfiguration",),
    "s3.put_object_lock_configuration": ("s3:PutBucketObjectLockConfiguration",),
    "s3control.get_public_access_block": ("s3:GetAccountPublicAccessBlock",),
    "s3control.put_public_access_block": ("s3:PutAccountPublicAccessBlock",),
    "logs.associate_kms_key": ("logs:AssociateKmsKey",),
}
"""Operations whose action has another name than they have."""
ALONG: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "ec2.create_vpc", "ec2.create_subnet", "ec2.create_internet_gateway", "ec2.allocate_address",
            "ec2.create_nat_gateway", "ec2.create_route_table", "ec2.create_security_group", "ec2.create_network_acl",
        ),
        ("ec2:CreateTags",),
    ),
    "ec2.create_vpc_endpoint": ("ec2:CreateTags", "route53:AssociateVPCWithHostedZone"),
    "ec2.create_flow_logs": ("ec2:CreateTags", PASS_ROLE),
    "ec2.run_instances": ("ec2:CreateTags", PASS_ROLE, *INSTANCE_KEY),
    "ec2.start_instances": INSTANCE_KEY,
    "ec2.associate_iam_instance_profile": (PASS_ROLE,),
    "ec2.replace_iam_instance_profile_association": (PASS_ROLE,),
    "iam.create_role": ("iam:TagRole",),
    "iam.create_instance_profile": ("iam:TagInstanceProfile",),
    "iam.add_role_to_instance_profile": (PASS_ROLE,),
    "kms.create_key": ("kms:TagResource",),
    "logs.create_log_group": ("logs:TagResource",),
    "cloudtrail.create_trail": ("cloudtrail:AddTags", PASS_ROLE),
    "cloudtrail.update_trail": (PASS_ROLE,),
    "cloudwatch.put_metric_alarm": ("cloudwatch:TagResource",),
    "sns.create_topic": ("sns:TagResource",),
    "guardduty.create_detector": ("guardduty:TagResource", "iam:CreateServiceLinkedRole"),
    "config.put_configuration_recorder": (PASS_ROLE,),
    "backup.create_backup_vault": (
        "backup:TagResource", "backup-storage:MountCapsule", "kms:CreateGrant", "kms:DescribeKey",
        "kms:GenerateDataKey",
    ),
    "backup.create_backup_plan": ("backup:TagResource",),
    "backup.create_backup_selection": (PASS_ROLE,),
}  # fmt: skip
"""What AWS asks for beside the operation's own action (service authorization reference, dependent actions; KMS)."""
SESSION = ("ssm:StartSession", "ssm:TerminateSession")
"""What the AWS CLI calls, which carries SSH."""
OWN_TAG = re.compile(r"ec2:(Delete(?!Route|NetworkAclEntry|Tags).*|TerminateInstances|ReleaseAddress)")
"""What ends something of EC2 that bears our tag: nothing else may be ended."""


@cache
def calls() -> frozenset[str]:
    """Return every call that this package makes, as "ec2.create_vpc": the literals at the door, read off the source."""
    found = set()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and _door(node.func) in DOORS:
                first = node.args[0]
                if isinstance(first, ast.Constant) and re.fullmatch(r"[a-z0-9]+\.[a-z0-9_]+", str(first.value)):
                    found.add(str(first.value))
    return frozenset(found)


def _door(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def services() -> frozenset[str]:
    """Return the services that are called."""
    return frozenset(name.partition(".")[0] for name in calls())


@cache
def _operations(service: str) -> dict[str, str]:
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}


def actions_of(call: str) -> tuple[str, ...]:
    """Return the IAM actions that one call needs."""
    service, _, operation = call.partition(".")
    own = ACTIONS.get(call) or (f"{PREFIXES.get(service, service)}:{_operations(service)[operation]}",)
    return (*own, *ALONG.get(call, ()))


def actions() -> frozenset[str]:
    """Return every action that is needed."""
    return frozenset(action for call in calls() for action in actions_of(call)) | frozenset(SESSION)


def policy(place: Place) -> dict[str, Any]:
    """Return the policy: each action on what bears the deployment's name where AWS can tell, else in its region."""
    name = place.deployment
    left = set(actions())
    statements = []

    def take(sid: str, chosen: Iterable[str], resource: Any, **condition: Any) -> None:
        some = sorted(set(chosen) & left)
        left.difference_update(some)
        if some:
            statements.append(allow(sid, some, resource, **condition))

    def of(pattern: str) -> set[str]:
        return {action for action in left if re.fullmatch(pattern, action)}

    region = {"Condition": {"StringEquals": {"aws:RequestedRegion": place.region}}}
    bucket = f"arn:{place.partition}:s3:::hedgerow-{name}-*"
    roles = place.arn("iam", f"role/hedgerow-{name}-*", region=False)
    passed = {"Condition": {"StringEquals": {"iam:PassedToService": _services_with_roles()}}}
    linked = {"Condition": {"StringEquals": {"iam:AWSServiceName": "guardduty.amazonaws.com"}}}
    granted = {"Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}}
    ours = {"Condition": {"StringEquals": {f"aws:ResourceTag/{TAG}": name}}}
    keys = place.arn("kms", "key/*")
    groups = place.arn("logs", f"log-group:/hedgerow/{name}/*")
    take("Account", of(r"s3:.*AccountPublicAccessBlock|sts:.*|kms:ListKeys|guardduty:ListDetectors"), "*")
    take("Buckets", of(r"s3:.*"), bucket)
    take("PassRoles", {PASS_ROLE}, roles, **passed)
    take(
        "GuardDutyRole",
        {"iam:CreateServiceLinkedRole"},
        place.arn("iam", "role/aws-service-role/guardduty.amazonaws.com/*", region=False),
        **linked,
    )
    take("Roles", of(r"iam:.*"), [roles, place.arn("iam", f"instance-profile/hedgerow-{name}-*", region=False)])
    take("Grants", {"kms:CreateGrant"}, keys, **granted)
    take("NewKeys", {"kms:CreateKey"}, "*", **region)
    take("Aliases", of(r"kms:.*Alias"), [keys, place.arn("kms", f"alias/hedgerow/{name}/*")])
    take("FindKeys", {"kms:DescribeKey", "kms:ListResourceTags", "kms:TagResource"}, keys)
    take("Keys", of(r"kms:.*"), keys, **ours)
    take("ListLogs", {"logs:DescribeLogGroups"}, "*")
    take("Logs", of(r"logs:.*"), [groups, f"{groups}:*"])
    take("Topics", of(r"sns:.*"), place.arn("sns", f"hedgerow-{name}-*"))
    take("Alarms", of(r"cloudwatch:(Put|Delete|Tag).*"), place.arn("cloudwatch", f"alarm:hedgerow-{name}-*"))
    take(
        "Trails",
        of(r"cloudtrail:(Create|Update|Delete|Start|Put|Add).*"),
        place.arn("cloudtrail", f"trail/hedgerow-{name}"),
    )
    take("Vault", of(r"backup:.*BackupVault(LockConfiguration)?"), place.arn("backup", f"backup-vault:hedgerow-{name}"))
    take("Records", of(r"route53:(Change|List).*"), f"arn:{place.partition}:route53:::hostedzone/*")
    take(
        "Session",
        of(r"ssm:StartSession"),
        [place.arn("ec2", "instance/*"), f"arn:{place.partition}:ssm:{place.region}::document/AWS-StartSSHSession"],
    )
    take("EndSession", of(r"ssm:TerminateSession"), place.arn("ssm", "session/${aws:userid}-*"))
    take("EndOurs", {action for action in left if OWN_TAG.fullmatch(action)}, "*", **ours)
    take("Global", {"route53:AssociateVPCWithHostedZone"}, "*")
    take("Region", set(left), "*", **region)
    return document(*statements)


def _services_with_roles() -> list[str]:
    return [f"{service}.amazonaws.com" for service in ("backup", "cloudtrail", "config", "ec2", "vpc-flow-logs")]


def text(place: Place) -> str:
    """Return the policy for a person and for AWS."""
    return json.dumps(policy(place), indent=2) + "\n"

"""The policies that guard what we make: who may use a key, write to a bucket, take on a role. Plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
VERSION = "2012-10-17"
HOST_FOLDER = "host"
"""Where in the buckets of backups and logs the machine may write."""


@dataclass(frozen=True)
class Place:
    """Where a deployment is, as ARNs say it."""

    partition: str
    region: str
    account: str
    deployment: str

    def arn(self, service: str, rest: str, *, region: bool = True) -> str:
        """Return the ARN of something in this account."""
        return f"arn:{self.partition}:{service}:{self.region if region else ''}:{self.account}:{rest}"


def document(*statements: Mapping[str, Any]) -> Document:
    """Return a policy."""
    return {"Version": VERSION, "Statement": [dict(one) for one in statements]}


def allow(sid: str, action: str | Sequence[str], resource: Any, **more: Any) -> Document:
    """Return a statement that allows."""
    return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource, **more}


def trust(place: Place, service: str) -> Document:
    """Let one service take on a role, and for this account alone (the confused deputy); EC2 says no account."""
    statement: Document = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    if not service.startswith("ec2."):
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": place.account}}
    return document(statement)


def data_key(place: Place) -> Document:
    """Disks: the account's own IAM decides; nobody outside it is named."""
    return document(_owner(place))


def records_key(place: Place) -> Document:
    """Records: also the services that write them, each for this account alone."""
    here = {"StringEquals": {"aws:SourceAccount": place.account}}
    write = ["kms:GenerateDataKey*", "kms:Decrypt", "kms:DescribeKey"]
    logs = f"logs.{place.region}.amazonaws.com"
    names = (f"/hedgerow/{place.deployment}/*", f"aws-waf-logs-hedgerow-{place.deployment}")
    groups = [place.arn("logs", f"log-group:{name}") for name in names]
    return document(
        _owner(place),
        allow(
            "Services",
            write,
            "*",
            Principal={"Service": ["cloudtrail.amazonaws.com", "cloudwatch.amazonaws.com"]},
            Condition=here,
        ),
        allow(
            "Logs",
            ["kms:Encrypt", "kms:ReEncrypt*", *write],
            "*",
            Principal={"Service": logs},
            Condition={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        ),
    )


def _owner(place: Place) -> Document:
    # Without it nobody could ever change the policy again (KMS developer guide, "Allows access to the AWS account").
    return allow("Account", "kms:*", "*", Principal={"AWS": place.arn("iam", "root", region=False)})


def bucket(
    place: Place,
    name: str,
    *,
    trail: bool = False,
    config: bool = False,
    access: bool = False,
    balancer: bool = False,
) -> Document:
    """TLS only; beside that, each service that writes there, under its own prefix and for this account alone."""
    arn = f"arn:{place.partition}:s3:::{name}"
    here = {"StringEquals": {"aws:SourceAccount": place.account}}
    statements = [
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]
    writers = [
        (trail, "Trail", "cloudtrail.amazonaws.com", f"{arn}/AWSLogs/{place.account}/*"),
        (config, "Config", "config.amazonaws.com", f"{arn}/config/AWSLogs/{place.account}/Config/*"),
    ]
    for wanted, word, service, path in writers:
        if wanted:
            principal = {"Service": service}
            look = ["s3:GetBucketAcl", "s3:ListBucket"] if word == "Config" else "s3:GetBucketAcl"
            statements.append(allow(f"{word}Looks", look, arn, Principal=principal, Condition=here))
            statements.append(allow(f"{word}Writes", "s3:PutObject", path, Principal=principal, Condition=here))
    if access:
        principal = {"Service": "logging.s3.amazonaws.com"}
        statements.append(allow("AccessLogs", "s3:PutObject", f"{arn}/s3/*", Principal=principal, Condition=here))
    if balancer:
        # The path names the account: only its own balancers' logs are delivered there.
        principal, path = {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}, f"AWSLogs/{place.account}/*"
        statements.append(allow("BalancerLogs", "s3:PutObject", f"{arn}/balancer/{path}", Principal=principal))
    return document(*statements)


def topic(place: Place, arn: str) -> Document:
    """Only this account's alarms may write to the topic."""
    here = {"StringEquals": {"aws:SourceAccount": place.account}}
    principal = {"Service": "cloudwatch.amazonaws.com"}
    return document(allow("Alarms", "sns:Publish", arn, Principal=principal, Condition=here))


def endpoint(place: Place, service: str) -> Document:
    """Serve this account alone. In S3 what others have made public is still read, and nothing is written there.

    Image layers and packages lie in buckets of others: their presigned and anonymous reads have no principal of ours.
    """
    anybody = {"AWS": "*"}
    mine = {"aws:PrincipalAccount": place.account}
    if service != "s3":
        return document(allow("Account", "*", "*", Principal=anybody, Condition={"StringEquals": mine}))
    own = {"aws:ResourceAccount": place.account}
    return document(
        allow("Account", "s3:*", "*", Principal=anybody, Condition={"StringEquals": {**mine, **own}}),
        allow("Fetch", "s3:GetObject", "*", Principal=anybody, Condition={"StringNotEquals": own}),
    )


def instance_role(place: Place, backup: str, logs: str, key: Any, *, backs_up: bool) -> Document:
    """What the machine may do: be reached by Session Manager, and add (not read, not remove) backups and logs.

    One that `backs_up` reads its backups, too, and lets go of them: the bucket keeps what it removes as a version.
    """
    session = [
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    ]
    arns = [f"arn:{place.partition}:s3:::{name}" for name in (backup, logs)]
    below = {"StringLike": {"s3:prefix": f"{HOST_FOLDER}/*"}}
    keeps = [
        allow("List", ["s3:ListBucket"], arns[0], Condition=below),
        # What is sent in parts is put together by whoever began it, and may be given up.
        allow("Keep", ["s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], f"{arns[0]}/{HOST_FOLDER}/*"),
        allow("Decrypt", ["kms:Decrypt"], [key]),
    ]
    return document(
        allow("Session", session, "*"),
        allow("Add", ["s3:PutObject"], [f"{arn}/{HOST_FOLDER}/*" for arn in arns]),
        allow("Encrypt", ["kms:GenerateDataKey"], [key]),
        *(keeps if backs_up else ()),
    )


def write_logs(place: Place, group: str) -> Document:
    """What a service needs to write to one log group."""
    arn = place.arn("logs", f"log-group:{group}:*")
    actions = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    return document(allow("Write", actions, arn))


def config_role(place: Place, name: str) -> Document:
    """What Config needs to deliver; what it reads is AWS's own to say, and is named here by its read actions."""
    arn = f"arn:{place.partition}:s3:::{name}"
    read = [
        "config:Put*", "ec2:Describe*", "ec2:Get*", "iam:Get*", "iam:List*", "kms:Describe*", "kms:Get*", "kms:List*",
        "s3:GetBucket*", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration",
        "s3:GetAccountPublicAccessBlock",
        "s3:ListAllMyBuckets", "s3:GetReplicationConfiguration", "cloudtrail:Describe*", "cloudtrail:Get*",
        "cloudtrail:List*", "cloudwatch:Describe*", "logs:Describe*", "sns:Get*", "sns:List*", "backup:Describe*",
        "backup:Get*", "backup:List*", "guardduty:Get*", "guardduty:List*",
    ]  # fmt: skip
    return document(
        allow("Read", read, "*"),
        allow("Deliver", ["s3:PutObject"], f"{arn}/config/AWSLogs/{place.account}/*"),
        allow("Find", ["s3:GetBucketAcl", "s3:ListBucket"], arn),
    )


def backup_role(place: Place, keys: Sequence[Any]) -> Document:
    """What AWS Backup needs to copy volumes and to bring them back."""
    tagged = {"StringEquals": {"aws:ResourceTag/hedgerow:deployment": place.deployment}}
    return document(
        allow("Look", ["ec2:DescribeVolumes", "ec2:DescribeSnapshots", "ec2:DescribeTags", "tag:GetResources"], "*"),
        allow("Copy", ["ec2:CreateSnapshot"], place.arn("ec2", "volume/*"), Condition=tagged),
        allow(
            "Keep",
            ["ec2:CreateSnapshot", "ec2:CreateTags", "ec2:DeleteSnapshot", "ec2:ModifySnapshotAttribute"],
            f"arn:{place.partition}:ec2:{place.region}::snapshot/*",
        ),
        allow(
            "Vault",
            ["backup:DescribeBackupVault", "backup:CopyIntoBackupVault"],
            place.arn("backup", f"backup-vault:hedgerow-{place.deployment}"),
        ),
        allow("Keys", ["kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"], list(keys)),
        allow("Grants", ["kms:CreateGrant"], list(keys), Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}}),
    )

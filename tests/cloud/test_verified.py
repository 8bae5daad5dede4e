"""What an install leaves in the account is what the account's checks ask for; what is broken by hand is named exactly.

The checks run as `verify` runs them: in a process of their own, over the proxy, with nothing of the target's code.
"""

from __future__ import annotations

import boto3

from hedgerow.catalog import catalog_of
from hedgerow.cloud_sheet import cloud_sheets
from hedgerow.targets.aws.target import AwsTarget
from hedgerow.verify import verify
from tests.cloud.account import actions, quiet, target

CATALOG = catalog_of("aws")
CONTROLS = {control.id for control in CATALOG.controls if control.role == "aws"}
WITHOUT_SNAPSHOT = "there is no snapshot of this deployment yet"
WITHOUT_USERS = "the account has no user of its own: nobody has a password there"
WITHOUT_BALANCER = "the declaration has no load balancer: TLS ends on the edge host"
NOTHING_TO_SEE = {
    # AWS Backup makes the first one in its first night: the emulator has no nights.
    "aws.snapshots-not-shared": WITHOUT_SNAPSHOT,
    "aws.snapshots-encrypted": WITHOUT_SNAPSHOT,
    "aws.passwords-long": WITHOUT_USERS,
    "aws.passwords-not-again": WITHOUT_USERS,
    "aws.balancer-tls": WITHOUT_BALANCER,
    "aws.balancer-not-in-clear": WITHOUT_BALANCER,
    "aws.balancer-protected": WITHOUT_BALANCER,
    "aws.balancer-shows-clients": WITHOUT_BALANCER,
    **dict.fromkeys(
        (
            *("aws.balancer-strict", "aws.balancer-logged", "aws.firewall-before-the-balancer"),
            *("aws.firewall-refuses", "aws.firewall-log-redacted"),
        ),
        "the declaration has no load balancer that reads requests",
    ),
}
"""What an account that has just been made cannot show, with what is said of it."""

DRIFT = {
    "security-group/host": ("in", "aws.ingress-as-declared"),
    "trail/main": ("logging", "aws.trail-logging"),
    "bucket/backup": ("public_access_block", "aws.buckets-block-policies"),
    "instance/analytics-1": ("metadata", "aws.metadata-token-only"),
    "key/data": ("rotation", "aws.keys-rotate"),
    "vault/main": ("least_days", "aws.vault-locked"),
}
"""What `drift` breaks: the resource, the field in which `plan` shows it, and the one control that it fails."""


def test_what_is_made_is_verified_broken_mended_and_taken_away(aws: str) -> None:
    made = target()
    made.provision(quiet)
    assert failing(made) == {}

    drift()
    planned = {f"{one.kind}/{one.name}": one.differs for one in target().plan() if one.action != "keep"}
    assert planned == {resource: (field,) for resource, (field, _) in DRIFT.items()}
    assert set(failing(made)) == {control for _, control in DRIFT.values()}

    target().provision(quiet)
    assert set(actions(target()).values()) == {"keep"}
    assert failing(made) == {}

    target().destroy(quiet)
    gone = failing(made, "aws.metadata-token-only", "aws.flow-logs-on", "aws.buckets-locked")
    # What is kept is still guarded, and what is gone is not taken for good.
    assert set(gone) == {"aws.metadata-token-only", "aws.flow-logs-on"}


def failing(made: AwsTarget, *controls: str) -> dict[str, str]:
    """Verify the account; return the controls that do not hold, but those that a new account cannot show."""
    (sheet,) = cloud_sheets(made.declaration, "192.0.2.1")
    found = {one.control: one for one in verify([sheet], catalog=CATALOG, controls=controls)}
    assert set(found) == (set(controls) or CONTROLS)
    unseen = {one.control: one.reason for one in found.values() if one.status == "not-exercised"}
    assert unseen == {name: why for name, why in NOTHING_TO_SEE.items() if name in found}
    return {
        name: f"{one.status}: {one.reason}"
        for name, one in found.items()
        if one.status not in ("pass", "not-exercised")
    }


def drift() -> None:
    """Break six things, each as a careless administrator would, with one call."""
    ec2, s3, kms = (boto3.client(name, region_name="us-east-1") for name in ("ec2", "s3", "kms"))
    mine = [{"Name": "tag:hedgerow:name", "Values": ["host"]}]
    group = ec2.describe_security_groups(Filters=mine)["SecurityGroups"][0]["GroupId"]
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "203.0.113.0/24"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[ssh])
    boto3.client("cloudtrail", region_name="us-east-1").stop_logging(Name="hedgerow-acme")
    bucket = next(one["Name"] for one in s3.list_buckets()["Buckets"] if "-backup-" in one["Name"])
    kept = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "RestrictPublicBuckets": True}
    block = {**kept, "BlockPublicPolicy": False}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    (machine,) = [one for row in ec2.describe_instances()["Reservations"] for one in row["Instances"]]
    # The emulator forgets what one call does not name.
    ec2.modify_instance_metadata_options(
        InstanceId=machine["InstanceId"], HttpTokens="optional", HttpPutResponseHopLimit=1
    )
    boto3.client("backup", region_name="us-east-1").delete_backup_vault_lock_configuration(
        BackupVaultName="hedgerow-acme"
    )
    kms.disable_key_rotation(KeyId=kms.describe_key(KeyId="alias/hedgerow/acme/data")["KeyMetadata"]["KeyId"])

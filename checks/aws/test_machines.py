"""The machines as AWS has them: how they were started, what their disks are, what they may do."""

from __future__ import annotations

from typing import Any

import pytest

from checks.aws.found import instances, judge, listed, machine_roles, ours, snapshots, statements, volumes
from checks.judging import is_empty, is_true
from hedgerow.checking import NotExercised

ADMINISTRATORS = ("AdministratorAccess", "PowerUserAccess", "IAMFullAccess")


@pytest.mark.control("aws.metadata-token-only")
def test_metadata_asks_for_a_token(aws, finding):
    finding.expect("HttpTokens required")
    judge(finding, _metadata(aws, "HttpTokens"), lambda said: said == "required", "machine")


@pytest.mark.control("aws.metadata-one-hop")
def test_metadata_reaches_no_container(aws, finding):
    """A container is one hop further than its host (Amazon EC2 User Guide, instance metadata options)."""
    finding.expect("HttpPutResponseHopLimit 1")
    judge(finding, _metadata(aws, "HttpPutResponseHopLimit"), lambda said: said == 1, "machine")


def _metadata(aws, option: str) -> dict[str, Any]:
    return {row["InstanceId"]: row.get("MetadataOptions", {}).get(option) for row in instances(aws)}


@pytest.mark.control("aws.volumes-encrypted")
def test_every_volume_is_encrypted(aws, finding):
    finding.expect("each volume encrypted")
    judge(finding, {row["VolumeId"]: row["Encrypted"] for row in volumes(aws)}, is_true, "volume")


@pytest.mark.control("aws.volumes-own-key")
def test_every_volume_is_under_our_key(aws, finding):
    finding.expect("each volume under a key of the deployment's")
    seen = {row["VolumeId"]: ours(aws, row.get("KmsKeyId")) for row in volumes(aws)}
    judge(finding, seen, is_true, "volume")


@pytest.mark.control("aws.new-volumes-encrypted")
def test_a_new_volume_is_encrypted_by_itself(aws, finding):
    finding.expect("encryption by default, in this region")
    seen = {aws.sheet.region: aws.ask("ec2.get_ebs_encryption_by_default")["EbsEncryptionByDefault"]}
    judge(finding, seen, is_true, "region")


@pytest.mark.control("aws.termination-protected")
def test_no_machine_can_be_ended_by_one_call(aws, finding):
    finding.expect("termination protection on")
    seen = {
        row["InstanceId"]: aws.ask(
            "ec2.describe_instance_attribute", InstanceId=row["InstanceId"], Attribute="disableApiTermination"
        )["DisableApiTermination"]["Value"]
        for row in instances(aws)
    }
    judge(finding, seen, is_true, "machine")


@pytest.mark.control("aws.no-key-pair")
def test_no_machine_was_started_with_a_shared_key(aws, finding):
    finding.expect("no key pair of the account's")
    judge(finding, {row["InstanceId"]: row.get("KeyName") for row in instances(aws)}, is_empty, "machine")


@pytest.mark.control("aws.image-of-its-publisher")
def test_every_machine_runs_its_publisher_s_image(aws, finding):
    """Anybody can publish an image that is named like Debian's; its owner is what cannot be chosen."""
    finding.expect(f"an image of {len(aws.sheet.image_owners)} declared publishers")
    used = {row["InstanceId"]: row["ImageId"] for row in instances(aws)}
    owners = {
        row["ImageId"]: row.get("OwnerId")
        for row in aws.every(
            "ec2.describe_images", "Images", ImageIds=sorted(set(used.values())), IncludeDeprecated=True
        )
    }
    seen = {name: owners.get(image) in aws.sheet.image_owners for name, image in used.items()}
    judge(finding, seen, is_true, "machine")


@pytest.mark.control("aws.machines-play-a-role")
def test_every_machine_has_a_role(aws, finding):
    """Without one somebody puts keys on its disk instead."""
    finding.expect("an instance profile on each machine")
    judge(finding, {row["InstanceId"]: "IamInstanceProfile" in row for row in instances(aws)}, is_true, "machine")


@pytest.mark.control("aws.role-without-wildcards")
def test_no_role_may_do_all_of_a_service(aws, finding):
    finding.expect("no statement of a machine's own policies allows `*` or `service:*`")
    seen = {}
    for role in machine_roles(aws):
        documents = [
            aws.ask("iam.get_role_policy", RoleName=role, PolicyName=name)["PolicyDocument"]
            for name in aws.every("iam.list_role_policies", "PolicyNames", RoleName=role)
        ]
        documents += [_document(aws, one["PolicyArn"]) for one in _attached(aws, role) if not _of_aws(one["PolicyArn"])]
        seen[role] = sorted({action for each in documents for action in _wild(each)})
    judge(finding, seen, is_empty, "role")


def _attached(aws, role: str) -> list[dict[str, str]]:
    return aws.every("iam.list_attached_role_policies", "AttachedPolicies", RoleName=role)


def _of_aws(arn: str) -> bool:
    return ":iam::aws:" in arn


def _document(aws, arn: str) -> Any:
    version = aws.ask("iam.get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return aws.ask("iam.get_policy_version", PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def _wild(document: Any) -> list[str]:
    allowed = [row for row in statements(document) if row["Effect"] == "Allow"]
    wild = [action for row in allowed for action in listed(row.get("Action")) if action == "*" or action.endswith(":*")]
    return wild + ["NotAction" for row in allowed if "NotAction" in row]


@pytest.mark.control("aws.role-no-administrator")
def test_no_machine_is_an_administrator(aws, finding):
    finding.expect("no policy of AWS's for administrators on a machine's role")
    seen = {
        role: [one["PolicyName"] for one in _attached(aws, role) if one["PolicyName"] in ADMINISTRATORS]
        for role in machine_roles(aws)
    }
    judge(finding, seen, is_empty, "role")


@pytest.mark.control("aws.snapshots-not-shared")
def test_no_snapshot_is_shared(aws, finding):
    finding.expect("no snapshot may be used by another account")
    rows = snapshots(aws)
    if not rows:
        raise NotExercised("there is no snapshot of this deployment yet")
    seen = {
        row["SnapshotId"]: [
            one.get("Group") or "another account"
            for one in aws.ask(
                "ec2.describe_snapshot_attribute", SnapshotId=row["SnapshotId"], Attribute="createVolumePermission"
            )["CreateVolumePermissions"]
        ]
        for row in rows
    }
    judge(finding, seen, is_empty, "snapshot")


@pytest.mark.control("aws.snapshots-encrypted")
def test_every_snapshot_is_encrypted(aws, finding):
    finding.expect("each snapshot encrypted")
    rows = snapshots(aws)
    if not rows:
        raise NotExercised("there is no snapshot of this deployment yet")
    judge(finding, {row["SnapshotId"]: row["Encrypted"] for row in rows}, is_true, "snapshot")


@pytest.mark.control("aws.snapshots-never-public")
def test_no_snapshot_can_be_made_public(aws, finding):
    finding.expect("block-all-sharing")
    state = aws.ask("ec2.get_snapshot_block_public_access_state")["State"]
    judge(finding, {aws.sheet.region: state}, lambda said: said == "block-all-sharing", "region")

"""Which IAM actions a call needs: its own, and those that AWS asks for along with it."""

from __future__ import annotations

from functools import cache

import botocore.session
from botocore import xform_name

PREFIXES = {"s3control": "s3", "elbv2": "elasticloadbalancing"}
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
    "elbv2.create_load_balancer": ("elasticloadbalancing:AddTags", "iam:CreateServiceLinkedRole"),
    "elbv2.create_target_group": ("elasticloadbalancing:AddTags",),
    "acm.request_certificate": ("acm:AddTagsToCertificate",),
    "wafv2.create_web_acl": ("wafv2:TagResource",),
    "wafv2.associate_web_acl": ("elasticloadbalancing:CreateWebACLAssociation", "elasticloadbalancing:SetWebAcl"),
    "wafv2.get_web_acl_for_resource": ("elasticloadbalancing:GetLoadBalancerWebACL",),
    "wafv2.put_logging_configuration": (
        "iam:CreateServiceLinkedRole", "logs:CreateLogDelivery", "logs:DeleteLogDelivery",
        "logs:DescribeResourcePolicies", "logs:PutResourcePolicy",
    ),
}  # fmt: skip
"""What AWS asks for beside the operation's own action (service authorization reference, dependent actions; KMS)."""


@cache
def _operations(service: str) -> dict[str, str]:
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}


def actions_of(call: str) -> tuple[str, ...]:
    """Return the IAM actions that one call needs."""
    service, _, operation = call.partition(".")
    own = ACTIONS.get(call) or (f"{PREFIXES.get(service, service)}:{_operations(service)[operation]}",)
    return (*own, *ALONG.get(call, ()))

"""AWS, for looking only: every question that a check may ask, and the permission that it needs.

A question that is not listed is not asked, whatever the credentials would allow; the list is also the policy that
read-only credentials need.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hedgerow.checking import CouldNotAsk, Finder
from hedgerow.cloud_reading import Answers, lacking
from hedgerow.cloud_sheet import CloudSheet

TAG = "hedgerow:deployment"
ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")
REFUSED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")

READS: Mapping[str, str] = {
    "backup.describe_backup_vault": "backup:DescribeBackupVault",
    "backup.get_backup_plan": "backup:GetBackupPlan",
    "backup.get_backup_selection": "backup:GetBackupSelection",
    "backup.list_backup_plans": "backup:ListBackupPlans",
    "backup.list_backup_selections": "backup:ListBackupSelections",
    "backup.list_tags": "backup:ListTags",
    "cloudtrail.describe_trails": "cloudtrail:DescribeTrails",
    "cloudtrail.get_event_selectors": "cloudtrail:GetEventSelectors",
    "cloudtrail.get_trail_status": "cloudtrail:GetTrailStatus",
    "cloudtrail.list_tags": "cloudtrail:ListTags",
    "cloudwatch.describe_alarms": "cloudwatch:DescribeAlarms",
    "config.describe_configuration_recorder_status": "config:DescribeConfigurationRecorderStatus",
    "config.describe_configuration_recorders": "config:DescribeConfigurationRecorders",
    "config.describe_delivery_channels": "config:DescribeDeliveryChannels",
    "ec2.describe_flow_logs": "ec2:DescribeFlowLogs",
    "ec2.describe_images": "ec2:DescribeImages",
    "ec2.describe_instance_attribute": "ec2:DescribeInstanceAttribute",
    "ec2.describe_instances": "ec2:DescribeInstances",
    "ec2.describe_network_acls": "ec2:DescribeNetworkAcls",
    "ec2.describe_route_tables": "ec2:DescribeRouteTables",
    "ec2.describe_security_groups": "ec2:DescribeSecurityGroups",
    "ec2.describe_snapshot_attribute": "ec2:DescribeSnapshotAttribute",
    "ec2.describe_snapshots": "ec2:DescribeSnapshots",
    "ec2.describe_subnets": "ec2:DescribeSubnets",
    "ec2.describe_volumes": "ec2:DescribeVolumes",
    "ec2.describe_vpc_endpoints": "ec2:DescribeVpcEndpoints",
    "ec2.describe_vpcs": "ec2:DescribeVpcs",
    "ec2.describe_vpc_peering_connections": "ec2:DescribeVpcPeeringConnections",
    "ec2.get_ebs_encryption_by_default": "ec2:GetEbsEncryptionByDefault",
    "ec2.get_snapshot_block_public_access_state": "ec2:GetSnapshotBlockPublicAccessState",
    "elbv2.describe_listeners": "elasticloadbalancing:DescribeListeners",
    "elbv2.describe_load_balancer_attributes": "elasticloadbalancing:DescribeLoadBalancerAttributes",
    "elbv2.describe_load_balancers": "elasticloadbalancing:DescribeLoadBalancers",
    "elbv2.describe_target_group_attributes": "elasticloadbalancing:DescribeTargetGroupAttributes",
    "elbv2.describe_target_groups": "elasticloadbalancing:DescribeTargetGroups",
    "guardduty.get_detector": "guardduty:GetDetector",
    "guardduty.list_detectors": "guardduty:ListDetectors",
    "iam.get_account_password_policy": "iam:GetAccountPasswordPolicy",
    "iam.get_account_summary": "iam:GetAccountSummary",
    "iam.get_instance_profile": "iam:GetInstanceProfile",
    "iam.get_policy": "iam:GetPolicy",
    "iam.get_policy_version": "iam:GetPolicyVersion",
    "iam.get_role_policy": "iam:GetRolePolicy",
    "iam.list_attached_role_policies": "iam:ListAttachedRolePolicies",
    "iam.list_role_policies": "iam:ListRolePolicies",
    "kms.describe_key": "kms:DescribeKey",
    "kms.get_key_policy": "kms:GetKeyPolicy",
    "kms.get_key_rotation_status": "kms:GetKeyRotationStatus",
    "logs.describe_log_groups": "logs:DescribeLogGroups",
    "logs.describe_metric_filters": "logs:DescribeMetricFilters",
    "resourcegroupstaggingapi.get_resources": "tag:GetResources",
    "s3.get_bucket_encryption": "s3:GetEncryptionConfiguration",
    "s3.get_bucket_lifecycle_configuration": "s3:GetLifecycleConfiguration",
    "s3.get_bucket_logging": "s3:GetBucketLogging",
    "s3.get_bucket_ownership_controls": "s3:GetBucketOwnershipControls",
    "s3.get_bucket_policy": "s3:GetBucketPolicy",
    "s3.get_bucket_versioning": "s3:GetBucketVersioning",
    "s3.get_object_lock_configuration": "s3:GetBucketObjectLockConfiguration",
    "s3.get_public_access_block": "s3:GetBucketPublicAccessBlock",
    "s3control.get_public_access_block": "s3:GetAccountPublicAccessBlock",
    "sns.get_topic_attributes": "sns:GetTopicAttributes",
    "sns.list_subscriptions_by_topic": "sns:ListSubscriptionsByTopic",
    "sts.get_caller_identity": "sts:GetCallerIdentity",
    "wafv2.get_logging_configuration": "wafv2:GetLoggingConfiguration",
    "wafv2.get_web_acl_for_resource": "wafv2:GetWebACLForResource",
}
"""Each question with its permission, as AWS's service authorization reference names it."""

ALONG = ("elasticloadbalancing:GetLoadBalancerWebACL", "wafv2:GetWebACL")
"""What AWS asks for beside that of wafv2.get_web_acl_for_resource."""


def policy() -> dict[str, Any]:
    """Return the IAM policy of credentials that can answer every check and do nothing else."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "HedgerowVerify", "Effect": "Allow", "Action": sorted({*READS.values(), *ALONG}), "Resource": "*"}
        ],
    }


def masked(text: str) -> str:
    """Return the text without account ids, which no report carries outside."""
    return ACCOUNT.sub("ACCOUNT", text)


class Reader:
    """The account through one session; what was asked before in this run is not asked again."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._clients: dict[str, Any] = {}
        self._answers = Answers((ClientError, BotoCoreError))

    @staticmethod
    def of(sheet: CloudSheet) -> Reader:
        """Return a reader with the credentials that the environment gives, as for the AWS CLI."""
        return Reader(boto3.session.Session(region_name=sheet.region))

    def once(self, question: str, make: Callable[[], Any]) -> Any:
        """Return the answer, asking when this run has none: an error is an answer too."""
        return self._answers.once(question, make)

    def client(self, service: str) -> Any:
        """Return the client of one service."""
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service, config=Config(user_agent_extra="hedgerow-verify", connect_timeout=10, read_timeout=30)
            )
        return self._clients[service]


class Asker:
    """What a check asks AWS through: `ask` for one answer, `every` for a list however many pages it has."""

    def __init__(self, reader: Reader, finder: Finder, sheet: CloudSheet) -> None:
        self._reader = reader
        self._finder = finder
        self.sheet = sheet

    @property
    def tagged(self) -> list[dict[str, Any]]:
        """EC2's filter for what is this deployment's."""
        return [{"Name": f"tag:{TAG}", "Values": [self.sheet.deployment]}]

    @property
    def account(self) -> str:
        """The account's id: for calls, never for a finding."""
        return str(self.ask("sts.get_caller_identity")["Account"])

    def ask(self, name: str, /, *absent: str, **arguments: Any) -> dict[str, Any]:
        """Return the answer to one question, {} where AWS answers with one of the codes `absent`.

        Raises CouldNotAsk, which names the permission that is missing if one is.
        """
        service, _, operation = name.partition(".")
        answer: dict[str, Any] = self._ask(
            name, absent, arguments, lambda: getattr(self._reader.client(service), operation)(**arguments), {}
        )
        return answer

    def every(self, name: str, key: str, /, *absent: str, **arguments: Any) -> list[Any]:
        """Return every item of a list, all pages read. Raises CouldNotAsk."""
        service, _, operation = name.partition(".")

        def pages() -> list[Any]:
            client = self._reader.client(service)
            if not client.can_paginate(operation):
                return list(getattr(client, operation)(**arguments)[key])
            return [row for page in client.get_paginator(operation).paginate(**arguments) for row in page.get(key, [])]

        rows: list[Any] = self._ask(name, absent, {**arguments, "": "all pages"}, pages, [])
        return rows

    def _ask(
        self, name: str, absent: Collection[str], arguments: dict[str, Any], make: Callable[[], Any], none: Any
    ) -> Any:
        if name not in READS:
            raise CouldNotAsk(f"{name} is not among the questions that a check may ask")
        about = json.dumps(arguments, sort_keys=True)
        service, _, operation = name.partition(".")
        said = ", ".join(
            str(arguments[word]) for word in sorted(arguments) if word and isinstance(arguments[word], str)
        )
        words = "".join(part.title() for part in operation.split("_"))
        self._finder.asked(masked(f"{service}:{words} {said or 'in ' + self.sheet.region}"))
        try:
            return self._reader.once(f"{name} {about}", make)
        except ClientError as error:
            code = str(error.response["Error"].get("Code", ""))
            if code in absent:
                return none
            if code in REFUSED:
                raise lacking(READS[name]) from error
            raise CouldNotAsk(masked(f"{name}: {error}")) from error
        except BotoCoreError as error:
            raise CouldNotAsk(masked(f"{name}: {error}")) from error

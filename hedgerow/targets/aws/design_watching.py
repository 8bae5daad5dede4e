"""The resources that watch, as they are wanted. Pure."""

from __future__ import annotations

from hedgerow.targets.aws import documents
from hedgerow.targets.aws.documents import Place
from hedgerow.targets.aws.wanted import RECORD, RETENTION_DAYS, Wanted, bucket_name, log_group, role_arn
from hedgerow.targets.cloud.graph import Ref, Resource

WATCHED = {
    "root-use": '{ $.userIdentity.type = "Root" && $.userIdentity.invokedBy NOT EXISTS'
    ' && $.eventType != "AwsServiceEvent" }',
    "refused-calls": '{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }',
    "failed-sign-in": '{ ($.eventName = ConsoleLogin) && ($.errorMessage = "Failed authentication") }',
    "sign-in-without-mfa": '{ ($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes") }',
    "policy-changes": "{ ($.eventName = PutRolePolicy) || ($.eventName = AttachRolePolicy)"
    " || ($.eventName = PutUserPolicy) || ($.eventName = AttachUserPolicy) || ($.eventName = CreatePolicyVersion) }",
    "network-changes": "{ ($.eventName = AuthorizeSecurityGroup*) || ($.eventName = RevokeSecurityGroup*)"
    " || ($.eventName = CreateNetworkAcl*) || ($.eventName = DeleteNetworkAcl*) || ($.eventName = ReplaceNetworkAcl*)"
    " || ($.eventName = CreateRoute) || ($.eventName = DeleteRoute*) || ($.eventName = ReplaceRoute*)"
    " || ($.eventName = AttachInternetGateway) || ($.eventName = CreateVpc*) || ($.eventName = DeleteVpc*) }",
    "key-changes": "{ ($.eventSource = kms.amazonaws.com) && (($.eventName = DisableKey)"
    " || ($.eventName = ScheduleKeyDeletion) || ($.eventName = PutKeyPolicy)) }",
    "trail-changes": "{ ($.eventName = StopLogging) || ($.eventName = DeleteTrail) || ($.eventName = UpdateTrail)"
    " || ($.eventName = PutEventSelectors) }",
    "bucket-policy-changes": "{ ($.eventSource = s3.amazonaws.com) && (($.eventName = PutBucketPolicy)"
    " || ($.eventName = DeleteBucketPolicy) || ($.eventName = PutBucketAcl) || ($.eventName = PutBucketLifecycle)) }",
    "config-changes": "{ ($.eventSource = config.amazonaws.com) && (($.eventName = StopConfigurationRecorder)"
    " || ($.eventName = DeleteDeliveryChannel) || ($.eventName = PutConfigurationRecorder)) }",
}
"""What an alarm goes off for, by the patterns of the CIS AWS Foundations Benchmark, section 4 (monitoring)."""


def logs(wanted: Wanted, place: Place) -> list[Resource]:
    key = Ref("key/records", "arn")
    groups = [
        Resource(
            "log-group",
            name,
            {"key": key, "days": RETENTION_DAYS},
            needs=("key/records",),
            given={"group": log_group(place, name)},
            kept=RECORD,
        )
        for name in ("flow", "trail", "host")
    ]
    buckets = [f"arn:{place.partition}:s3:::{bucket_name(place, name)}/" for name in ("access", "backup", "logs")]
    return [
        *groups,
        Resource(
            "flow-log",
            "main",
            {
                "vpc": Ref("vpc/main"),
                "traffic": "ALL",
                "group": log_group(place, "flow"),
                "role": role_arn(place, "flow"),
            },
            needs=("vpc/main", "log-group/flow", "role/flow"),
            fixed=frozenset({"vpc", "traffic", "group", "role"}),
        ),
        Resource(
            "trail",
            "main",
            {
                "bucket": bucket_name(place, "logs"),
                "multi_region": True,
                "validated": True,
                "key": key,
                "group": place.arn("logs", f"log-group:{log_group(place, 'trail')}:*"),
                "role": role_arn(place, "trail"),
                "logging": True,
                "data_events": sorted(buckets),
            },
            needs=("bucket/logs", "bucket/access", "bucket/backup", "key/records", "log-group/trail", "role/trail"),
        ),
        Resource("detector", "main", {"enabled": True}),
        Resource(
            "recorder",
            "main",
            {
                "role": role_arn(place, "config"),
                "everything": True,
                "bucket": bucket_name(place, "access"),
                "recording": True,
            },
            needs=("role/config", "bucket/access"),
        ),
    ]


def alarms(wanted: Wanted, place: Place) -> list[Resource]:
    arn = place.arn("sns", f"hedgerow-{place.deployment}-alarms")
    found = [
        Resource(
            "topic",
            "alarms",
            {
                "key": Ref("key/records", "arn"),
                "policy": documents.topic(place, arn),
                "emails": sorted(wanted.target.alerts_to),
            },
            needs=("key/records",),
        )
    ]
    for name, pattern in WATCHED.items():
        given = {"group": log_group(place, "trail")}
        metric = {"pattern": pattern, "metric": name}
        found.append(Resource("metric-filter", name, metric, needs=("log-group/trail",), given=given))
        alarm = {"metric": name, "topics": [arn], "enabled": True}
        found.append(Resource("alarm", name, alarm, needs=("topic/alarms", f"metric-filter/{name}")))
    return found

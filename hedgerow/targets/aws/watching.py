"""What watches: log groups, flow logs, the trail, alarms, GuardDuty, Config."""

from __future__ import annotations

from typing import Any

from hedgerow.targets.aws.kind import Kind, not_ours, pairs
from hedgerow.targets.cloud.graph import Found, Resource

GONE = "ResourceNotFoundException"


class LogGroup(Kind):
    """A log group: encrypted, and kept for as long as the law says."""

    def find(self, resource: Resource) -> Found | None:
        name = str((resource.given or {})["group"])
        for row in self.aws.call("logs.describe_log_groups", logGroupNamePrefix=name)["logGroups"]:
            if row["logGroupName"] == name:
                arn = self.aws.arn("logs", f"log-group:{name}")
                said = self.aws.call("logs.list_tags_for_resource", resourceArn=arn)
                self.ours(f"a log group {name}", pairs(said["tags"]))
                fields = {"key": row.get("kmsKeyId"), "days": row.get("retentionInDays")}
                return Found(name, fields, {"arn": arn})
        return None

    def make(self, resource: Resource) -> None:
        self.aws.ask(
            "logs.create_log_group",
            "ResourceAlreadyExistsException",
            logGroupName=str((resource.given or {})["group"]),
            kmsKeyId=resource.wanted["key"],
            tags={tag["Key"]: tag["Value"] for tag in self.aws.tags(resource.name)},
        )

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        if "key" in fields:
            self.aws.call("logs.associate_kms_key", logGroupName=found.id, kmsKeyId=resource.wanted["key"])
        if "days" in fields:
            self.aws.call("logs.put_retention_policy", logGroupName=found.id, retentionInDays=resource.wanted["days"])

    def remove(self, resource: Resource, found: Found) -> None:
        raise NotImplementedError("log groups are kept: they are records")


class FlowLog(Kind):
    """What passed the VPC's border, accepted and rejected."""

    def find(self, resource: Resource) -> Found | None:
        for row in self.aws.call("ec2.describe_flow_logs", Filters=self.aws.filters(resource.name))["FlowLogs"]:
            fields = {
                "vpc": row["ResourceId"],
                "traffic": row["TrafficType"],
                "group": row.get("LogGroupName"),
                "role": row.get("DeliverLogsPermissionArn"),
            }
            return Found(row["FlowLogId"], fields, {})
        return None

    def make(self, resource: Resource) -> None:
        wanted = resource.wanted
        made = self.aws.ask(
            "ec2.create_flow_logs",
            "FlowLogAlreadyExists",
            ResourceIds=[wanted["vpc"]],
            ResourceType="VPC",
            TrafficType=wanted["traffic"],
            LogDestinationType="cloud-watch-logs",
            LogGroupName=wanted["group"],
            DeliverLogsPermissionArn=wanted["role"],
            ClientToken=f"{wanted['vpc']}-flow",
            TagSpecifications=self.spec("vpc-flow-log", resource.name),
        )
        if made is None and self.find(resource) is None:
            raise not_ours(f"a flow log of {wanted['vpc']} to {wanted['group']}", self.aws.deployment)

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        raise NotImplementedError("every field of a flow log is fixed")

    def remove(self, resource: Resource, found: Found) -> None:
        self.aws.ask("ec2.delete_flow_logs", "InvalidFlowLogId.NotFound", FlowLogIds=[found.id])


class Trail(Kind):
    """Who did what in the account. A multi-region trail of somebody else that logs and is validated is used."""

    def find(self, resource: Resource) -> Found | None:
        name = f"hedgerow-{self.aws.deployment}"
        trails = self.aws.call("cloudtrail.describe_trails", includeShadowTrails=True)["trailList"]
        ours = [row for row in trails if row["Name"] == name]
        if ours:
            return self._seen(ours[0])
        for row in trails:
            if row.get("IsMultiRegionTrail") and row.get("LogFileValidationEnabled") and self._logs(row["TrailARN"]):
                return Found(row["TrailARN"], {}, {}, adopted=True)
        return None

    def _seen(self, row: dict[str, Any]) -> Found:
        tagged = self.aws.call("cloudtrail.list_tags", ResourceIdList=[row["TrailARN"]])["ResourceTagList"]
        self.ours(f"a trail {row['Name']}", [tag for one in tagged for tag in one["TagsList"]])
        said = self.aws.call("cloudtrail.get_event_selectors", TrailName=row["TrailARN"])
        fields = {
            "bucket": row["S3BucketName"],
            "multi_region": row.get("IsMultiRegionTrail", False),
            "validated": row.get("LogFileValidationEnabled", False),
            "key": row.get("KmsKeyId"),
            "group": row.get("CloudWatchLogsLogGroupArn"),
            "role": row.get("CloudWatchLogsRoleArn"),
            "logging": self._logs(row["TrailARN"]),
            "data_events": sorted(
                value
                for one in said.get("EventSelectors", [])
                for data in one.get("DataResources", [])
                if one.get("ReadWriteType") == "All"
                for value in data["Values"]
            ),
        }
        return Found(row["TrailARN"], fields, {})

    def make(self, resource: Resource) -> None:
        self.aws.call(
            "cloudtrail.create_trail",
            Name=f"hedgerow-{self.aws.deployment}",
            TagsList=self.aws.tags(resource.name),
            **self._settings(resource),
        )

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        if fields - {"logging", "data_events"}:
            self.aws.call("cloudtrail.update_trail", Name=found.id, **self._settings(resource))
        if "data_events" in fields:
            data = {"Type": "AWS::S3::Object", "Values": resource.wanted["data_events"]}
            selector = {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [data]}
            self.aws.call("cloudtrail.put_event_selectors", TrailName=found.id, EventSelectors=[selector])
        if "logging" in fields:
            self.aws.call("cloudtrail.start_logging", Name=found.id)

    def remove(self, resource: Resource, found: Found) -> None:
        self.aws.ask("cloudtrail.delete_trail", "TrailNotFoundException", Name=found.id)

    def _settings(self, resource: Resource) -> dict[str, Any]:
        wanted = resource.wanted
        return {
            "S3BucketName": wanted["bucket"],
            "IsMultiRegionTrail": True,
            "IncludeGlobalServiceEvents": True,
            "EnableLogFileValidation": True,
            "KmsKeyId": wanted["key"],
            "CloudWatchLogsLogGroupArn": wanted["group"],
            "CloudWatchLogsRoleArn": wanted["role"],
        }

    def _logs(self, arn: str) -> bool:
        return bool(self.aws.call("cloudtrail.get_trail_status", Name=arn)["IsLogging"])


class Detector(Kind):
    """GuardDuty. A region has one at most; one that is there already is used."""

    def find(self, resource: Resource) -> Found | None:
        for detector in self.aws.call("guardduty.list_detectors")["DetectorIds"]:
            said = self.aws.call("guardduty.get_detector", DetectorId=detector)
            ours = said.get("Tags", {}).get("hedgerow:deployment") == self.aws.deployment
            if ours or said["Status"] == "ENABLED":
                return Found(detector, {"enabled": said["Status"] == "ENABLED"}, {}, adopted=not ours)
        return None

    def make(self, resource: Resource) -> None:
        self.aws.call(
            "guardduty.create_detector",
            Enable=True,
            FindingPublishingFrequency="FIFTEEN_MINUTES",
            ClientToken=f"hedgerow-{self.aws.deployment}-{self.aws.region}",
            Tags={tag["Key"]: tag["Value"] for tag in self.aws.tags(resource.name)},
        )

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        self.aws.call("guardduty.update_detector", DetectorId=found.id, Enable=True)

    def remove(self, resource: Resource, found: Found) -> None:
        self.aws.call("guardduty.delete_detector", DetectorId=found.id)


class Recorder(Kind):
    """AWS Config. A region has one recorder at most; one that is there already is used."""

    def find(self, resource: Resource) -> Found | None:
        name = f"hedgerow-{self.aws.deployment}"
        recorders = self.aws.call("config.describe_configuration_recorders")["ConfigurationRecorders"]
        for row in recorders:
            if row["name"] != name:
                return Found(row["name"], {}, {}, adopted=True)
            channels = self.aws.call("config.describe_delivery_channels")["DeliveryChannels"]
            status = self.aws.call("config.describe_configuration_recorder_status")["ConfigurationRecordersStatus"]
            group = row.get("recordingGroup", {})
            fields = {
                "role": row["roleARN"],
                "everything": bool(group.get("allSupported") and group.get("includeGlobalResourceTypes")),
                "bucket": channels[0]["s3BucketName"] if channels else None,
                "recording": any(one["recording"] for one in status if one["name"] == name),
            }
            return Found(name, fields, {})
        return None

    def make(self, resource: Resource) -> None:
        self._put(resource)

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        if fields & {"role", "everything"}:
            self._put(resource)
        if "bucket" in fields:
            channel = {"name": found.id, "s3BucketName": resource.wanted["bucket"], "s3KeyPrefix": "config"}
            self.aws.call("config.put_delivery_channel", DeliveryChannel=channel)
        if "recording" in fields:
            self.aws.call("config.start_configuration_recorder", ConfigurationRecorderName=found.id)

    def remove(self, resource: Resource, found: Found) -> None:
        self.aws.ask(
            "config.stop_configuration_recorder",
            "NoSuchConfigurationRecorderException",
            ConfigurationRecorderName=found.id,
        )
        self.aws.ask("config.delete_delivery_channel", "NoSuchDeliveryChannelException", DeliveryChannelName=found.id)
        self.aws.ask(
            "config.delete_configuration_recorder",
            "NoSuchConfigurationRecorderException",
            ConfigurationRecorderName=found.id,
        )

    def _put(self, resource: Resource) -> None:
        self.aws.call(
            "config.put_configuration_recorder",
            ConfigurationRecorder={
                "name": f"hedgerow-{self.aws.deployment}",
                "roleARN": resource.wanted["role"],
                "recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": True},
            },
        )

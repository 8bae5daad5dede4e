"""What goes off: filters of the trail, alarms, and the topic that tells of them."""

from __future__ import annotations

import json

from hedgerow.targets.aws.kind import Kind
from hedgerow.targets.cloud.graph import Found, Resource

GONE = "ResourceNotFoundException"


class MetricFilter(Kind):
    """Counts what a pattern finds in a log group."""

    def find(self, resource: Resource) -> Found | None:
        group = str((resource.given or {})["group"])
        said = self.aws.ask("logs.describe_metric_filters", GONE, logGroupName=group, filterNamePrefix=resource.name)
        for row in (said or {"metricFilters": []})["metricFilters"]:
            if row["filterName"] == resource.name:
                fields = {"pattern": row["filterPattern"], "metric": row["metricTransformations"][0]["metricName"]}
                return Found(resource.name, fields, {})
        return None

    def make(self, resource: Resource) -> None:
        self._put(resource)

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        self._put(resource)

    def remove(self, resource: Resource, found: Found) -> None:
        group = str((resource.given or {})["group"])
        self.aws.ask("logs.delete_metric_filter", GONE, logGroupName=group, filterName=resource.name)

    def _put(self, resource: Resource) -> None:
        self.aws.call(
            "logs.put_metric_filter",
            logGroupName=str((resource.given or {})["group"]),
            filterName=resource.name,
            filterPattern=resource.wanted["pattern"],
            metricTransformations=[
                {
                    "metricName": resource.wanted["metric"],
                    "metricNamespace": f"Hedgerow/{self.aws.deployment}",
                    "metricValue": "1",
                    "defaultValue": 0,
                }
            ],
        )


class Alarm(Kind):
    """Tells the topic when a metric filter has counted anything within five minutes."""

    def find(self, resource: Resource) -> Found | None:
        name = f"hedgerow-{self.aws.deployment}-{resource.name}"
        for row in self.aws.call("cloudwatch.describe_alarms", AlarmNames=[name])["MetricAlarms"]:
            said = self.aws.call("cloudwatch.list_tags_for_resource", ResourceARN=row["AlarmArn"])
            self.ours(f"an alarm {name}", said["Tags"])
            fields = {"metric": row["MetricName"], "topics": row["AlarmActions"], "enabled": row["ActionsEnabled"]}
            return Found(name, fields, {})
        return None

    def make(self, resource: Resource) -> None:
        self._put(resource)

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        self._put(resource)

    def remove(self, resource: Resource, found: Found) -> None:
        self.aws.ask("cloudwatch.delete_alarms", "ResourceNotFound", AlarmNames=[found.id])

    def _put(self, resource: Resource) -> None:
        self.aws.call(
            "cloudwatch.put_metric_alarm",
            AlarmName=f"hedgerow-{self.aws.deployment}-{resource.name}",
            MetricName=resource.wanted["metric"],
            Namespace=f"Hedgerow/{self.aws.deployment}",
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
            ActionsEnabled=True,
            AlarmActions=resource.wanted["topics"],
            Tags=self.aws.tags(resource.name),
        )


class Topic(Kind):
    """Whom an alarm tells: encrypted, written to by CloudWatch alone."""

    def find(self, resource: Resource) -> Found | None:
        arn = self.aws.arn("sns", f"hedgerow-{self.aws.deployment}-{resource.name}")
        said = self.aws.ask("sns.get_topic_attributes", "NotFound", "NotFoundException", TopicArn=arn)
        if said is None:
            return None
        self.ours(f"a topic {resource.name}", self.aws.call("sns.list_tags_for_resource", ResourceArn=arn)["Tags"])
        subscribed = self.aws.call("sns.list_subscriptions_by_topic", TopicArn=arn)["Subscriptions"]
        fields = {
            "key": said["Attributes"].get("KmsMasterKeyId"),
            "policy": json.loads(said["Attributes"]["Policy"]),
            "emails": sorted(one["Endpoint"] for one in subscribed if one["Protocol"] == "email"),
        }
        return Found(arn, fields, {})

    def make(self, resource: Resource) -> None:
        self.aws.call(
            "sns.create_topic",
            Name=f"hedgerow-{self.aws.deployment}-{resource.name}",
            Attributes={"KmsMasterKeyId": resource.wanted["key"]},
            Tags=self.aws.tags(resource.name),
        )

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        for field, name in (("key", "KmsMasterKeyId"), ("policy", "Policy")):
            if field in fields:
                wanted = resource.wanted[field]
                value = wanted if field == "key" else json.dumps(wanted)
                self.aws.call("sns.set_topic_attributes", TopicArn=found.id, AttributeName=name, AttributeValue=value)
        for address in sorted(set(resource.wanted["emails"]) - set(found.fields["emails"])):
            self.aws.call("sns.subscribe", TopicArn=found.id, Protocol="email", Endpoint=address)

    def remove(self, resource: Resource, found: Found) -> None:
        self.aws.call("sns.delete_topic", TopicArn=found.id)

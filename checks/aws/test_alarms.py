"""The alarms: who changes what protects us is told of, and somebody hears it."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase as fnmatch
from typing import Any

import pytest

from checks.aws.found import group_of, judge, open_to_everybody, trails
from checks.judging import is_empty, is_true

WATCHED = {
    "root": ("userIdentity.type", "Root"),
    "refusals": ("AccessDenied", "UnauthorizedOperation"),
    "sign-in": ("ConsoleLogin", "Failed"),
    "network": (
        "AuthorizeSecurityGroupIngress",
        "CreateNetworkAclEntry",
        "CreateRoute",
        "AttachInternetGateway",
    ),
    "keys": ("DisableKey", "ScheduleKeyDeletion"),
    "trail": ("StopLogging", "DeleteTrail", "UpdateTrail"),
}
"""The words that the pattern of a filter must name, after the CIS AWS Foundations Benchmark, on monitoring."""


def _alarms(aws) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The alarms by the metric that they watch."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in aws.every("cloudwatch.describe_alarms", "MetricAlarms"):
        found.setdefault((row.get("Namespace", ""), row.get("MetricName", "")), []).append(row)
    return found


def _filters(aws) -> list[dict[str, Any]]:
    """The metric filters over what the trail writes."""
    groups = {group_of(row["CloudWatchLogsLogGroupArn"]) for row in trails(aws) if row.get("CloudWatchLogsLogGroupArn")}
    return [
        row
        for group in sorted(groups)
        for row in aws.every(
            "logs.describe_metric_filters", "metricFilters", "ResourceNotFoundException", logGroupName=group
        )
    ]


def _loud(aws, one: dict[str, Any]) -> list[dict[str, Any]]:
    """The alarms that a filter's first match raises, and that tell a topic."""
    alarms = _alarms(aws)
    return [
        row
        for change in one["metricTransformations"]
        for row in alarms.get((change["metricNamespace"], change["metricName"]), [])
        if row["ActionsEnabled"] and _topics(row) and row.get("Threshold", 2) <= 1
    ]


def _topics(alarm: dict[str, Any]) -> list[str]:
    return [action for action in alarm["AlarmActions"] if ":sns:" in action]


def _names(pattern: str, words: tuple[str, ...]) -> bool:
    """Tell whether a filter's pattern names every word, itself or by a star."""
    said = re.findall(r"[\w.*]+", pattern)
    return all(any(fnmatch(word, one.lstrip(".")) for one in said) for word in words)


def _heard(aws, finding, what: str) -> None:
    words = WATCHED[what]
    finding.expect(f"an alarm that tells a topic, on a filter of the trail that names {', '.join(words)}")
    seen = {
        row["filterName"]: [alarm["AlarmName"] for alarm in _loud(aws, row)]
        for row in _filters(aws)
        if _names(row["filterPattern"], words)
    }
    judge(finding, seen, bool, "filter")


@pytest.mark.control("aws.alarm-root")
def test_the_root_account_s_use_is_heard(aws, finding):
    _heard(aws, finding, "root")


@pytest.mark.control("aws.alarm-refusals")
def test_refused_calls_are_heard(aws, finding):
    _heard(aws, finding, "refusals")


@pytest.mark.control("aws.alarm-sign-in")
def test_a_failed_sign_in_is_heard(aws, finding):
    _heard(aws, finding, "sign-in")


@pytest.mark.control("aws.alarm-network")
def test_a_changed_network_is_heard(aws, finding):
    _heard(aws, finding, "network")


@pytest.mark.control("aws.alarm-keys")
def test_a_key_s_end_is_heard(aws, finding):
    _heard(aws, finding, "keys")


@pytest.mark.control("aws.alarm-trail")
def test_a_stopped_trail_is_heard(aws, finding):
    _heard(aws, finding, "trail")


def _told(aws) -> list[str]:
    """The topics that the alarms on the trail tell."""
    return sorted({topic for row in _filters(aws) for alarm in _loud(aws, row) for topic in _topics(alarm)})


def _attributes(aws, topic: str) -> dict[str, Any]:
    attributes: dict[str, Any] = aws.ask("sns.get_topic_attributes", TopicArn=topic)["Attributes"]
    return attributes


@pytest.mark.control("aws.topic-encrypted")
def test_what_an_alarm_says_is_encrypted(aws, finding):
    finding.expect("a KMS key on each topic")
    seen = {topic: bool(_attributes(aws, topic).get("KmsMasterKeyId")) for topic in _told(aws)}
    judge(finding, seen, is_true, "topic")


@pytest.mark.control("aws.topic-closed")
def test_nobody_else_speaks_through_the_topic(aws, finding):
    finding.expect("no statement allows everybody without a condition")
    seen = {topic: open_to_everybody(_attributes(aws, topic).get("Policy")) for topic in _told(aws)}
    judge(finding, seen, is_empty, "topic")


@pytest.mark.control("aws.topic-heard")
def test_somebody_hears_the_topic(aws, finding):
    """A subscription that nobody has confirmed has no ARN but the word PendingConfirmation."""
    finding.expect("a confirmed subscription of each topic")
    seen = {
        topic: any(
            one["SubscriptionArn"].startswith("arn:")
            for one in aws.every("sns.list_subscriptions_by_topic", "Subscriptions", TopicArn=topic)
        )
        for topic in _told(aws)
    }
    judge(finding, seen, is_true, "topic")

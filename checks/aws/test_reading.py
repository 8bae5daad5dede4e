"""A load balancer that reads requests, where one is declared: how strict it is, who judges them, and its records."""

from __future__ import annotations

from typing import Any

import pytest

from checks.aws.found import balancers, buckets, judge
from checks.judging import is_empty
from hedgerow.checking import NotExercised

STRICT = {
    "routing.http.drop_invalid_header_fields.enabled": "true",
    "routing.http.desync_mitigation_mode": "strictest",
}
LOGGED, BUCKET = "access_logs.s3.enabled", "access_logs.s3.bucket"
COUNTING = "Count"
NAMING = {"QueryString": "the query string", "authorization": "authorization", "cookie": "cookie"}
"""What of a request may say who somebody is, or lets its holder in: left out of AWS WAF's log."""
NO_LOG = "WAFNonexistentItemException"


def _readers(aws, finding) -> dict[str, str]:
    """The ARN of each load balancer in the deployment's networks that reads requests, by its name."""
    if not aws.sheet.reads:
        finding.asked("the declaration")
        raise NotExercised("the declaration has no load balancer that reads requests")
    return {name: row["LoadBalancerArn"] for name, row in balancers(aws).items() if row["Type"] == "application"}


def _attributes(aws, finding) -> dict[str, dict[str, str]]:
    return {
        name: {one["Key"]: one["Value"] for one in said["Attributes"]}
        for name, arn in _readers(aws, finding).items()
        for said in [aws.ask("elbv2.describe_load_balancer_attributes", LoadBalancerArn=arn)]
    }


def _judges(aws, finding) -> dict[str, dict[str, Any]]:
    """The rules that judge each balancer's requests, {} where none do."""
    return {
        name: aws.ask("wafv2.get_web_acl_for_resource", ResourceArn=arn).get("WebACL") or {}
        for name, arn in _readers(aws, finding).items()
    }


@pytest.mark.control("aws.balancer-strict")
def test_no_request_hides_in_another(aws, finding):
    finding.expect(", ".join(f"{name} is {value}" for name, value in STRICT.items()))
    seen = {
        name: [f"{key} is {said.get(key)}" for key, value in STRICT.items() if said.get(key) != value]
        for name, said in _attributes(aws, finding).items()
    }
    judge(finding, seen, is_empty, "load balancer")


@pytest.mark.control("aws.balancer-logged")
def test_each_request_is_written_down(aws, finding):
    finding.expect("an access log, to a bucket of the deployment")
    said = _attributes(aws, finding)
    own = buckets(aws)
    seen = {name: row.get(BUCKET) if row.get(LOGGED) == "true" else None for name, row in said.items()}
    judge(finding, seen, lambda bucket: bucket in own, "load balancer")


@pytest.mark.control("aws.firewall-before-the-balancer")
def test_each_request_is_judged(aws, finding):
    finding.expect("rules of AWS WAF judge each load balancer that reads requests")
    seen = {name: acl.get("Name") for name, acl in _judges(aws, finding).items()}
    judge(finding, seen, bool, "load balancer")


@pytest.mark.control("aws.firewall-refuses")
def test_what_rules_match_is_refused(aws, finding):
    """A rule that counts marks what it matches and lets it through. Single rules of a group may: their declaration is
    the installer's; a whole group that does guards nobody."""
    finding.expect("each rule refuses what it matches; among them groups of AWS's, and a limit for each address")
    seen: dict[str, Any] = {}
    for name, acl in _judges(aws, finding).items():
        rules = acl.get("Rules", [])
        kinds = {kind for rule in rules for kind in rule["Statement"]}
        for kind in ("ManagedRuleGroupStatement", "RateBasedStatement"):
            if kind not in kinds:
                seen[f"{name}: {kind}"] = "missing"
        for rule in rules:
            seen[f"{name}: {rule['Name']}"] = next(
                iter(rule.get("OverrideAction") or rule.get("Action") or {COUNTING: {}})
            )
    judge(finding, seen, lambda said: said in ("None", "Block"), "rule")


@pytest.mark.control("aws.firewall-log-redacted")
def test_what_is_refused_is_written_down_without_naming_anybody(aws, finding):
    finding.expect(f"a log that leaves out {', '.join(NAMING.values())}")
    seen: dict[str, Any] = {}
    for name, acl in _judges(aws, finding).items():
        said = aws.ask("wafv2.get_logging_configuration", NO_LOG, ResourceArn=acl["ARN"]) if acl else {}
        fields = (said.get("LoggingConfiguration") or {}).get("RedactedFields")
        hidden = {(about or {}).get("Name", kind).lower() for one in fields or [] for kind, about in one.items()}
        shown = [words for field, words in NAMING.items() if field.lower() not in hidden]
        seen[name] = [f"{words} is written down" for words in shown] if said else ["no log"]
    judge(finding, seen, is_empty, "load balancer")

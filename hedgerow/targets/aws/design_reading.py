"""An application load balancer in front, as it is wanted, with AWS WAF before it. Pure.

It ends TLS and reads requests; the edge is asked over TLS, and told by a header whose request it is.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hedgerow.targets.aws import facts
from hedgerow.targets.aws.documents import Place
from hedgerow.targets.aws.wanted import RECORD, RETENTION_DAYS, Wanted, bucket_name, firewall_log
from hedgerow.targets.cloud.graph import Ref, Resource

RULES = Path(__file__).with_name("waf.yml")
IDLE_SECONDS = 200
"""For how long a connection may rest: longer than the edge waits for a service, shorter than the edge keeps one."""
HEALTH = "/-hedgerow/"
"""A path that the edge keeps to itself: everybody is told that nothing is there, whatever becomes of the services."""
NEVER = "404"


def front(wanted: Wanted, place: Place) -> list[Resource]:
    """Return the balancer and what it stands on."""
    target = wanted.target
    absent = not target.reads_requests
    declared = target.load_balancer.certificate if target.load_balancer else None
    ways = () if target.vpc else ("internet-gateway/main", "route-table/public", "network-acl/main")
    subnets = ("subnet/public", "subnet/second")
    return [
        Resource(
            "certificate",
            "main",
            {"issued": True, "renewed": True},
            given={"domain": wanted.domain, "zone": target.zone},
            absent=absent or declared is not None,
        ),
        *_firewall(wanted, place, absent=absent),
        _targets(f"instance/{target.name}", absent=absent),
        Resource(
            "load-balancer",
            "http",
            {
                "type": "application",
                "scheme": "internet-facing",
                "subnets": [Ref(key) for key in subnets],
                "groups": [Ref("security-group/balancer")],
                "attributes": _attributes(bucket_name(place, "access")),
                # Before anything is listened to: nobody comes by who was not judged.
                "firewall": Ref("web-acl/main", "arn"),
                "listeners": {
                    "HTTPS 443": {
                        "to": Ref("target-group/edge"),
                        "tls": facts.facts()["balancer"]["tls_policy"],
                        "certificate": declared or Ref("certificate/main"),
                    }
                },
            },
            needs=(
                *subnets,
                *("security-group/balancer", "bucket/access", "certificate/main", "web-acl/main", "target-group/edge"),
                *ways,
            ),
            fixed=frozenset({"type", "scheme", "subnets"}),
            absent=absent,
        ),
    ]


def _attributes(bucket: str) -> dict[str, str]:
    return {
        "deletion_protection.enabled": "true",
        "idle_timeout.timeout_seconds": str(IDLE_SECONDS),
        # Two readers that part requests differently let one be hidden in another (request smuggling).
        "routing.http.drop_invalid_header_fields.enabled": "true",
        "routing.http.desync_mitigation_mode": "strictest",
        # The edge believes the last address of the header, which is what the balancer adds.
        "routing.http.xff_header_processing.mode": "append",
        "routing.http.xff_client_port.enabled": "false",
        "waf.fail_open.enabled": "false",
        "access_logs.s3.enabled": "true",
        "access_logs.s3.bucket": bucket,
        "access_logs.s3.prefix": "balancer",
    }


def _targets(machine: str, *, absent: bool) -> Resource:
    return Resource(
        "target-group",
        "edge",
        {
            "vpc": Ref("vpc/main"),
            "protocol": "HTTPS",
            "port": 443,
            "type": "instance",
            "health": "HTTPS",
            "path": HEALTH,
            "answer": NEVER,
            "attributes": {"stickiness.enabled": "false"},
            "targets": [Ref(machine)],
        },
        needs=("vpc/main", machine),
        fixed=frozenset({"vpc", "protocol", "port", "type", "health"}),
        absent=absent,
    )


def _firewall(wanted: Wanted, place: Place, *, absent: bool) -> list[Resource]:
    mode = wanted.target.load_balancer.waf if wanted.target.load_balancer else "block"
    group = firewall_log(place)
    return [
        Resource(
            "log-group",
            "firewall",
            {"key": Ref("key/records", "arn"), "days": RETENTION_DAYS},
            needs=("key/records",),
            given={"group": group},
            absent=absent,
            kept=RECORD,
        ),
        Resource(
            "web-acl",
            "main",
            {
                "default": "Allow",
                "shown": _shown_as("hedgerow"),
                "rules": rules(wanted.event_paths, mode),
                # What is let through stands in the balancer's log and the edge's.
                "log": {
                    "to": place.arn("logs", f"log-group:{group}"),
                    "of": ["BLOCK"] if mode == "block" else ["BLOCK", "COUNT"],
                    "without": ours()["redacted"],
                },
            },
            needs=("log-group/firewall",),
            absent=absent,
        ),
    ]


@cache
def ours() -> dict[str, Any]:
    """Return the file of rules."""
    said: dict[str, Any] = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return said


def rules(event_paths: tuple[str, ...], mode: str) -> list[dict[str, Any]]:
    """Return the rules as AWS WAF takes them, the first that ends a request first; `mode` is block or count."""
    found = [_group(row, event_paths, mode) for row in ours()["groups"]]
    rate = ours()["rate"]
    limit = {"Limit": rate["requests"], "EvaluationWindowSec": rate["seconds"], "AggregateKeyType": "IP"}
    action: dict[str, Any] = {"Block": {}} if mode == "block" else {"Count": {}}
    found.append(_rule(rate["name"], {"RateBasedStatement": limit}, Action=action))
    return [{**rule, "Priority": place} for place, rule in enumerate(found)]


def _group(row: dict[str, Any], event_paths: tuple[str, ...], mode: str) -> dict[str, Any]:
    statement: dict[str, Any] = {"VendorName": "AWS", "Name": row["name"]}
    if counted := row.get("counted"):
        statement["RuleActionOverrides"] = [{"Name": name, "ActionToUse": {"Count": {}}} for name in counted]
    if row.get("not_for_events") and event_paths:
        statement["ScopeDownStatement"] = {"NotStatement": {"Statement": _of_events(event_paths)}}
    override: dict[str, Any] = {"None": {}} if mode == "block" else {"Count": {}}
    return _rule(row["name"], {"ManagedRuleGroupStatement": statement}, OverrideAction=override)


def _of_events(paths: tuple[str, ...]) -> dict[str, Any]:
    """Match the paths by which events come, as the edge understands a path: decoded once, without ways back in it."""
    names = "|".join(path.strip("/") for path in paths)
    return {
        "RegexMatchStatement": {
            "RegexString": f"^/(?:{names})(?:/.*)?$",
            "FieldToMatch": {"UriPath": {}},
            "TextTransformations": [
                {"Priority": 0, "Type": "URL_DECODE"},
                {"Priority": 1, "Type": "NORMALIZE_PATH"},
            ],
        }
    }


def _rule(name: str, statement: dict[str, Any], **action: dict[str, Any]) -> dict[str, Any]:
    return {"Name": name, "Statement": statement, "VisibilityConfig": _shown_as(name), **action}


def _shown_as(name: str) -> dict[str, Any]:
    """Return what is shown of requests: how many. A sample would show whole ones, query string and cookies included."""
    return {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": True, "MetricName": name}

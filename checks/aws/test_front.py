"""A load balancer in front, where one is declared: what it speaks, whom it shows, and that it stays."""

from __future__ import annotations

from typing import Any

import pytest

from checks.aws.found import balancers, judge
from checks.judging import is_true
from hedgerow.checking import NotExercised

TLS_1_2 = ("ELBSecurityPolicy-TLS13-1-2", "ELBSecurityPolicy-TLS13-1-3", "ELBSecurityPolicy-FS-1-2")
"""How the names of the policies begin that refuse everything older than TLS 1.2 (Elastic Load Balancing, security
policies)."""

PROTECTED = "deletion_protection.enabled"
PRESERVED = "preserve_client_ip.enabled"
BY_HEADER = "X-Forwarded-For"
HEADER, ADDED = "routing.http.xff_header_processing.mode", "append"


def _balancers(aws, finding) -> dict[str, str]:
    """Each load balancer in the deployment's networks: its name by its ARN."""
    if not aws.sheet.balancer:
        finding.asked("the declaration")
        raise NotExercised("the declaration has no load balancer: TLS ends on the edge host")
    return {row["LoadBalancerArn"]: name for name, row in balancers(aws).items()}


def _listeners(aws, finding) -> dict[str, dict[str, Any]]:
    return {
        f"{name}:{one['Port']}": one
        for arn, name in _balancers(aws, finding).items()
        for one in aws.every("elbv2.describe_listeners", "Listeners", LoadBalancerArn=arn)
    }


@pytest.mark.control("aws.balancer-tls")
def test_the_balancer_speaks_no_old_tls(aws, finding):
    finding.expect("TLS 1.2 or newer")
    listeners = _listeners(aws, finding)
    if listeners and all(one["Protocol"] == "TCP" for one in listeners.values()):
        raise NotExercised("the load balancer passes TCP on: TLS ends on the edge host")
    seen = {name: one.get("SslPolicy", "") for name, one in listeners.items() if one["Protocol"] in ("HTTPS", "TLS")}
    judge(finding, seen, lambda said: said.startswith(TLS_1_2), "listener")


@pytest.mark.control("aws.balancer-not-in-clear")
def test_the_balancer_says_nothing_in_clear(aws, finding):
    """TCP passes on what it does not read: there TLS ends on the edge host, whose own controls look at it."""
    finding.expect("HTTP does nothing but redirect to HTTPS")
    seen = {name: _redirects(one) for name, one in _listeners(aws, finding).items()}
    judge(finding, seen, is_true, "listener")


@pytest.mark.control("aws.balancer-protected")
def test_the_balancer_is_not_ended_by_one_mistaken_call(aws, finding):
    finding.expect("deletion protection is on")
    seen = {
        name: _said(aws.ask("elbv2.describe_load_balancer_attributes", LoadBalancerArn=arn), PROTECTED)
        for arn, name in _balancers(aws, finding).items()
    }
    judge(finding, seen, lambda said: said == "true", "load balancer")


@pytest.mark.control("aws.balancer-shows-clients")
def test_the_machine_learns_who_its_clients_are(aws, finding):
    """HTTP has a header for it, which such a balancer writes itself; below that the packet's own address is all."""
    finding.expect(f"{PRESERVED} is true; with HTTP the balancer adds the client's address to {BY_HEADER} ({ADDED})")
    own = _balancers(aws, finding)
    seen = {}
    for row in aws.every("elbv2.describe_target_groups", "TargetGroups"):
        for arn in set(row["LoadBalancerArns"]) & set(own):
            name = row["TargetGroupName"]
            if row["Protocol"] in ("HTTP", "HTTPS"):
                said = aws.ask("elbv2.describe_load_balancer_attributes", LoadBalancerArn=arn)
                seen[name] = _said(said, HEADER)
            else:
                said = aws.ask("elbv2.describe_target_group_attributes", TargetGroupArn=row["TargetGroupArn"])
                seen[name] = _said(said, PRESERVED)
    judge(finding, seen, lambda said: said in ("true", ADDED), "target group")


def _said(answer: dict[str, Any], key: str) -> str | None:
    return {one["Key"]: one["Value"] for one in answer["Attributes"]}.get(key)


def _redirects(listener: dict[str, Any]) -> bool:
    actions = listener["DefaultActions"]
    return listener["Protocol"] in ("HTTPS", "TLS", "TCP") or all(
        one["Type"] == "redirect" and one["RedirectConfig"].get("Protocol") == "HTTPS" for one in actions
    )

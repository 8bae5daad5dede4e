"""A load balancer in front, where one is declared: what it speaks."""

from __future__ import annotations

from typing import Any

import pytest

from checks.aws.found import judge, networks
from checks.judging import is_true
from hedgerow.checking import NotExercised

TLS_1_2 = ("ELBSecurityPolicy-TLS13-1-2", "ELBSecurityPolicy-TLS13-1-3", "ELBSecurityPolicy-FS-1-2")
"""How the names of the policies begin that refuse everything older than TLS 1.2 (Elastic Load Balancing, security
policies)."""


def _listeners(aws, finding) -> dict[str, dict[str, Any]]:
    if not aws.sheet.balancer:
        finding.asked("the declaration")
        raise NotExercised("the declaration has no load balancer: TLS ends on the edge host")
    own = networks(aws)
    rows = aws.every("elbv2.describe_load_balancers", "LoadBalancers")
    return {
        f"{row['LoadBalancerName']}:{one['Port']}": one
        for row in rows
        if row.get("VpcId") in own
        for one in aws.every("elbv2.describe_listeners", "Listeners", LoadBalancerArn=row["LoadBalancerArn"])
    }


@pytest.mark.control("aws.balancer-tls")
def test_the_balancer_speaks_no_old_tls(aws, finding):
    finding.expect("TLS 1.2 or newer")
    seen = {
        name: one.get("SslPolicy", "")
        for name, one in _listeners(aws, finding).items()
        if one["Protocol"] in ("HTTPS", "TLS")
    }
    judge(finding, seen, lambda said: said.startswith(TLS_1_2), "listener")


@pytest.mark.control("aws.balancer-not-in-clear")
def test_the_balancer_says_nothing_in_clear(aws, finding):
    """TCP passes on what it does not read: there TLS ends on the edge host, whose own controls look at it."""
    finding.expect("HTTP does nothing but redirect to HTTPS")
    seen = {name: _redirects(one) for name, one in _listeners(aws, finding).items()}
    judge(finding, seen, is_true, "listener")


def _redirects(listener: dict[str, Any]) -> bool:
    actions = listener["DefaultActions"]
    return listener["Protocol"] in ("HTTPS", "TLS", "TCP") or all(
        one["Type"] == "redirect" and one["RedirectConfig"].get("Protocol") == "HTTPS" for one in actions
    )

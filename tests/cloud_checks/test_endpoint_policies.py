"""Which policies of a VPC endpoint keep strangers out: a table."""

from __future__ import annotations

from typing import Any

import pytest

from checks.aws.test_network import for_strangers
from hedgerow.targets.aws.design_network import ENDPOINTS
from hedgerow.targets.aws.documents import Place, endpoint
from tests.cloud_checks.account import policy

ANYTHING = {"Sid": "all", "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
OURS, OTHER = "123456789012", "*"


def _on(operator: str, key: str, value: Any) -> dict[str, Any]:
    return {**ANYTHING, "Condition": {operator: {key: value}}}


@pytest.mark.parametrize(
    ("statement", "strangers"),
    [
        (ANYTHING, True),
        ({**ANYTHING, "Principal": {"AWS": "*"}}, True),
        ({**ANYTHING, "Principal": {"AWS": f"arn:aws:iam::{OURS}:role/host"}}, False),
        ({**ANYTHING, "Effect": "Deny"}, False),
        ({**ANYTHING, "Action": "s3:GetObject"}, False),
        ({**ANYTHING, "Action": ["s3:GetObject", "s3:PutObject"]}, True),
        (_on("StringEquals", "aws:PrincipalAccount", OURS), False),
        (_on("StringEquals", "aws:ResourceAccount", [OURS]), False),
        (_on("StringEquals", "aws:PrincipalOrgID", "o-acme"), False),
        (_on("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{OURS}:role/*"), False),
        (_on("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/host"), True),
        (_on("StringLike", "aws:PrincipalAccount", OTHER), True),
        (_on("StringEquals", "aws:PrincipalAccount", [OURS, ""]), True),
        (_on("StringNotEquals", "aws:PrincipalAccount", OURS), True),
        (_on("StringEqualsIfExists", "aws:PrincipalAccount", OURS), True),
        (_on("Bool", "aws:SecureTransport", "true"), True),
        (_on("StringEquals", "aws:RequestedRegion", "us-east-1"), True),
    ],
)
def test_a_condition_counts_where_it_parts_us_from_strangers(statement: dict[str, Any], strangers: bool) -> None:
    assert for_strangers(policy(statement)) == (["all"] if strangers else [])


def test_no_policy_is_the_one_that_lets_everybody_through() -> None:
    assert for_strangers(None) == ["the default policy"]


@pytest.mark.parametrize("service", [*ENDPOINTS, "s3"])
def test_what_the_installer_makes_keeps_strangers_out(service: str) -> None:
    made = endpoint(Place("aws", "us-east-1", OURS, "acme"), service)
    assert for_strangers(policy(*made["Statement"])) == []

"""The IAM policy that the installer needs: AWS's own table of actions says whether it makes sense."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
from policy_sentry.querying.actions import get_action_data

from hedgerow import aws_reading
from hedgerow.targets.aws import actions, permissions
from hedgerow.targets.aws.documents import Place

PLACE = Place("aws", "us-east-1", "*", "acme")
POLICY = permissions.policy(PLACE)
PAIRS = [(one["Sid"], action) for one in POLICY["Statement"] for action in one["Action"]]


def test_each_action_is_allowed_once_and_none_by_a_star() -> None:
    given = [action for _, action in PAIRS]
    assert sorted(given) == sorted(permissions.actions())
    assert len(given) == len(set(given)) and not any("*" in action for action in given)


@pytest.mark.parametrize("name", ["acme", "a" * 40])
def test_it_fits_into_a_role(name: str) -> None:
    """As managed policies, of 6,144 letters each; a role takes ten of them (IAM quotas)."""
    place = Place("aws", "ap-southeast-1", "*", name)
    parts = permissions.policies(place)
    assert len(parts) < 5 and all(len(json.dumps(one, separators=(",", ":"))) <= 6_144 for one in parts)
    assert [row for one in parts for row in one["Statement"]] == permissions.policy(place)["Statement"]


@pytest.mark.parametrize(("sid", "action"), PAIRS)
def test_aws_knows_the_action_and_can_judge_it_so(sid: str, action: str) -> None:
    (statement,) = [one for one in POLICY["Statement"] if one["Sid"] == sid]
    service, _, name = action.partition(":")
    said = get_action_data(service, name)
    assert said, f"AWS knows no action {action}"
    rows = said[service]
    resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    if resources != ["*"]:
        kinds = {arn.split(":")[5].split("/")[0].split("{")[0] for arn in resources if arn.count(":") >= 5}
        possible = {row["resource_arn_format"] for row in rows}
        assert possible != {"*"}, f"{action} is judged by no resource, and {sid} names {kinds}"
    keys = {key for test in statement.get("Condition", {}).values() for key in test}
    known = {key.lower() for row in rows for key in row["condition_keys"]}
    for key in keys - {"aws:RequestedRegion"}:
        pattern = key.lower() if not key.startswith("aws:ResourceTag/") else "aws:resourcetag/${tagkey}"
        assert any(fnmatchcase(one, pattern) or one == pattern for one in known), f"{action} has no {key}: {known}"


def test_a_cycle_needs_what_the_policy_gives() -> None:
    """Each call of this package has its action; what goes along with one is asked for by a call that is made."""
    assert set(actions.ACTIONS) | set(actions.ALONG) <= permissions.calls()


def test_who_may_do_what_is_changed_on_named_resources_alone() -> None:
    """What AWS's table calls "permissions management" is given for everything only where it can but close a door."""
    anywhere = {
        action
        for statement in POLICY["Statement"]
        for action in statement["Action"]
        if statement["Resource"] == "*" and "Permissions management" in levels(action)
    }
    # AWS knows no resource for the last: by it AWS WAF lets itself write to the log group of its name.
    assert anywhere == {
        *("ec2:EnableSnapshotBlockPublicAccess", "s3:PutAccountPublicAccessBlock", "logs:PutResourcePolicy"),
    }


def test_a_star_stands_only_where_aws_wants_no_resource() -> None:
    """An action that is judged by its resource and by nothing else has it named (service authorization reference)."""
    starred = [action for one in POLICY["Statement"] if one["Resource"] == "*" for action in one["Action"]]
    assert [action for action in starred if "*" not in {row["resource_arn_format"] for row in rows_of(action)}] == []


def test_what_changes_a_thing_of_ec2_does_so_in_this_account_and_region() -> None:
    """A thing that AWS's table has an ARN for is named by it, as far as it can be: its id is AWS's to choose."""
    starred = [action for one in POLICY["Statement"] if one["Resource"] == "*" for action in one["Action"]]
    with_arn = {action for action in starred if {row["resource_arn_format"] for row in rows_of(action)} != {"*"}}
    # Config's are asked for all recorders of a region; the rest is judged before its thing has an id.
    assert with_arn == {
        "backup:TagResource",
        "config:DescribeConfigurationRecorderStatus",
        "config:DescribeConfigurationRecorders",
        "config:PutConfigurationRecorder",
        "guardduty:TagResource",
        "route53:AssociateVPCWithHostedZone",
    }


def test_what_is_ended_bears_our_tag_or_is_named() -> None:
    """Entries of our lists and routes of our tables have no tags of their own."""
    loose = [one for one in POLICY["Statement"] if one["Sid"] in ("Region", "Ec2")]
    actions = [action for one in loose for action in one["Action"]]
    ending = {one for one in actions if one.partition(":")[2].startswith(("Delete", "Terminate", "Release"))}
    assert ending == {"config:DeleteDeliveryChannel", "ec2:DeleteNetworkAclEntry", "ec2:DeleteRoute"}


def test_verify_s_policy_can_only_look() -> None:
    (statement,) = aws_reading.policy()["Statement"]
    assert {level for action in statement["Action"] for level in levels(action)} <= {"List", "Read"}


def levels(action: str) -> set[str]:
    """Return AWS's access levels of an action."""
    return {row["access_level"] for row in rows_of(action)}


def rows_of(action: str) -> list[dict[str, Any]]:
    """Return what AWS's table says of an action, a row for each kind of resource."""
    service, _, name = action.partition(":")
    said = get_action_data(service, name)
    assert said, f"AWS knows no action {action}"
    rows: list[dict[str, Any]] = said[service]
    return rows

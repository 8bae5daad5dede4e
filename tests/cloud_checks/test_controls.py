"""Every control of the cloud's side passes on a hardened account, and fails where that one thing is broken."""

from __future__ import annotations

import os
import re
from dataclasses import replace

import boto3
import pytest
from botocore.exceptions import ClientError

from hedgerow.aws_reading import ALONG, READS, Reader, masked, policy
from tests.cloud_checks.conftest import CONTROLS, SHEET, apart, asked
from tests.cloud_checks.sabotage import ALSO, BREAK


def test_a_hardened_account_holds_every_control(account):
    found = asked()
    assert {control: said["reason"] for control, said in found.items() if said["status"] != "pass"} == {}
    assert set(found) == set(CONTROLS)
    assert len(CONTROLS) >= 45


def test_a_finding_says_what_was_asked_seen_and_expected_and_names_no_account(account):
    for control, said in asked().items():
        assert all(said[part] for part in ("asked", "observed", "expected", "at")), control
        assert re.match(r"\w+:[A-Z]\w+ ", said["asked"]), said["asked"]
        # The emulator's ids of endpoints and keys are hexadecimal, and some have twelve digits in a row.
        assert not re.search(r"(?<![0-9a-f])\d{12}(?![0-9a-f])", " ".join(map(str, said.values()))), said


def test_every_control_has_its_sabotage():
    assert set(BREAK) == set(CONTROLS)
    assert set(ALSO) <= set(BREAK)
    assert set().union(*ALSO.values()) <= set(CONTROLS)


# Each asks the whole account again: `make test` takes every fifth, `make sabotage` all.
SOME = CONTROLS if os.environ.get("HEDGEROW_SABOTAGE") == "all" else CONTROLS[::5]


@pytest.mark.parametrize("control", SOME)
def test_what_is_broken_fails_and_nothing_else(account, control):
    def break_and_ask():
        BREAK[control](account)
        return {name: (said["status"], said["reason"]) for name, said in asked().items() if said["status"] != "pass"}

    seen = apart(break_and_ask)
    assert dict.fromkeys({control} | ALSO.get(control, set()), "fail") == {
        name: status for name, (status, _) in seen.items()
    }, seen
    assert all(reason for _, reason in seen.values())


class Recording(Reader):
    """A reader that remembers what it was asked."""

    def __init__(self, session) -> None:
        super().__init__(session)
        self.asked: set[str] = set()

    def once(self, question, make):
        self.asked.add(question.partition(" ")[0])
        return super().once(question, make)


def test_the_read_only_policy_is_what_the_checks_ask_and_nothing_else(account):
    def ask_and_tell():
        reader = Recording(boto3.session.Session(region_name=SHEET.region))
        asked(reader=reader)
        # A policy of the customer's on the role, which no other check meets.
        BREAK["aws.role-no-administrator"](account)
        again = Recording(boto3.session.Session(region_name=SHEET.region))
        asked(reader=again)
        return sorted(reader.asked | again.asked)

    assert apart(ask_and_tell) == sorted(READS)
    (statement,) = policy()["Statement"]
    assert set(statement["Action"]) == {*READS.values(), *ALONG}
    verbs = {action.partition(":")[2] for action in statement["Action"]}
    assert all(verb.startswith(("Describe", "Get", "List")) for verb in verbs)


@pytest.mark.parametrize("text", ["arn:aws:iam::123456789012:role/host", "hedgerow-123456789012-logs"])
def test_an_account_id_is_masked(text):
    assert "123456789012" not in masked(text)
    assert masked(text.replace("123456789012", "1234567890123")) != masked(text)


def test_a_refused_question_is_an_error_that_names_the_permission(account):
    class Refusing(Reader):
        def once(self, question, make):
            if question.startswith("guardduty.list_detectors "):
                said = {"Error": {"Code": "AccessDeniedException", "Message": "no, 123456789012"}}
                raise ClientError(said, "ListDetectors")
            return super().once(question, make)

    def ask_and_tell():
        return asked(reader=Refusing(boto3.session.Session(region_name=SHEET.region)))

    found = apart(ask_and_tell)
    assert found["aws.guardduty-on"]["status"] == "error"
    assert found["aws.guardduty-on"]["reason"] == "these credentials lack guardduty:ListDetectors"
    assert [control for control, said in found.items() if said["status"] != "pass"] == ["aws.guardduty-on"]


def test_what_is_not_declared_is_not_exercised(account):
    """No load balancer, a public machine; no user, no snapshot: each says so instead of passing."""

    def ask_and_tell():
        account.aws("iam").delete_user(UserName="jane")
        account.aws("ec2").delete_snapshot(SnapshotId=account["snapshot"])
        return asked(replace(SHEET, balancer=False, reads=False, public=True))

    found = apart(ask_and_tell)
    assert {control for control, said in found.items() if said["status"] == "not-exercised"} == {
        "aws.balancer-tls",
        "aws.balancer-not-in-clear",
        "aws.balancer-protected",
        "aws.balancer-shows-clients",
        "aws.balancer-strict",
        "aws.balancer-logged",
        "aws.firewall-before-the-balancer",
        "aws.firewall-refuses",
        "aws.firewall-log-redacted",
        "aws.machines-not-public",
        "aws.machines-not-routed",
        "aws.passwords-long",
        "aws.passwords-not-again",
        "aws.snapshots-not-shared",
        "aws.snapshots-encrypted",
    }
    assert all(said["reason"] for said in found.values() if said["status"] != "pass")
    assert not [control for control, said in found.items() if said["status"] not in ("pass", "not-exercised")]


def test_an_empty_account_holds_next_to_nothing(emulated):
    """Nothing passes for want of things to look at."""

    def ask_and_tell():
        return asked(replace(SHEET, deployment="nobody", region="eu-west-1"))

    found = apart(ask_and_tell)
    passed = {control for control, said in found.items() if said["status"] == "pass"}
    # What concerns the whole account and not the region is as it was made.
    assert passed <= {
        "aws.account-blocks-public-buckets",
        "aws.snapshots-never-public",
        "aws.root-second-factor",
        "aws.root-no-keys",
        "aws.root-no-certificates",
        "aws.passwords-long",
        "aws.passwords-not-again",
    } | {control for control in CONTROLS if control.startswith(("aws.trail-",))}

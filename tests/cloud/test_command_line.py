"""What an operator sees: the verbs, with the AWS of the environment's proxy."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import boto3
import pytest

from hedgerow.cli import main
from hedgerow.errors import CallError
from hedgerow.targets.aws.target import AwsTarget
from tests.cloud.account import quiet, target, text
from tests.reaching import SSH


@pytest.fixture
def declared(aws: str, tmp_path: Path) -> str:
    """Return the path of a deploy.yml."""
    place = tmp_path / "deploy.yml"
    place.write_text(text())
    return str(place)


def programs(folder: Path, monkeypatch: pytest.MonkeyPatch, **made: str) -> None:
    """Put programs where they are found first."""
    for name, content in made.items():
        place = folder / "bin" / name.replace("_", "-")
        place.parent.mkdir(exist_ok=True)
        place.write_text(content)
        place.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")


def test_a_plan_has_fields_costs_and_no_account(declared: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--json", declared]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    machines = {(row["kind"], row["name"]): row for row in said["machines"]}
    assert machines["instance", "analytics-1"]["action"] == "create"
    assert machines["account-ebs-encryption", "account"]["differs"] == ["enabled"]
    assert said["hosts"] is None and "USD a month" in said["cost"]
    assert main(["plan", declared]) == 0
    shown = capsys.readouterr().out
    assert "create   instance" in shown and "Cost: about" in shown and "123456789012" not in shown


def test_the_policy_is_printed_as_json(declared: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preflight", "--iam-policy", declared]) == 0
    policies = json.loads(capsys.readouterr().out)
    assert {one["Effect"] for policy in policies for one in policy["Statement"]} == {"Allow"}


def test_a_missing_plugin_is_named_before_anything_is_made(
    declared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs(tmp_path, monkeypatch, aws="#!/bin/sh\n")
    assert main(["preflight", declared]) == 2
    assert "session-manager-plugin is missing here" in capsys.readouterr().out


def test_no_agreement_no_machine(declared: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(declared).write_text(text().replace("with: aws", "with: somebody"))
    assert main(["install", "--yes", declared]) == 2
    assert "AWS Artifact" in capsys.readouterr().err


def test_an_install_hands_over_a_machine_that_session_manager_reaches(
    declared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path, monkeypatch, aws="#!/bin/sh\n", session_manager_plugin="#!/bin/sh\n", ssh=SSH)
    made = target()
    with pytest.raises(CallError, match="there is no instance analytics-1"):
        made.site()
    site = made.apply(quiet)
    (host,) = site.hosts
    assert (site.controller, host.user, host.machine) == ("127.0.0.1", "admin", "metal")
    assert host.address == host.private_address
    assert host.proxy.startswith("aws ssm start-session --region us-east-1 --target i-")
    assert host.identity_file is not None and host.identity_file.stat().st_mode & 0o777 == 0o600
    assert [state.state for state in AwsTarget.observe(made)] == ["running"]

    # The machine lets in the key that we connect with, and another run makes no other.
    key = made.public_key.read_text().strip()
    ec2 = boto3.client("ec2", region_name="us-east-1")
    (one,) = [one for row in ec2.describe_instances()["Reservations"] for one in row["Instances"]]
    held = ec2.describe_instance_attribute(InstanceId=one["InstanceId"], Attribute="userData")["UserData"]["Value"]
    assert f'ssh_authorized_keys: ["{key}"]' in base64.b64decode(held).decode()
    target().provision(quiet)
    assert made.public_key.read_text().strip() == key

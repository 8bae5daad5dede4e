"""A host of the lab plays the instance of an emulated account: one `install`, from nothing to a verified machine.

It boots once the account has an instance, with that instance's user data, and at the address that the account gives it
(tests/lab/metal.py).
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import boto3
import pytest

from hedgerow.targets.cloud.first_boot import MARK
from hedgerow.targets.lab.names import FIRST_HOST
from tests.cloud.conftest import emulating, led
from tests.conftest import Answer, Lab
from tests.lab.metal import Metal

pytestmark = [pytest.mark.lab, pytest.mark.long]
NAME, HOST = "t-cloud", "analytics-1"
SUBNET = IPv4Network("10.80.16.0/24")
"""Within the public subnet of the VPC that the declaration's default makes."""
ADDRESS = str(SUBNET[FIRST_HOST])
DECLARATION = f"""\
name: {NAME}
domain: analytics.acme.example
target: {{kind: aws, region: us-east-1, public: true, alerts_to: [ops@acme.example]}}
access:
  administrators:
    - name: jane
      ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8N jane@acme.example"]
  ssh_from: [{SUBNET[1]}]
  interface_from: [198.51.100.0/24]
  ingest_from: [any]
agreements: [{{with: aws, signed: 2026-02-01, reference: "AWS Artifact, BAA"}}]
posthog: {{deploy: false}}
"""


@pytest.fixture
def metal() -> Iterator[Metal]:
    made = Metal(NAME, HOST, SUBNET)
    made.destroy()
    try:
        made.prepare()
        yield made
    finally:
        made.destroy()


@pytest.fixture
def account(metal: Metal, deployments: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Lab]:
    """Lead this process to an empty account, in which whatever is started is at the machine's address."""
    with emulating(tmp_path, ADDRESS) as proxy:
        for name, value in led(proxy).items():
            monkeypatch.setenv(name, value)
        lab = Lab(deployments, NAME)
        (lab.folder / "cloud.yml").write_text(DECLARATION)
        yield lab


def test_an_instance_is_started_reached_converged_verified_and_ended(metal: Metal, account: Lab) -> None:
    declared = str(account.folder / "cloud.yml")
    with ThreadPoolExecutor(1) as pool:
        install = pool.submit(account.installer, "install", declared, "--json", "--yes")
        instance = started(install)
        metal.start(instance, user_data(instance))
        answer = install.result()

    said = answer.json
    failing = {row["control"] for row in findings(account) if row["status"] in ("fail", "error")}
    assert failing == set(), answer.err
    assert (said["hosts"][HOST]["failed"], said["smoke"]) == (0, None)
    # What nobody but cloud-init can have done: the account (debian, says its package), its key, the first boot's mark.
    host = account.host
    assert (host.user, host.address, host.private_address, host.proxy) == ("admin", ADDRESS, ADDRESS, "")
    assert account.run(host, "cloud-init status").stdout.split()[-1] == "done"
    assert account.run(host, f"test -e {MARK} && hostname").returncode == 0
    assert account.run(host, f"test -e {MARK} && grep -c hedgerow /home/admin/.ssh/authorized_keys").stdout == "1\n"

    again = account.installer("install", declared, "--json", "--yes")
    assert again.json["hosts"][HOST]["changed"] == 0, again.err

    gone = account.installer("destroy", NAME, "--json", "--yes")
    assert gone.code == 0, gone.err
    states = [one["State"]["Name"] for one in instances()]
    assert states == ["terminated"]


def instances() -> list[dict[str, Any]]:
    """Return every instance of the account."""
    said = boto3.client("ec2", region_name="us-east-1").describe_instances()["Reservations"]
    return [one for row in said for one in row["Instances"]]


def started(install: Future[Answer]) -> str:
    """Wait until the account has a running instance with its public address, and return its id."""
    while not install.done():
        for one in instances():
            if one["State"]["Name"] == "running" and one.get("PublicIpAddress") == ADDRESS:
                return str(one["InstanceId"])
        time.sleep(0.5)
    answer = install.result()
    pytest.fail(f"the install ended before an instance ran: {answer.out} {answer.err}")


def user_data(instance: str) -> str:
    """Return what the account holds for the instance, as EC2 hands it out to whoever may ask for it."""
    ec2 = boto3.client("ec2", region_name="us-east-1")
    said = ec2.describe_instance_attribute(InstanceId=instance, Attribute="userData")
    return base64.b64decode(said["UserData"]["Value"]).decode()


def findings(account: Lab) -> list[dict[str, Any]]:
    """Return the findings of the newest run."""
    path = account.deployment.evidence / "latest" / "findings.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text())["findings"]
    return rows

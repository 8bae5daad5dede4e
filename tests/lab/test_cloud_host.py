"""A host of the lab plays the instance of an emulated account: one `install`, from nothing to a verified machine.

The host is what EC2 starts from Debian's image: cloud-init of the distribution, no account, no key, nothing of ours.
It boots once the account has an instance, with that instance's user data, and at the address that the account gives it.
What a lab cannot give: its address is written into it (EC2 has DHCP), and user data lie on its disk (EC2 has a service
for them at a link-local address; cloud-init's NoCloud reads the same text from a folder).
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import boto3
import pytest

from hedgerow import ssh
from hedgerow.targets.cloud.first_boot import MARK
from hedgerow.targets.lab import LabSpec, LabTarget, machine
from hedgerow.targets.lab.kinds import KINDS
from hedgerow.targets.lab.names import FIRST_HOST, network, short_name
from hedgerow.targets.lab.places import Machine
from tests.cloud.conftest import emulating, led
from tests.conftest import Answer, Lab

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
IMAGE = """
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install --no-install-recommends cloud-init >/dev/null
# The lab writes the address; cloud-init would ask for one by DHCP.
echo 'network: {config: disabled}' >/etc/cloud/cloud.cfg.d/90-lab.cfg
echo 'datasource_list: [NoCloud]' >>/etc/cloud/cloud.cfg.d/90-lab.cfg
cloud-init clean --logs
rm -f /etc/ssh/ssh_host_* /etc/sudoers.d/90-cloud-init-users
"""
"""What makes a lab host's disk Debian's cloud image: from here on nobody has a way in but by user data."""


@dataclass
class Metal:
    """The machine that waits to be an instance."""

    lab: LabTarget

    @property
    def root(self) -> Path:
        return self.lab.place.host(HOST).root

    def prepare(self) -> None:
        """Make the disk, and leave the machine off."""
        (host,) = self.lab.apply(lambda _: None).hosts
        said = ssh.ask(host, None, ["sudo", "sh", "-s"], stdin=IMAGE, seconds=300)
        assert said.returncode == 0, said.stderr
        self.lab.stop(HOST)
        subprocess.run(["chroot", str(self.root), "userdel", "--remove", host.user], check=True, timeout=60)

    def start(self, instance: str, user_data: str) -> None:
        """Switch it on, with what the account holds for its instance."""
        seed = self.root / "var/lib/cloud/seed/nocloud"
        seed.mkdir(parents=True)
        (seed / "user-data").write_text(user_data)
        (seed / "meta-data").write_text(f"instance-id: {instance}\nlocal-hostname: ip-{ADDRESS.replace('.', '-')}\n")
        place = Machine(short_name(NAME), HOST, self.lab.place.host(HOST))
        machine.start(place, KINDS["container"], network(NAME, SUBNET).bridge)


@pytest.fixture
def metal() -> Iterator[Metal]:
    lab = LabTarget(NAME, LabSpec(((HOST, ("edge", "app", "data")),), str(SUBNET)))
    lab.destroy(lambda _: None)
    try:
        made = Metal(lab)
        made.prepare()
        yield made
    finally:
        lab.destroy(lambda _: None)


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

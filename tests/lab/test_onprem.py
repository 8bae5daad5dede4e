"""The onprem target, on a bare lab host that knows nothing of us: what is refused, and a whole install."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from hedgerow.deployment import Deployment
from hedgerow.hosts import Host
from hedgerow.targets.lab import LabSpec, LabTarget
from tests.conftest import Answer, Lab

pytestmark = pytest.mark.lab
NAME = "t-onprem"
PERSON = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8N jane@acme.example"


@dataclass(frozen=True)
class Bare:
    """A host of somebody's own, and how to declare it."""

    host: Host
    lab: Lab

    def declare(self, **changes: object) -> Path:
        """Write a declaration of the host with some of its keys changed."""
        row: dict[str, object] = {
            "name": "analytics-1",
            "address": self.host.address,
            "user": self.host.user,
            "identity_file": str(self.host.identity_file),
            "host_key": self.host.host_key,
            **changes,
        }
        path = self.lab.folder / "onprem.yml"
        path.write_text(
            yaml.safe_dump(
                {
                    "name": NAME,
                    "domain": "analytics.acme.example",
                    "target": {"kind": "onprem", "hosts": [{k: v for k, v in row.items() if v is not None}]},
                    "access": {"administrators": [{"name": "jane", "ssh_keys": [PERSON]}]},
                    "posthog": {"deploy": False},
                }
            )
        )
        return path

    def install(self, **changes: object) -> Answer:
        """Install it."""
        return self.lab.installer("install", str(self.declare(**changes)), "--json", "--yes")

    def run(self, command: str) -> str:
        """Run a command as root on the host."""
        return Lab.run(self.lab, self.host, command).stdout


@pytest.fixture(scope="module")
def bare(deployments: Path) -> Iterator[Bare]:
    """A freshly booted host that no deployment of ours has touched."""
    target = LabTarget(NAME, LabSpec((("analytics-1", ("edge", "app", "data")),)))
    target.destroy(lambda _: None)
    try:
        yield Bare(target.apply(lambda _: None).hosts[0], Lab(deployments, NAME))
    finally:
        target.destroy(lambda _: None)


def fingerprint(bare: Bare) -> str:
    return bare.run("dpkg -l | sha256sum; find /etc -type f -printf '%p %T@\\n' | sort | sha256sum")


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"address": "nowhere.invalid", "private_address": "192.0.2.9"}, 3, "nowhere.invalid"),
        ({"port": 9}, 3, "port 9"),
        ({"user": "nobody-here"}, 3, "Permission denied"),
        ({"identity_file": "wrong-key"}, 3, "Permission denied"),
        ({"host_key": PERSON.rsplit(" ", 1)[0]}, 3, "analytics-1"),
        ({"private_address": "192.0.2.9"}, 2, "192.0.2.9 is not an address of this host"),
    ],
)
def test_a_host_that_cannot_be_used_is_refused_untouched(
    bare: Bare, changes: dict[str, object], code: int, said: str
) -> None:
    wrong = bare.lab.folder / "wrong-key"
    if not wrong.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(wrong)], check=True)
    before = fingerprint(bare)
    answer = bare.install(**changes)
    assert (answer.code, said in answer.err) == (code, True), answer.err
    assert fingerprint(bare) == before


@pytest.mark.parametrize(
    ("break_", "mend", "said"),
    [
        (
            "cp -L /etc/os-release /root/os; rm /etc/os-release; sed s/13/12/ /root/os >/etc/os-release",
            "rm /etc/os-release; ln -s ../usr/lib/os-release /etc/os-release",
            "debian 12 is not supported",
        ),
        (
            "systemd-run -q --unit taken python3 -m http.server 443",
            "systemctl stop taken",
            "port 443 is taken by python3",
        ),
        (
            "mkfifo /run/never; cp /bin/cat /run/dpkg; systemd-run -q --unit busy /run/dpkg /run/never; sleep 0.3",
            "systemctl stop busy; rm /run/never /run/dpkg",
            "another package installation is running",
        ),
    ],
)
def test_a_host_that_is_not_fit_is_refused(bare: Bare, break_: str, mend: str, said: str) -> None:
    bare.run(break_)
    try:
        before = fingerprint(bare)
        # `install` waits a while for another installation; `preflight` says at once what it finds.
        answer = bare.lab.installer("preflight", str(bare.declare()))
        assert (answer.code, said in answer.out) == (2, True), answer.out + answer.err
        assert fingerprint(bare) == before
    finally:
        bare.run(mend)


def test_an_account_without_sudo_is_refused(bare: Bare) -> None:
    bare.run(
        "useradd -m guest && install -d -o guest -m 700 /home/guest/.ssh &&"
        " install -o guest -m 600 /home/debian/.ssh/authorized_keys /home/guest/.ssh/authorized_keys"
    )
    try:
        answer = bare.install(user="guest")
        assert answer.code == 3
        assert "could not run Python 3 as root" in answer.err
        assert "NOPASSWD" in answer.err
    finally:
        bare.run("userdel -r guest")


def test_a_host_is_prepared_and_proven_without_posthog(bare: Bare) -> None:
    """First use trusts and pins the host's key; the second run changes nothing; verify holds."""
    first = bare.install(host_key=None)
    assert first.code == 0, first.out + first.err
    assert first.json["smoke"] is None
    assert first.json["summary"]["fail"] == first.json["summary"]["error"] == 0
    second = bare.install(host_key=None)
    assert second.code == 0, second.err
    assert second.json["hosts"]["analytics-1"]["changed"] == 0
    status = bare.lab.installer("status", NAME, "--json")
    assert status.json["hosts"][0]["reachable"] is True


def test_destroy_leaves_machines_alone_that_are_not_ours(bare: Bare) -> None:
    bare.declare()
    answer = bare.lab.installer("destroy", str(bare.lab.folder / "onprem.yml"), "--yes", "--json")
    assert (answer.code, answer.json) == (0, {"removed": []})
    assert bare.run("true") == ""


def test_a_wipe_ends_the_data_on_them_and_leaves_the_machine(bare: Bare) -> None:
    mark = "jane-doe-born-1970"
    bare.run(f"runuser -u postgres -- psql -c \"create table patients as select '{mark}'::text who\" -c checkpoint")
    look = f"grep -rl {mark} /var/lib/postgresql | wc -l"
    assert int(bare.run(look)) > 0
    assert bare.run("find /etc/hedgerow -name '*.key' | head -1")
    key = Deployment(NAME).key_file
    assert key.exists()
    unsaid = bare.lab.installer("destroy", NAME, "--wipe")
    assert (unsaid.code, "Say --yes" in unsaid.err) == (2, True)
    assert int(bare.run(look)) > 0
    answer = bare.lab.installer("destroy", NAME, "--wipe", "--yes", "--json")
    assert answer.code == 0, answer.err
    assert int(bare.run(look)) == 0
    assert bare.run("find /var/lib/postgresql /var/lib/valkey /var/lib/containers -type f") == ""
    assert bare.run("find /etc/hedgerow -name '*.key' -not -path '*/forwarding/*'") == ""
    assert "inactive" in bare.run(
        "systemctl is-active postgresql@17-main nginx valkey-server hedgerow-health.timer || :"
    )
    assert "active\n" not in bare.run(
        "systemctl is-active postgresql@17-main nginx valkey-server | grep -v inactive || :"
    )
    assert "policy drop" in bare.run("nft list ruleset"), "as protected as it was"
    assert not key.exists()
    end = json.loads((Deployment(NAME).root / "disposal.json").read_text())[-1]
    assert "analytics-1:/var/lib/postgresql" in {row["name"] for row in end["removed"]}
    assert all("SP 800-88" in row["how"] or "neither clear nor purge" in row["how"] for row in end["removed"][:-1])
    print(json.dumps(end, indent=1))

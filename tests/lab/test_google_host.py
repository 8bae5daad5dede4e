"""A host of the lab plays the instance of a project: one `install`, from nothing to a verified machine.

The host boots once the project has an instance, at the private address that the project gives it, with the instance's
metadata. Google's guest agent, which reads these in a project, is not in the archives: cloud-init makes the account of
`ssh-keys` and runs `startup-script` in its place. `gcloud` is a program of the test's that carries a connection as
Identity-Aware Proxy does: to the named instance alone, and by another address each time. The test also plays the load
balancer that is declared, from an address of Google's proxies.
"""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from hedgerow import ssh
from hedgerow.targets.cloud.first_boot import MARK
from tests.conftest import Answer, Lab
from tests.gcp.fake.running import Fake, running
from tests.gcp.fake.world import PROJECT
from tests.lab.metal import Metal

pytestmark = [pytest.mark.lab, pytest.mark.long]
NAME, HOST = "t-cloud-g", "analytics-1"
SUBNET = IPv4Network("10.92.0.0/24")
"""Within the subnet that the declaration's default makes."""
TUNNELS = ("35.235.240.8", "35.235.247.9")
"""Two of the addresses that Identity-Aware Proxy comes from; while the test runs they are this machine's."""
PROXY = "35.191.0.9"
"""One that Google's load balancers come from."""
DOMAIN = "analytics.acme.example"
PERSON, STRANGER = "198.51.100.5", "203.0.113.5"
INSTANCE = f"hedgerow-{NAME}-{HOST}"
DECLARATION = f"""\
name: {NAME}
domain: {DOMAIN}
target:
  {{kind: gcp, project: {PROJECT}, region: us-central1, lock: true, audit: true, alerts_to: [ops@acme.example],
    load_balancer: {{}}}}
access:
  administrators:
    - name: jane
      ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8N jane@acme.example"]
  interface_from: [198.51.100.0/24]
  ingest_from: [any]
agreements: [{{with: gcp, signed: 2026-02-01, reference: "Google Cloud BAA"}}]
posthog: {{deploy: false}}
"""
GCLOUD = f"""\
#!{sys.executable}
import os, selectors, socket, sys
assert sys.argv[1:3] == ["compute", "start-iap-tunnel"], sys.argv
instance, port = sys.argv[3:5]
assert instance == {INSTANCE!r} and "--listen-on-stdin" in sys.argv, sys.argv
source = {TUNNELS!r}[os.getpid() % 2]
there = socket.create_connection((ADDRESS, int(port)), timeout=15, source_address=(source, 0))
there.settimeout(None)
both = selectors.DefaultSelector()
both.register(0, selectors.EVENT_READ, 1)
both.register(there, selectors.EVENT_READ, 0)
while True:
    for key, _ in both.select():
        data = os.read(0, 65536) if key.data else there.recv(65536)
        if not data:
            sys.exit(0)
        if key.data:
            there.sendall(data)
        else:
            os.write(1, data)
"""


@contextmanager
def tunnels() -> Iterator[None]:
    """Have the addresses that Google comes from on this machine."""
    try:
        for one in (*TUNNELS, PROXY):
            subprocess.run(["ip", "address", "replace", f"{one}/32", "dev", "lo"], check=True, timeout=30)
        yield
    finally:
        for one in (*TUNNELS, PROXY):
            subprocess.run(["ip", "address", "del", f"{one}/32", "dev", "lo"], check=False, timeout=30)


@pytest.fixture
def metal() -> Iterator[Metal]:
    made = Metal(NAME, HOST, SUBNET)
    made.destroy()
    try:
        with tunnels():
            made.prepare()
            yield made
    finally:
        made.destroy()


@pytest.fixture
def project(
    metal: Metal, deployments: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[Fake, Lab]]:
    """Lead this process to an empty project, in which the first machine is at the metal's address."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "gcloud").write_text(GCLOUD.replace("ADDRESS", repr(metal.address)))
    (programs / "gcloud").chmod(0o755)
    with running(tmp_path, metal.address) as fake:
        for name, value in fake.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PATH", f"{programs}:{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin")
        lab = Lab(deployments, NAME)
        (lab.folder / "google.yml").write_text(DECLARATION)
        yield fake, lab


def test_an_instance_is_started_reached_converged_verified_and_ended(metal: Metal, project: tuple[Fake, Lab]) -> None:
    fake, lab = project
    declared = str(lab.folder / "google.yml")
    with ThreadPoolExecutor(1) as pool:
        install = pool.submit(lab.installer, "install", declared, "--json", "--yes")
        instance = started(install, fake)
        assert instance["networkInterfaces"][0]["networkIP"] == metal.address
        metal.start(instance["name"], user_data(instance))
        answer = install.result()

    failing = {row["control"]: row["reason"] for row in findings(lab) if row["status"] == "fail"}
    # Nobody is there who could see that the domain leads to the balancer.
    assert failing.keys() == {"gcp.balancer-certificate"}, (failing, answer.err)
    # Whoever does not reach the private address cannot look from outside, and says so.
    unasked = {row["control"] for row in findings(lab) if row["status"] == "error"}
    assert {one.partition(".")[0] for one in unasked} <= {"edge", "outside"}, answer.err
    said = answer.json
    assert (said["hosts"][HOST]["failed"], said["smoke"]) == (0, None)
    host = lab.host
    assert (host.user, host.address, host.private_address) == ("hedgerow", metal.address, metal.address)
    assert INSTANCE in host.proxy
    assert lab.run(host, "cloud-init status").stdout.split()[-1] == "done"
    assert lab.run(host, f"test -e {MARK} && grep -c hedgerow /home/hedgerow/.ssh/authorized_keys").stdout == "1\n"
    # By another address each time, and the host's own firewall knows them all.
    ask = ["printenv", "SSH_CONNECTION"]
    seen = {ssh.ask(host, lab.deployment.known_hosts, ask).stdout.split()[0] for _ in range(12)}
    assert seen == set(TUNNELS)

    the_edge_believes_the_balancer_and_nobody_else(lab, metal.address)

    fake.forget()
    again = lab.installer("install", declared, "--json", "--yes")
    assert again.json["hosts"][HOST]["changed"] == 0, again.err
    assert fake.changing() == [], "a second install changes nothing in the project"

    gone = lab.installer("destroy", NAME, "--json", "--yes")
    assert gone.code == 0, gone.err
    assert not [one for one in fake.state()["rows"] if "/instances/" in one or "/disks/" in one]


def the_edge_believes_the_balancer_and_nobody_else(lab: Lab, address: str) -> None:
    """Ask as the balancer does, for somebody who is declared and for somebody who is not; then as somebody else."""
    # PostHog is not deployed: whoever is let in is told so, by 503.
    assert asked(address, PROXY, PERSON, "/login/as-a-person") == 503
    assert asked(address, PROXY, STRANGER, "/login/as-a-stranger") == 403
    said = lab.run(lab.host, "journalctl --sync; journalctl -q -o cat -u nginx.service -g /login/as-a-").stdout
    clients = {row["path"]: row["client"] for row in map(json.loads, said.splitlines())}
    assert clients == {"/login/as-a-person": PERSON, "/login/as-a-stranger": STRANGER}
    with pytest.raises(OSError, match="timed out"):
        asked(address, TUNNELS[0], PERSON, "/login")


def asked(address: str, source: str, client: str, path: str) -> int:
    """Return the status of an answer to whoever comes from an address and names a client."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    headers = f"Host: {DOMAIN}\r\nX-Forwarded-For: 192.0.2.66\r\nX-Hedgerow-Client: {client}\r\n"
    with (
        socket.create_connection((address, 443), timeout=5, source_address=(source, 0)) as plain,
        context.wrap_socket(plain, server_hostname=DOMAIN) as there,
    ):
        there.sendall(f"GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n".encode())
        return int(there.recv(4096).split()[1])


def started(install: Future[Answer], fake: Fake) -> dict[str, Any]:
    """Wait until the project has a running instance, and return it."""
    while not install.done():
        for name, one in fake.state()["rows"].items():
            if name.endswith(f"/instances/{INSTANCE}") and one["status"] == "RUNNING":
                return dict(one)
        time.sleep(0.5)
    answer = install.result()
    pytest.fail(f"the install ended before an instance ran: {answer.out} {answer.err}")


def user_data(instance: dict[str, Any]) -> str:
    """Return what the guest agent would do with the instance's metadata, as cloud-init is told it."""
    metadata = {one["key"]: one["value"] for one in instance["metadata"]["items"]}
    people = [line.partition(":")[::2] for line in metadata["ssh-keys"].splitlines()]
    script = "/usr/local/sbin/startup-script"
    said = {
        "users": [
            {"name": name, "ssh_authorized_keys": [key], "sudo": "ALL=(ALL) NOPASSWD:ALL", "shell": "/bin/bash"}
            for name, key in people
        ],
        "disable_root": True,
        "ssh_pwauth": False,
        "write_files": [{"path": script, "permissions": "0755", "content": metadata["startup-script"]}],
        "runcmd": [[script]],
    }
    return f"#cloud-config\n{json.dumps(said)}\n"


def findings(lab: Lab) -> list[dict[str, Any]]:
    """Return the findings of the newest run."""
    path = lab.deployment.evidence / "latest" / "findings.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text())["findings"]
    return rows

"""One deployment on a virtual machine, for the whole session: first the host alone, then with the application."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hedgerow import prerequisites
from hedgerow.targets.lab import LabTarget, machine, vm
from tests.conftest import Lab
from tests.vm import tang_server, time_server, trusted

NAME = "t-vm"
KEPT = "HEDGEROW_VM_KEPT"
"""Names a folder: the machine is then kept there from one session to the next, to go on with tests chosen by name."""
DECLARATION = f"""\
name: {NAME}
domain: analytics.acme.example
target: {{kind: lab, machine: vm}}
features: []
"""
ALONE = "posthog: {deploy: false}\n"
# The machine's second disk, which the controller opens when it starts. The address is known once the lab is there.
VOLUME = """\
encrypted_volume: {{device: /dev/vdb, unlock: tang, tang: "http://{}:{}", thumbprint: {}}}
"""
# Without KVM everything takes about ten times as long as in the container lab.
INSTALL_SECONDS = 7200
# What a network's DHCP offers: chrony looks there (roles/base), and it must be there again after a reboot.
TIME_FILE = "/etc/tmpfiles.d/lab-time.conf"
TIME_SOURCE = """\
d /run/chrony-dhcp 0755 root root -
f+ /run/chrony-dhcp/lab.sources 0644 root root - server {} iburst\\n
"""


@contextlib.contextmanager
def stopped_at_the_end(lab: Lab) -> Iterator[None]:
    """Leave the machine and its deployment for the next session, which goes on with them."""
    with lab.in_this_process():
        yield
        if lab.deployment.exists():
            target = lab.work.target
            assert isinstance(target, LabTarget)
            target.stop(lab.host.name)


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A place for the deployment; its host is removed when the session ends, unless it is kept (KEPT)."""
    if os.geteuid() != 0:
        pytest.fail("the lab's tests boot hosts: run them as root")
    prerequisites.provide(prerequisites.LAB_VM | tang_server.NEEDED | trusted.NEEDED, yes=True, say=print)
    kept = os.environ.get(KEPT)
    lab = Lab(Path(kept) if kept else tmp_path_factory.mktemp("vm"), NAME)
    lab.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lab.declaration.write_text(DECLARATION)
    qemu = prerequisites.find(vm.QEMU)
    assert qemu
    with pytest.MonkeyPatch.context() as patched, stopped_at_the_end(lab) if kept else lab.on_its_own():
        # The tests start the machine, in this process; an installer that they call finds it running.
        patched.setattr(machine, "SYSTEM_PATH", trusted.path_with(lab.folder, qemu))
        yield lab


@pytest.fixture(scope="session")
def booted(lab_folder: Lab) -> Iterator[Lab]:
    """The host, booted and not yet installed, with a source of time, and who opens its volume."""
    site = lab_folder.work.target.apply(print)
    keys = lab_folder.folder / "tang"
    volume = VOLUME.format(site.controller, tang_server.PORT, tang_server.make_keys(keys))
    lab_folder.declaration.write_text(DECLARATION + ALONE + volume)
    source = TIME_SOURCE.format(site.controller)
    written = lab_folder.run(site.hosts[0], f"printf %s {shlex.quote(source)} >{TIME_FILE}; systemd-tmpfiles --create")
    assert written.returncode == 0, written.stderr
    with time_server.serving(site.controller), tang_server.serving(site.controller, keys):
        yield lab_folder


def installed(lab: Lab) -> Lab:
    answer = lab.installer("install", str(lab.declaration), "--json", "--yes", seconds=INSTALL_SECONDS)
    assert answer.code == 0, answer.out + answer.err
    return lab


@pytest.fixture(scope="session")
def bare(booted: Lab) -> Lab:
    """The installed host, without the application: its containers take most of what such a machine has."""
    return installed(booted)


@pytest.fixture(scope="session")
def lab(bare: Lab) -> Lab:
    """The installed deployment, with everything else as the tests before have left it."""
    tree = yaml.safe_load(bare.deployment.declaration.read_text())
    tree.pop("posthog")
    bare.declaration.write_text(yaml.safe_dump(tree))
    return installed(bare)

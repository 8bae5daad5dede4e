"""A host with its own kernel: the same flow as in the container lab, and what only such a host can show."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Set
from pathlib import Path

import pytest
import yaml

from hedgerow.targets.lab import LabTarget, machine
from hedgerow.targets.lab.commands import run
from tests.breaking import CATALOG, Case, break_and_mend, broken, cases, groups, mend, settle, start_again
from tests.conftest import Lab
from tests.vm.conftest import INSTALL_SECONDS, NAME, installed

pytestmark = [pytest.mark.lab, pytest.mark.long]

HOST = "hedge-1"
OWN_KERNEL = {control.id for control in CATALOG.controls if control.own_kernel}
# What needs a kernel and the application: containers. All else is asked before it is there, while the host is fast.
OF_CONTAINERS = {control for control in OWN_KERNEL if CATALOG.control(control).role in ("containers", "posthog")}
GROUPS = groups((case for case in cases() if case.own_kernel), whole=True)
BARE = {name: group for name, group in GROUPS.items() if not OF_CONTAINERS & {case.control for case in group}}
OTHERS = sorted(GROUPS.keys() - BARE)
SERVICES = ("ssh", "chrony", "nftables", "nginx", "postgresql@17-main", "valkey-server")


def eventually(true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True


def holds(lab: Lab, kernel: Set[str] = OWN_KERNEL) -> None:
    """Wait until the host has come up whole, and ask every control; those of `kernel` must not be left out."""

    def settled() -> bool:
        return lab.run(lab.host, "systemctl is-system-running").stdout.strip() == "running"

    assert eventually(settled, 1800), lab.run(lab.host, "systemctl --failed; systemctl list-jobs").stdout
    assert lab.run(lab.host, f"systemctl is-active {' '.join(SERVICES)}").returncode == 0
    assert lab.run(lab.host, "chronyc waitsync 30 0 0 2").returncode == 0
    findings = lab.verify()
    assert broken(findings) == {}
    status = {finding.control: f"{finding.status} {finding.reason}" for finding in findings}
    assert {control: status.get(control, "not asked") for control in kernel} == dict.fromkeys(kernel, "pass ")


def test_a_host_boots_into_a_kernel_of_its_own(booted: Lab) -> None:
    host = booted.host
    assert host.machine == "metal"
    told = booted.run(
        host, "systemd-detect-virt --vm; systemd-detect-virt --container; uname -r; hostname"
    ).stdout.split()
    assert told[0] in ("qemu", "kvm")
    assert told[1] == "none"
    assert told[2] != os.uname().release
    assert told[3] == HOST
    assert booted.run(host, "systemctl is-system-running --wait").stdout.strip() == "running"
    # What the container lab has to go without.
    assert {"memory", "pids"} <= set(booted.run(host, "cat /sys/fs/cgroup/cgroup.controllers").stdout.split())


def changes_nothing(lab: Lab) -> None:
    again = lab.installer("install", NAME, "--json", "--yes", seconds=INSTALL_SECONDS)
    assert again.code == 0, again.out + again.err
    assert again.json["hosts"][HOST]["changed"] == 0


def test_a_second_install_of_the_host_alone_changes_nothing(bare: Lab) -> None:
    changes_nothing(bare)


def test_what_needs_a_kernel_is_asked_and_holds(bare: Lab) -> None:
    holds(bare, OWN_KERNEL - OF_CONTAINERS)


@pytest.fixture
def put_right(booted: Lab) -> Iterator[list[Case]]:
    """Whatever is still in this list when a test has ended badly must not spoil the next one."""
    left: list[Case] = []
    yield left
    if left:
        mend(booted, left)
        booted.converge().raise_for_failure()
        settle(booted, left)


@pytest.mark.parametrize("group", BARE.values(), ids=BARE.keys())
def test_broken_seen_mended(bare: Lab, put_right: list[Case], group: tuple[Case, ...]) -> None:
    break_and_mend(bare, group, set(), put_right)


def test_a_volume_that_nobody_opened_keeps_what_is_on_it(bare: Lab) -> None:
    """The host starts without it, and can be asked; the next install opens it, and all of it is there."""
    sql = "cd /; runuser -u postgres -- psql -Atc '{}' postgres"
    assert bare.run(bare.host, sql.format("CREATE TABLE kept AS SELECT generate_series(1, 1000)")).returncode == 0
    (unbind,) = (case.command for case in cases() if case.control == "volume.unlocks-itself")
    assert bare.run(bare.host, unbind).returncode == 0
    start_again(bare)
    assert bare.run(bare.host, "findmnt --mountpoint /var/lib/postgresql").returncode != 0
    assert bare.run(bare.host, "ls -A /var/lib/postgresql").stdout == ""
    installed(bare)
    assert bare.run(bare.host, sql.format("SELECT count(*) FROM kept")).stdout.strip() == "1000"
    assert bare.run(bare.host, sql.format("DROP TABLE kept")).returncode == 0


def test_another_may_open_the_volume(bare: Lab) -> None:
    """Declared to be opened by the host's TPM: Tang's key goes, and the tests after this one start with the TPM."""
    tree = yaml.safe_load(bare.deployment.declaration.read_text())
    tree["encrypted_volume"] = {"device": "/dev/vdb", "unlock": "tpm2"}
    bare.declaration.write_text(yaml.safe_dump(tree))
    installed(bare)
    volume = sorted(control for control in OWN_KERNEL if control.startswith("volume."))
    assert len(volume) == 4
    assert {finding.control: finding.status for finding in bare.verify(volume)} == dict.fromkeys(volume, "pass")
    assert "tang" not in bare.run(bare.host, "clevis luks list -d /dev/vdb").stdout


def test_the_power_button_shuts_down_in_good_order(bare: Lab) -> None:
    first, target = bare.boot_id(), bare.work.target
    assert isinstance(target, LabTarget)
    target.stop(HOST)
    assert [state.state for state in target.observe()] == ["stopped"]
    assert "Power down" in target.place.host(HOST).console.read_text(errors="replace").splitlines()[-1]
    target.start(HOST)
    assert bare.boot_id() not in ("", first)
    holds(bare, OWN_KERNEL - OF_CONTAINERS)


def links() -> list[str]:
    return [line for line in run(["ip", "-o", "link"]).splitlines() if "hgvm" in line or f"hg-{NAME}" in line]


def guests() -> list[str]:
    """Return the command lines of QEMU for this lab."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[0].endswith(b"qemu-system-x86_64") and f"{NAME}-{HOST}".encode() in words:
            found.append(path.parent.name)
    return found


def test_a_machine_that_was_killed_is_gone_and_boots_again(bare: Lab) -> None:
    """Also when nobody is left who kept it: no tap device, no process, and the disk's journal is played back."""
    target = bare.work.target
    assert isinstance(target, LabTarget)
    (keeper,) = machine.keepers(target.place.host(HOST))
    machine.signal_process(keeper, signal.SIGKILL)
    (guest,) = guests()
    os.kill(int(guest), signal.SIGKILL)
    # A process that ends loses its words first, and what it held open only then.
    assert eventually(lambda: not guests() and [line.split()[1] for line in links()] == [f"hg-{NAME}:"], 60), links()
    assert [state.state for state in target.observe()] == ["stopped"]
    assert [host.name for host in target.apply(print).hosts] == [HOST]
    assert len(guests()) == 1
    holds(bare, OWN_KERNEL - OF_CONTAINERS)


def test_with_the_application_all_of_it_holds(lab: Lab) -> None:
    holds(lab)


def test_a_second_install_changes_nothing(lab: Lab) -> None:
    changes_nothing(lab)


@pytest.mark.parametrize("group", [GROUPS[name] for name in OTHERS], ids=OTHERS)
def test_what_needs_containers_is_broken_seen_mended(lab: Lab, put_right: list[Case], group: tuple[Case, ...]) -> None:
    break_and_mend(lab, group, set(), put_right)


def test_a_reboot_from_inside_changes_nothing(lab: Lab) -> None:
    first, target = lab.boot_id(), lab.work.target
    assert isinstance(target, LabTarget)
    process = machine.find(target.place.host(HOST))
    lab.run(lab.host, "systemd-run --on-active=1 systemctl reboot")
    assert eventually(lambda: lab.boot_id() not in ("", first), 1200)
    assert machine.find(target.place.host(HOST)) == process, "the same machine has booted again"
    holds(lab)


def test_nothing_is_left_of_it(lab: Lab) -> None:
    target = lab.work.target
    assert isinstance(target, LabTarget)
    answer = lab.installer("destroy", NAME, "--yes")
    assert answer.code == 0, answer.err
    assert (links(), guests(), target.place.folder.exists()) == ([], [], False)

"""What the lab decides from what it reads: the image's key, cgroups, the firewalls of others, the plan."""

import json
import os
import subprocess
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from hedgerow.errors import UnreachableError
from hedgerow.hosts import Change
from hedgerow.packages import every_package
from hedgerow.targets.lab import (
    LabTarget,
    cgroups,
    dress,
    firewall,
    image,
    machine,
    names,
    network,
    plan,
    preflight,
    vm,
)
from hedgerow.targets.lab.commands import proxies, run
from hedgerow.targets.lab.kinds import KINDS
from hedgerow.targets.lab.places import HostPlace, HostRecord, LabRecord, Machine, Places
from hedgerow.targets.lab.vm import qemu

NET = names.network("demo", IPv4Network("10.77.0.0/24"))
SPEC = names.LabSpec((("demo-1", ("edge", "app")), ("demo-2", ("data",))))


def recipe(
    folder: Path,
    packages: str = "sudo\n",
    customize: str = "true\n",
    vm: str = "linux-image\n",
    kind: str = "container",
) -> image.Image:
    folder.mkdir(exist_ok=True)
    (folder / "packages.txt").write_text(packages)
    (folder / "packages-vm.txt").write_text(vm)
    (folder / "customize.sh").write_text(customize)
    return image.read_image("trixie", kind, folder)


def test_the_image_is_known_by_what_goes_into_it(tmp_path: Path) -> None:
    first = recipe(tmp_path / "a")
    assert recipe(tmp_path / "b", packages="# why\nsudo # yes\n\n").key == first.key
    assert recipe(tmp_path / "c", packages="sudo\nless\n").key != first.key
    assert recipe(tmp_path / "d", customize="false\n").key != first.key
    assert image.read_image("bookworm", recipe=tmp_path / "a").key != first.key


def test_a_virtual_machine_has_an_image_of_its_own(tmp_path: Path) -> None:
    container = recipe(tmp_path / "a", vm="linux-image\n")
    assert recipe(tmp_path / "b", vm="another\n").key == container.key
    vm = recipe(tmp_path / "c", vm="linux-image\n", kind="vm")
    assert (container.packages, vm.packages) == (("sudo",), ("linux-image", "sudo"))
    assert recipe(tmp_path / "d", vm="another\n", kind="vm").key != vm.key
    assert image.build_command(vm, tmp_path / "image.tar")[-3].endswith('customize.sh "$1" vm')


def test_a_virtual_machine_comes_with_what_roles_install() -> None:
    """Without KVM their installation takes half an hour there, and seconds where the image is built."""
    assert set(every_package("debian")) <= set(image.read_image("trixie", "vm").packages)


MOUNT = "24 1 0:22 / /sys/fs/cgroup rw - {} cgroup rw"
INSIDE = "25 24 0:23 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"


@pytest.mark.parametrize(
    ("mounts", "systemd", "expected"),
    [
        ([MOUNT.format("tmpfs"), INSIDE], False, "private"),
        ([MOUNT.format("tmpfs"), INSIDE], True, "private"),
        ([], False, "private"),
        ([MOUNT.format("cgroup2")], True, "scope"),
        ([MOUNT.format("cgroup2")], False, "plain"),
        ([MOUNT.format("tmpfs"), MOUNT.format("cgroup2")], False, "plain"),
    ],
)
def test_every_controller_has_a_way_to_a_cgroup(mounts: list[str], systemd: bool, expected: str) -> None:
    assert cgroups.mode_of("\n".join(mounts), systemd) == expected


def test_labs_with_similar_names_share_no_group() -> None:
    assert cgroups.lab_group("a", "plain") == "/hedgerow-lab-a"
    assert cgroups.host_group("a-b", "c", "plain") == "/hedgerow-lab-a-b/c"
    assert cgroups.host_group("a-b", "c", "scope") == r"/hedgerow\x2dlab\x2da\x2db.slice/hedgerow-lab-a-b-c.scope"


STAT = "812 (sh) (x) {} 1 812 812 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 {} 2568192 0 1844"


@pytest.mark.parametrize(
    ("state", "started", "expected"),
    [("S", 5000, True), ("R", 5000, True), ("Z", 5000, False), ("X", 5000, False), ("S", 5001, False)],
)
def test_only_the_process_that_we_started_is_ours(state: str, started: int, expected: bool) -> None:
    assert machine.is_the_one(STAT.format(state, started), machine.Process(812, 5000)) is expected


def chain(table: str, policy: str = "accept", hook: str = "forward", family: str = "ip") -> dict:
    return {"chain": {"family": family, "table": table, "name": "F", "hook": hook, "policy": policy}}


def rule(table: str, verdict: str, comment: str = "", handle: int = 7) -> dict:
    made = {"family": "ip", "table": table, "chain": "F", "handle": handle, "expr": [{verdict: None}]}
    return {"rule": {**made, "comment": comment} if comment else made}


@pytest.mark.parametrize(
    ("ruleset", "expected"),
    [
        ([], []),
        ([chain("filter")], []),
        ([chain("filter", "drop", hook="input")], []),
        ([chain("filter", "drop", family="ip6")], []),
        ([chain("hedgerow_lab_x"), rule("hedgerow_lab_x", "drop")], []),
        ([chain("filter", "drop")], [firewall.Chain("ip", "filter", "F")]),
        ([chain("filter"), rule("filter", "accept"), rule("filter", "reject")], [firewall.Chain("ip", "filter", "F")]),
        (
            [{"table": {"family": "ip", "name": "filter", "flags": "owned"}}, chain("filter", "drop")],
            [firewall.Chain("ip", "filter", "F", owned=True)],
        ),
    ],
)
def test_firewalls_that_would_drop_the_lab_are_found(ruleset: list[dict], expected: list[firewall.Chain]) -> None:
    assert firewall.closed_chains(ruleset) == expected


def test_only_our_own_rules_are_taken_out_of_the_tables_of_others() -> None:
    ruleset = [rule("filter", "drop"), rule("filter", "accept", "hedgerow_lab_demo-2", 8)]
    assert firewall.passes(ruleset, NET) == []
    ruleset.append(rule("filter", "accept", "hedgerow_lab_demo", 9))
    assert firewall.passes(ruleset, NET) == [(firewall.Chain("ip", "filter", "F"), 9)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ""),
        ({"HTTP_PROXY": "http://192.0.2.1:3128"}, 'Acquire::http::Proxy "http://192.0.2.1:3128";\n'),
        (
            {"http_proxy": "http://192.0.2.1", "https_proxy": "http://192.0.2.2", "no_proxy": "acme.example,*"},
            'Acquire::http::Proxy "http://192.0.2.1";\nAcquire::https::Proxy "http://192.0.2.2";\n'
            'Acquire::http::Proxy::acme.example "DIRECT";\nAcquire::https::Proxy::acme.example "DIRECT";\n',
        ),
    ],
)
def test_hosts_install_through_the_proxy_of_the_controller(given: dict[str, str], expected: str) -> None:
    assert dress.apt_proxies(proxies(given)) == expected


def test_the_stub_of_systemd_resolved_is_of_no_use_to_a_host(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").write_text("nameserver 127.0.0.53\n")
    assert dress.resolver_file(tmp_path) == tmp_path / "etc/resolv.conf"
    real = tmp_path / "run/systemd/resolve/resolv.conf"
    real.parent.mkdir(parents=True)
    real.write_text("nameserver 192.0.2.53\n")
    assert dress.resolver_file(tmp_path) == real


def test_name_servers_that_only_the_controller_reaches_are_told_apart() -> None:
    text = "search acme.example\nnameserver 127.0.0.1\nnameserver ::1\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\n"
    assert dress.unreachable_nameservers(text) == ["127.0.0.1", "::1"]


@pytest.mark.parametrize(("limits", "expected"), [(True, False), (False, True)])
def test_podman_goes_without_limits_only_where_none_can_be_set(limits: bool, expected: bool) -> None:
    wear = dress.Dress("demo-1", "10.77.0.11", NET.subnet, "ssh-ed25519 AAAA", "nameserver 192.0.2.53\n", {}, limits)
    made = dress.files(wear)
    assert ("etc/containers/containers.conf.d/90-lab.conf" in made) is expected
    assert "Address=10.77.0.11/24\nGateway=10.77.0.1\n" in made["etc/systemd/network/10-lab.network"]


THERE = plan.Facts("image.tar", True, True, True, True, {"demo-1": "running", "demo-2": "running"})
NOTHING = plan.Facts("image.tar", False, False, False, False, {})
HALF = plan.Facts("image.tar", True, True, False, True, {"demo-1": "stopped", "demo-2": "missing", "old": "running"})


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (THERE, ["keep bridge", "keep firewall table", "keep demo-1", "keep demo-2"]),
        (
            NOTHING,
            [
                "create host image",
                "create bridge",
                "create firewall table",
                "change sysctl",
                "create demo-1",
                "create demo-2",
            ],
        ),
        (
            HALF,
            [
                "delete old",
                "keep host image",
                "keep bridge",
                "create firewall table",
                "change demo-1",
                "create demo-2",
            ],
        ),
    ],
)
def test_the_plan_names_what_is_missing(facts: plan.Facts, expected: list[str]) -> None:
    def told(change: Change) -> str:
        return f"{change.action} {change.name if change.kind == 'host' else change.kind}"

    assert [told(change) for change in plan.changes(SPEC, NET, facts)] == expected


def test_what_is_written_down_is_read_again(tmp_path: Path) -> None:
    record = LabRecord("demo", NET.subnet, "abc", (HostRecord("demo-1", ("edge",), "10.77.0.11"),))
    assert LabRecord.load(tmp_path / "state.json") is None
    for each in (record, replace(record, machine="vm")):
        each.save(tmp_path / "state.json")
        assert LabRecord.load(tmp_path / "state.json") == each
    # As labs were written down before there were two kinds.
    old = json.loads((tmp_path / "state.json").read_text())
    del old["machine"]
    (tmp_path / "state.json").write_text(json.dumps(old))
    assert LabRecord.load(tmp_path / "state.json") == record
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_places_can_be_moved() -> None:
    assert Places.of({"HEDGEROW_STATE": "/srv/labs", "HEDGEROW_CACHE": ""}) == Places(state=Path("/srv/labs"))


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "ip_forward").write_text("0\n")
    return Places(state=tmp_path, run=tmp_path / "run", forward=tmp_path / "ip_forward")


def lab(places: Places, name: str) -> str:
    folder = places.labs / name
    folder.mkdir(parents=True)
    return str(folder)


def test_the_last_lab_puts_forwarding_back(places: Places) -> None:
    one, two = lab(places, "one"), lab(places, "two")
    for holder in (one, two, one):
        network.hold_forwarding(holder, places)
    assert places.forward.read_text() == "1"
    assert network.release_forwarding(one, places) is False
    assert places.forward.read_text() == "1"
    assert network.release_forwarding(two, places) is True
    assert places.forward.read_text() == "0"
    assert network.release_forwarding(two, places) is False


def test_forwarding_that_was_on_stays_on(places: Places) -> None:
    places.forward.write_text("1\n")
    one = lab(places, "one")
    network.hold_forwarding(one, places)
    network.release_forwarding(one, places)
    assert places.forward.read_text() == "1"


def test_a_lab_removed_by_hand_does_not_hold_forwarding_for_ever(places: Places) -> None:
    one, two = lab(places, "one"), lab(places, "two")
    network.hold_forwarding(one, places)
    network.hold_forwarding(two, places)
    Path(one).rmdir()
    assert network.release_forwarding(two, places) is True
    assert places.forward.read_text() == "0"


def test_a_record_from_before_a_restart_says_nothing(places: Places) -> None:
    one = lab(places, "one")
    network.hold_forwarding(one, places)
    record = places.run / "forwarding.json"
    boot = network.BOOT_ID.read_text().strip()
    record.write_text(record.read_text().replace(boot, "another"))
    places.forward.write_text("1")  # the restarted controller forwards by its own settings
    assert network.release_forwarding(one, places) is False
    assert places.forward.read_text() == "1"


def test_a_missing_command_is_named_with_its_package(tmp_path: Path) -> None:
    absent = {"hedgerow-no-such-command": "some-package", "sh": "dash", "hedgerow-nor-this": "some-package"}
    assert preflight.missing_commands(absent, keyring=tmp_path) == [
        "not installed here: hedgerow-no-such-command and hedgerow-nor-this (apt-get install some-package)"
    ]
    assert {"qemu-system-x86", "e2fsprogs"} == {*preflight.VM_COMMANDS.values()} - {*preflight.COMMANDS.values()}
    assert preflight.missing_commands({}, keyring=tmp_path / "keys.gpg") == [
        f"not installed here: {tmp_path}/keys.gpg (apt-get install debian-archive-keyring)"
    ]


def test_a_disk_without_room_is_named(tmp_path: Path) -> None:
    assert preflight.missing_room(tmp_path / "not" / "yet", 0) == []
    told = preflight.missing_room(tmp_path / "not" / "yet", 10**6)
    assert len(told) == 1
    assert str(tmp_path) in told[0]
    assert "HEDGEROW_STATE" in told[0]


MEMORY = "MemTotal:       16000000 kB\nMemAvailable:    9000000 kB\n"


@pytest.mark.parametrize(
    ("machine", "starting", "architecture", "expected"),
    [
        ("container", 9, "aarch64", []),
        ("vm", 2, "x86_64", []),
        ("vm", 0, "x86_64", []),
        ("vm", 3, "x86_64", ["8.6 GiB of memory are free here and 3 virtual machine(s) take 12 GiB"]),
        ("vm", 1, "aarch64", ["x86-64 controllers only"]),
    ],
)
def test_virtual_machines_need_memory_and_a_processor_of_their_kind(
    machine: str, starting: int, architecture: str, expected: list[str]
) -> None:
    told = preflight.missing_memory(machine, starting, MEMORY, architecture)
    assert [words in line for words, line in zip(expected, told, strict=True)] == [True] * len(expected)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (None, []),
        (SPEC, []),
        (replace(SPEC, subnet="10.77.0.0/24"), []),
        (replace(SPEC, subnet="10.77.9.0/24"), ["target.subnet: the lab demo was set up with 10.77.0.0/24"]),
        (replace(SPEC, machine="vm"), ["target.machine: the lab demo was set up with container and is now"]),
    ],
)
def test_a_lab_stays_what_and_where_it_is(declared: names.LabSpec | None, expected: list[str]) -> None:
    told = preflight.moved(declared, LabRecord("demo", NET.subnet, "abc", ()))
    assert [words in line for words, line in zip(expected, told, strict=True)] == [True] * len(expected)


def test_each_kind_says_how_it_is_booted_and_found(tmp_path: Path) -> None:
    guest = Machine("demo", "demo-1", HostPlace(tmp_path))
    container, vm = KINDS["container"], KINDS["vm"]
    assert (container.KERNEL, vm.KERNEL) == ("container", "metal")
    assert container.interface(guest) == "Name=host0"
    address = names.hardware_address("demo-demo-1")
    assert vm.interface(guest) == f"MACAddress={address}"
    assert f"--network-bridge={NET.bridge}" in container.command(guest, NET.bridge)
    fast, slow = qemu(guest, "kvm"), qemu(guest, "tcg")
    assert any(word.endswith(f"mac={address}") for word in fast)
    assert fast[3:7] == ["-accel", "kvm", "-cpu", "host"]
    assert slow[3:7] == ["-accel", "tcg,thread=multi", "-cpu", "Haswell-noTSX"]


def test_a_machine_is_made_of_a_root_without_mounts(tmp_path: Path) -> None:
    place = HostPlace(tmp_path)
    (place.half_made / "boot").mkdir(parents=True)
    (place.half_made / "etc").mkdir()
    with pytest.raises(UnreachableError, match="holds no /boot/vmlinuz"):
        KINDS["vm"].finish(place)
    for name in ("vmlinuz-6.12.1", "initrd.img-6.12.1"):
        (place.half_made / "boot" / name).write_text(name)
    KINDS["vm"].finish(place)
    assert (place.kernel.read_text(), place.initrd.read_text()) == ("vmlinuz-6.12.1", "initrd.img-6.12.1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk.img", "initrd.img", "second.img", "vmlinuz"]
    assert place.disk.stat().st_size == vm.DISK_BYTES
    assert place.disk.stat().st_blocks * 512 < vm.DISK_BYTES // 10
    assert run(["debugfs", "-R", "cat /etc/fstab", str(place.disk)]) == vm.FSTAB


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("ext4", ["rw", "relatime"], []),
        ("overlay", ["rw"], ["is on an overlay"]),
        ("tmpfs", ["rw", "nosuid", "nodev"], ["is mounted nodev, nosuid"]),
    ],
)
def test_a_disk_that_no_host_can_live_on_is_named(kind: str, options: list[str], expected: list[str]) -> None:
    told = preflight.disk_problems("/srv/labs", kind, options)
    assert [words in line for words, line in zip(expected, told, strict=True)] == [True] * len(expected)


def test_the_last_lines_of_a_console_are_plain(tmp_path: Path) -> None:
    place = HostPlace(tmp_path)
    assert machine.last_lines(place) == "(nothing)"
    place.console.write_text("[[0;32m  OK  [0m] one\r\n\n\x1b[0;1;31mFAILED\x1b[0m two\r\n")
    assert machine.last_lines(place, count=1) == "FAILED two"


def test_somebody_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert LabTarget("demo", SPEC).preflight() == ["the lab boots hosts and makes a network: run this as root"]


def test_a_host_is_not_handed_what_the_caller_left_open() -> None:
    """A lock around the installer is let go when the installer ends, though its host lives on."""
    lock, own = os.pipe()
    try:
        os.set_inheritable(lock, True)
        assert lock in machine.handed_down()
        assert own not in machine.handed_down()
        assert not {0, 1, 2} & {*machine.handed_down()}
    finally:
        os.close(lock)
        os.close(own)


def test_a_keeper_is_found_before_it_is_on_record(tmp_path: Path) -> None:
    """As somebody leaves it who is killed while a host starts."""
    place = HostPlace(tmp_path / "one")
    words = ["sh", "-c", "echo; read word", "keeper", str(place.process)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        try:
            # A process has no words yet for a moment after it was begun.
            assert keeper.stdout is not None
            assert keeper.stdout.readline() == b"\n"
            assert [each.pid for each in machine.keepers(place)] == [keeper.pid]
            assert all(machine.is_alive(each) for each in machine.keepers(place))
            assert machine.keepers(HostPlace(tmp_path / "two")) == []
        finally:
            keeper.kill()

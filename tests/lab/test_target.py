"""The lab as a target: real hosts, booted, rebooted, killed, and gone without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from hedgerow.errors import CallError, UnreachableError
from hedgerow.hosts import Host
from hedgerow.targets.lab import LabSpec, LabTarget, image, machine, reach
from hedgerow.targets.lab.commands import run
from hedgerow.targets.lab.names import short_name
from hedgerow.targets.lab.places import HostPlace, Places

pytestmark = pytest.mark.lab

REPOSITORY = Path(__file__).resolve().parents[2]
ALL = ("edge", "app", "data")
TWO = LabSpec((("one", ("edge", "app")), ("two", ("data",))))
ONE = LabSpec((("one", ALL),))


def quiet(_: str) -> None:
    """Nobody reads along."""


@pytest.fixture(scope="module")
def pair() -> Iterator[LabTarget]:
    """A lab of two hosts that the tests of this module share. They leave both running."""
    target = LabTarget("t-pair", TWO)
    target.destroy(quiet)
    try:
        target.apply(quiet)
        yield target
    finally:
        target.destroy(quiet)


@pytest.fixture
def single() -> Iterator[LabTarget]:
    """A lab of one host, not yet set up."""
    target = LabTarget("t-single", ONE)
    target.destroy(quiet)
    try:
        yield target
    finally:
        target.destroy(quiet)


def ask(target: LabTarget, host: str, command: str) -> str:
    """Return what a command says on a host, with the pinned key and the lab's own."""
    return run(reach.ssh(target.place, of(target, host), command), seconds=30).strip()


def of(target: LabTarget, host: str) -> Host:
    return next(known for known in target.site().hosts if known.name == host)


def boot_id(target: LabTarget, host: str) -> str:
    return ask(target, host, "cat /proc/sys/kernel/random/boot_id")


def states(target: LabTarget) -> list[str]:
    return [state.state for state in target.observe()]


def trace(name: str) -> dict[str, object]:
    """Return everything on this controller that a lab of this name could leave behind."""
    short = short_name(name)
    hierarchy = next(
        line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if line.split()[2] == "cgroup2"
    )
    nspawn = Path("/run/systemd/nspawn")
    return {
        "links": [line for line in run(["ip", "-o", "link"]).splitlines() if f"hg-{short}" in line],
        "tables": [line for line in run(["nft", "list", "ruleset"]).splitlines() if f"hedgerow_lab_{short}" in line],
        "cgroups": list(Path(hierarchy).glob(f"hedgerow-lab-{short}*")),
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if f"/lab/{name}/" in line],
        "processes": processes(f"/lab/{name}/"),
        "files": list(Places().labs.glob(name)) + list(nspawn.glob(f"*/{short}-*")),
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
    }


def processes(words: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words in line:
            found.append(line)
    return found


def eventually(true: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_nothing_stands_in_the_way_here(single: LabTarget) -> None:
    assert single.preflight() == []


def test_a_second_apply_changes_nothing(pair: LabTarget) -> None:
    before = [boot_id(pair, name) for name in ("one", "two")]
    assert {change.action for change in pair.plan()} == {"keep"}
    said: list[str] = []
    site = pair.apply(said.append)
    assert said == []
    assert site == pair.site()
    assert [boot_id(pair, name) for name in ("one", "two")] == before
    assert [(host.name, host.roles, host.machine) for host in site.hosts] == [
        ("one", ("edge", "app"), "container"),
        ("two", ("data",), "container"),
    ]
    assert site.stand_ins


def test_a_host_is_like_a_cloud_image(pair: LabTarget) -> None:
    assert ask(pair, "one", "sudo -n id -u; id -un; hostname") == "0\ndebian\none"
    assert ask(pair, "one", "sudo ls /etc/sudoers.d").split() == ["90-cloud-init-users", "README"]
    assert ask(pair, "one", "sudo passwd --status debian").split()[:2] == ["debian", "L"]
    assert ask(pair, "one", "systemctl is-system-running --wait") == "running"
    assert ask(pair, "one", "python3 -c 'import sys; print(sys.version_info >= (3, 11))'") == "True"


def test_hosts_share_neither_key_nor_identity(pair: LabTarget) -> None:
    one, two = pair.site().hosts
    assert one.host_key != two.host_key
    assert ask(pair, "one", "cat /etc/machine-id") != ask(pair, "two", "cat /etc/machine-id")
    assert pair.place.identity.stat().st_mode & 0o777 == 0o600
    assert pair.place.folder.stat().st_mode & 0o077 == 0


def test_a_host_with_another_key_is_not_let_pass_for_ours(pair: LabTarget) -> None:
    one, two = pair.site().hosts
    try:
        reach.pin(pair.place, [replace(one, host_key=two.host_key), two])
        with pytest.raises(UnreachableError, match="Host key verification failed"):
            reach.wait(pair.place, one, pair.place.host("one"), seconds=2)
    finally:
        reach.pin(pair.place, [one, two])


def test_hosts_see_the_controller_the_stranger_and_one_another(pair: LabTarget) -> None:
    site = pair.site()
    one, two = site.hosts
    assert ask(pair, "one", "echo $SSH_CONNECTION").split()[0] == site.controller
    stranger = [*reach.ssh(pair.place, one, "echo $SSH_CONNECTION")]
    stranger[1:1] = ["-b", site.stranger]
    assert run(stranger).split()[0] == site.stranger
    greeting = f"exec 3<>/dev/tcp/{two.private_address}/22; head -c 4 <&3"
    assert ask(pair, "one", f"bash -c '{greeting}'") == "SSH-"


def test_hosts_reach_the_package_mirror(pair: LabTarget) -> None:
    assert "Reading package lists" in ask(pair, "two", "sudo apt-get update")


def test_a_host_that_reboots_itself_comes_back(pair: LabTarget) -> None:
    before = boot_id(pair, "one")
    ask(pair, "one", "sudo touch /root/kept")
    subprocess.run(reach.ssh(pair.place, of(pair, "one"), "sudo", "systemctl", "reboot"), check=False, timeout=30)
    time.sleep(1)
    reach.wait(pair.place, of(pair, "one"), pair.place.host("one"))
    assert boot_id(pair, "one") != before
    assert ask(pair, "one", "sudo ls /root") == "kept"


def test_a_host_can_be_stopped_started_and_rebooted(pair: LabTarget) -> None:
    other = boot_id(pair, "one")
    pair.stop("two")
    assert states(pair) == ["running", "stopped"]
    assert [change.action for change in pair.plan() if change.name == "two"] == ["change"]
    pair.start("two")
    before = boot_id(pair, "two")
    pair.reboot("two")
    assert boot_id(pair, "two") != before
    pair.stop("two")
    pair.apply(quiet)
    assert states(pair) == ["running", "running"]
    assert boot_id(pair, "one") == other


def test_a_host_whose_process_is_killed_is_booted_again(pair: LabTarget) -> None:
    ask(pair, "two", "sudo touch /root/kept && sync")
    process = machine.find(pair.place.host("two"))
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)  # the keeper; systemd-nspawn is left without it
    assert eventually(lambda: states(pair) == ["running", "stopped"])
    pair.apply(quiet)
    assert ask(pair, "two", "sudo ls /root") == "kept"
    nspawn = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if is_nspawn(path, pair, "two")]
    assert len(nspawn) == 1
    os.kill(nspawn[0], signal.SIGKILL)
    assert eventually(lambda: states(pair) == ["running", "stopped"])
    pair.apply(quiet)
    assert states(pair) == ["running", "running"]


def is_nspawn(path: Path, target: LabTarget, host: str) -> bool:
    try:
        words = path.read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return words[0] == b"systemd-nspawn" and f"--directory={target.place.host(host).root}".encode() in words


def test_a_host_that_cannot_be_reached_shows_its_console(pair: LabTarget) -> None:
    two = of(pair, "two")
    ask(pair, "two", "sudo systemctl disable --now ssh.service")
    place = pair.place.host("two")
    try:
        with pytest.raises(UnreachableError, match="nothing answers on port 22") as raised:
            reach.wait(pair.place, two, place, seconds=1)
        assert "Welcome to" in place.console.read_text()
        assert str(place.console) in raised.value.fix
    finally:
        run(["chroot", str(place.root), "systemctl", "enable", "ssh.service"])
        pair.reboot("two")


def test_two_labs_do_not_see_one_another(pair: LabTarget, single: LabTarget) -> None:
    (alone,) = single.apply(quiet).hosts
    theirs = of(pair, "one").address
    knock = "bash -c 'timeout 2 bash -c \"</dev/tcp/{}/22\"; echo $?'"
    assert ask(single, "one", knock.format(theirs)).splitlines()[-1] == "124"
    assert ask(pair, "one", knock.format(alone.address)).splitlines()[-1] == "124"
    single.destroy(quiet)
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1"
    assert states(pair) == ["running", "running"]
    assert boot_id(pair, "one")


def test_labs_set_up_at_once_get_networks_of_their_own() -> None:
    labs = [LabTarget(f"t-once-{number}", ONE) for number in (1, 2)]
    try:
        with ThreadPoolExecutor() as pool:
            sites = list(pool.map(lambda lab: lab.apply(quiet), labs))
        assert len({site.controller for site in sites}) == 2
    finally:
        for lab in labs:
            lab.destroy(quiet)


def test_hosts_come_and_go_with_the_declaration(single: LabTarget) -> None:
    single.apply(quiet)
    before = boot_id(single, "one")
    LabTarget(single.name, TWO).apply(quiet)
    LabTarget(single.name, ONE).apply(quiet)
    assert [state.name for state in single.observe()] == ["one"]
    assert not single.place.host("two").folder.exists()
    assert boot_id(single, "one") == before


def test_a_declared_network_that_is_taken_is_refused_and_nothing_is_touched(pair: LabTarget) -> None:
    taken = pair.site().controller.rpartition(".")[0] + ".0/24"
    target = LabTarget("t-taken", replace(ONE, subnet=taken))
    before = trace("t-taken")
    with pytest.raises(CallError, match="is in use on this controller"):
        target.apply(quiet)
    assert trace("t-taken") == before


def test_a_network_cannot_move_under_its_hosts(pair: LabTarget) -> None:
    assert "destroy it first" in LabTarget(pair.name, replace(TWO, subnet="10.77.200.0/24")).preflight()[0]


def test_what_was_removed_is_gone_without_a_trace(single: LabTarget) -> None:
    before = trace(single.name)
    single.apply(quiet)
    assert trace(single.name) != before
    removed = {(change.action, change.kind) for change in single.destroy(quiet)}
    assert removed >= {("delete", kind) for kind in ("host", "bridge", "firewall table", "folder")}
    assert trace(single.name) == before
    assert single.destroy(quiet) == []
    with pytest.raises(CallError, match="there is no lab"):
        single.site()


def test_a_lab_whose_folder_was_removed_by_hand_is_found_by_name(single: LabTarget) -> None:
    before = trace(single.name)
    single.apply(quiet)
    run(["rm", "-rf", "--one-file-system", str(single.place.folder)])
    assert any("there is a bridge" in problem for problem in single.preflight())
    single.destroy(quiet)
    assert trace(single.name) == before


DIE = """
import os, signal, sys, threading
from hedgerow.targets.lab import LabSpec, LabTarget

def say(line):
    if sys.argv[1] in line:
        threading.Timer(float(sys.argv[2]), os.kill, (os.getpid(), signal.SIGKILL)).start()

LabTarget("t-single", LabSpec((("one", ("edge", "app", "data")),))).apply(say)
"""


@pytest.mark.parametrize(
    ("at", "later", "then"),
    [
        ("unpacking", 0.15, "apply"),
        pytest.param("unpacking", 0.4, "destroy", marks=pytest.mark.long),
        pytest.param("booting", 0.0, "destroy", marks=pytest.mark.long),
        ("booting", 0.02, "destroy"),
        pytest.param("booting", 0.02, "apply", marks=pytest.mark.long),
        pytest.param("booting", 0.6, "apply", marks=pytest.mark.long),
    ],
)
def test_a_killed_installer_leaves_what_can_be_completed_and_removed(
    single: LabTarget, at: str, later: float, then: str
) -> None:
    before = trace(single.name)
    died = subprocess.run(
        [sys.executable, "-c", DIE, at, str(later)], cwd=REPOSITORY, timeout=60, capture_output=True, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    if then == "apply":
        single.apply(quiet)
        assert boot_id(single, "one")
    single.destroy(quiet)
    assert trace(single.name) == before


BUILD = """
import os, signal, sys, threading
from pathlib import Path
from hedgerow.targets.lab import image

threading.Timer(3, os.kill, (os.getpid(), signal.SIGKILL)).start()
image.build(image.read_image("trixie"), Path(sys.argv[1]), print)
"""


def test_a_build_ends_with_who_began_it(tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", BUILD, str(tmp_path)], cwd=REPOSITORY, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL
    assert eventually(lambda: processes(str(tmp_path)) == [])
    assert not image.read_image("trixie").tar(tmp_path).exists()
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


CLOSED = """
table ip filter {
  chain FORWARD {
    type filter hook forward priority filter; policy drop;
  }
}
"""


def test_the_firewalls_of_others_are_opened_and_left_as_they_were() -> None:
    """In a network name space of its own: the real one is what every other lab here goes through."""
    script = textwrap.dedent("""
        import sys
        from ipaddress import IPv4Network
        from hedgerow.targets.lab import firewall, names
        from hedgerow.targets.lab.commands import run
        net = names.network("t-wall", IPv4Network("10.77.9.0/24"))
        run(["nft", "-f", "-"], feed=sys.argv[1])
        before = run(["nft", "list", "ruleset"])
        firewall.set_up(net)
        firewall.set_up(net)
        during = run(["nft", "list", "ruleset"])
        assert during.count('iifname "hg-t-wall" accept comment') == 1, during
        assert firewall.take_down(net)
        assert run(["nft", "list", "ruleset"]) == before
    """)
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", script, CLOSED], cwd=REPOSITORY, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


def test_a_stopped_process_record_is_never_mistaken(tmp_path: Path) -> None:
    place = HostPlace(tmp_path)
    assert machine.find(place) is None
    place.process.write_text("")
    assert machine.find(place) is None
    place.process.write_text(f"{os.getpid()} 1\n")  # our own id, another's starting time
    assert machine.find(place) is None

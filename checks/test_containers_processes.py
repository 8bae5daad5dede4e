"""Containers as the kernel holds them: what /proc says of a process is what is so."""

from __future__ import annotations

import re
import shlex

import pytest

from checks import inside
from checks.gathered import own_kernel
from hedgerow.checking import CouldNotAsk, NotExercised

CONTROLLERS = "cat /sys/fs/cgroup/cgroup.controllers"
LABELS = "grep -s . /proc/[0-9]*/attr/current | tr -d '\\0'"
LOADED = "cat /sys/kernel/security/apparmor/profiles"
PODMANS = re.compile(r"containers-default-\S+")
NOTHING = "0000000000000000"
ASK_AHEAD = (inside.INSPECT, inside.STATUS, inside.NAMESPACES)


@pytest.fixture
def members(finding, host, running):
    """Return (container, process) for every process in every running container."""
    listings = (finding.ask(host, question, codes=(0, 1, 2)).stdout for question in (inside.STATUS, inside.NAMESPACES))
    found = inside.processes(*listings)
    pairs = [(each, process) for each in running for process in inside.within(each, found)]
    if {each.name for each, _ in pairs} != {each.name for each in running}:
        raise CouldNotAsk("a container's processes ended while they were looked at")
    return pairs


def judge(finding, pairs, wrong, good):
    """Observe and assert that `wrong` finds nothing in any (container, thing); it returns words or "".

    How many there are is not told: processes come and go, and each run would differ from the last.
    """
    found = sorted({f"{each.name}: {words}" for each, thing in pairs if (words := wrong(thing))})
    names = sorted({each.name for each, _ in pairs})
    finding.observe("; ".join(found) or f"{', '.join(names)}: {good}")
    assert not found, "; ".join(found)


@pytest.mark.control("containers.read-only")
def test_programs_cannot_be_changed(finding, host, running):
    """The kernel's own list of mounts decides; what is writable beside it is temporary memory."""
    finding.expect("root mounted ro in every container, and no program started from what is writable")
    files = " ".join(f"/proc/{each.pid}/mountinfo" for each in running)
    lines = finding.ask(host, f"grep -HE '^[0-9]+ [0-9]+ [0-9:]+ [^ ]+ / ' {files}").stdout.splitlines()
    options = {int(line.split("/")[2]): line.split()[5].split(",") for line in lines}
    judge(
        finding,
        [(each, options[each.pid]) for each in running],
        lambda flags: "" if "ro" in flags else "its root can be written to",
        "root is read-only",
    )


@pytest.mark.control("containers.no-capabilities")
def test_no_part_of_roots_powers(finding, members):
    finding.expect("permitted, effective, bounding and ambient capabilities all empty in every process")
    sets = ("CapPrm", "CapEff", "CapBnd", "CapAmb")
    judge(
        finding,
        members,
        lambda process: ", ".join(
            f"{process.name} {name} {process.status[name]}" for name in sets if process.status[name] != NOTHING
        ),
        "no capability",
    )


@pytest.mark.control("containers.no-new-privileges")
def test_no_rights_beyond_the_first(finding, members):
    finding.expect("NoNewPrivs 1 and a seccomp filter (2) in every process")
    judge(
        finding,
        members,
        lambda process: (
            ""
            if (process.status["NoNewPrivs"], process.status["Seccomp"]) == ("1", "2")
            else f"{process.name} NoNewPrivs {process.status['NoNewPrivs']}, Seccomp {process.status['Seccomp']}"
        ),
        "no new privileges, filtered system calls",
    )


def held(label, loaded):
    """Tell whether a process's label is Podman's profile, enforced.

    A label may be a stack, `A//&B (mode)`, of which every profile holds. Where Debian's profile for crun, which holds
    back nothing, is one of them, the modes are `mixed`, and the kernel's list tells each one's.
    """
    names, _, mode = label.rpartition(" ")
    ours = [name for name in names.split("//&") if PODMANS.fullmatch(name)]
    return any(mode == "(enforce)" or f"{name} (enforce)" in loaded for name in ours)


@pytest.mark.control("containers.apparmor-confined")
def test_each_process_is_under_podmans_profile(finding, host, members):
    finding.expect("Podman's profile (containers-default), enforced, on every process")
    own_kernel(host, finding)
    lines = finding.ask(host, LABELS, codes=(0, 1, 2)).stdout.splitlines()
    labels = {int(line.split("/")[2]): line.partition(":")[2] for line in lines}
    loaded = set(finding.ask(host, LOADED).stdout.splitlines())
    labelled = [(each, process) for each, process in members if process.pid in labels]
    if {each.name for each, _ in labelled} != {each.name for each, _ in members}:
        raise CouldNotAsk("the kernel does not tell under which profile a container's processes are")
    judge(
        finding,
        labelled,
        lambda process: "" if held(labels[process.pid], loaded) else f"{process.name} is {labels[process.pid]}",
        "under Podman's profile",
    )


@pytest.mark.control("containers.not-root")
def test_nothing_runs_as_root(finding, members):
    """All four of a process's user ids count (proc_pid_status(5)): a saved 0 can be taken up again."""
    finding.expect("no user id 0 in any process")
    judge(
        finding,
        members,
        lambda process: f"{process.name} runs as root" if "0" in process.status["Uid"].split() else "",
        "user ids above 0",
    )


@pytest.mark.control("containers.memory-bounded")
def test_memory_and_processes_end_somewhere(finding, host, running):
    """The limit that holds is the smallest on the way up, so the container's unit may carry it as well."""
    finding.expect("a limit of memory and of processes over every container")
    available = finding.ask(host, CONTROLLERS).stdout.split()
    if "memory" not in available or "pids" not in available:
        raise NotExercised("this host's kernel was given no memory or pids controller (cgroup.controllers)")
    found = {}
    for each in running:
        above = shlex.quote(each.described["State"]["CgroupPath"])
        walk = (
            f"cd /sys/fs/cgroup{above} && while [ $PWD != /sys/fs/cgroup ];"
            " do cat memory.max; echo p$(cat pids.max); cd ..; done"
        )
        limits = finding.ask(host, walk).stdout.split()
        found[each.name] = (
            [int(limit) for limit in limits if limit.isdigit()],
            [int(limit[1:]) for limit in limits if limit[0] == "p" and limit[1:].isdigit()],
        )
    finding.observe(
        "; ".join(f"{n}: {min(m, default='no')} bytes, {min(p, default='no')} tasks" for n, (m, p) in found.items())
    )
    for name, (memory, tasks) in found.items():
        assert memory, f"{name} may take all memory"
        assert tasks, f"{name} may start processes without end"


@pytest.mark.control("containers.own-namespaces")
def test_the_host_is_out_of_sight(finding, host, running):
    finding.expect("processes, network, mounts, names and cgroups of its own for every container")
    listings = (finding.ask(host, question, codes=(0, 1, 2)).stdout for question in (inside.STATUS, inside.NAMESPACES))
    found = inside.processes(*listings)
    if not {1, *(each.pid for each in running)} <= found.keys():
        raise CouldNotAsk("a container's first process ended while it was looked at")
    judge(
        finding,
        [(each, each) for each in running],
        lambda each: ", ".join(f"shares {kind}" for kind in inside.shared_namespaces(each, running, found)),
        "namespaces of their own",
    )

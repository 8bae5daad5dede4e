"""A host's process: how it is started so that it outlives us, found again, and stopped."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from hedgerow.errors import UnreachableError
from hedgerow.targets.lab.commands import attempt, run
from hedgerow.targets.lab.places import HostPlace

CGROUPS = Path("/sys/fs/cgroup")
CGROUP2_MAGIC_MOUNT = " - cgroup2 "

# The last thing before systemd-nspawn, in the same process. It writes down who it is before
# anything else, so that a crash of the installer at any moment leaves no host without a record.
# Each host has a cgroup of its own: systemd-nspawn makes "payload" below the one it finds
# itself in, and two hosts in one would share every service's cgroup.
LAUNCH = """
set -eu
record=$1 mode=$2 group=$3
shift 3
printf '%s %s %s\\n' $$ "$(cut -d ' ' -f 22 /proc/$$/stat)" "$group" >"$record.new"
mv "$record.new" "$record"
if [ "$mode" = private ]; then mount -t cgroup2 cgroup2 /sys/fs/cgroup; fi
if [ "$mode" != scope ]; then
  mkdir -p "/sys/fs/cgroup$group"
  echo $$ >"/sys/fs/cgroup$group/cgroup.procs"
fi
exec "$@"
"""

# cgroup.kill ends everything in the group and below, whoever started it, and nothing else.
END_GROUP = """
set -eu
mode=$1 group=/sys/fs/cgroup$2
if [ "$mode" = private ]; then mount -t cgroup2 cgroup2 /sys/fs/cgroup; fi
[ -d "$group" ] || exit 0
echo 1 >"$group/cgroup.kill"
tries=0
while [ -d "$group" ] && grep -q 'populated 1' "$group/cgroup.events"; do
  tries=$((tries + 1))
  [ $tries -lt 200 ] || exit 1
  sleep 0.05
done
[ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} +
"""


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for another: ids are used again, starting times are not."""

    pid: int
    started: int
    group: str


def cgroup_mode(mounts: str, systemd: bool) -> str:
    """Decide how hosts get a cgroup of their own, from /proc/self/mountinfo.

    `private`: the controller has version 1 controllers mounted, so each host sees a cgroup2
    of its own mount namespace. `scope`: systemd hands out cgroups here, so it is asked for
    one. `plain`: nobody does, so it is made.
    """
    version = ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[4] == str(CGROUPS):
            version = after.split()[0]
    if version != "cgroup2":
        return "private"
    return "scope" if systemd else "plain"


def current_mode() -> str:
    return cgroup_mode(Path("/proc/self/mountinfo").read_text(), Path("/run/systemd/system").is_dir())


def limits_enforced() -> bool:
    """True where hosts can limit processes: not where version 1 keeps the controllers."""
    offered = CGROUPS / "cgroup.controllers"
    return current_mode() != "private" and offered.exists() and "pids" in offered.read_text().split()


def group_of(machine: str, mode: str) -> str:
    return f"/machine.slice/hedgerow-lab-{machine}.scope" if mode == "scope" else f"/hedgerow-lab-{machine}"


def command(machine: str, bridge: str, place: HostPlace, mode: str) -> list[str]:
    """Return the whole command that starts a host."""
    nspawn = [
        "systemd-nspawn",
        "--settings=no",
        "--boot",
        f"--directory={place.root}",
        f"--machine={machine}",
        f"--hostname={place.folder.name}",
        f"--network-bridge={bridge}",
        "--register=no",
        "--keep-unit",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
        # Podman inside mounts file systems, keeps keyrings and loads its device filter.
        "--capability=all",
        "--system-call-filter=keyctl bpf add_key @mount",
    ]
    group = group_of(machine, mode)
    launch = ["/bin/sh", "-c", LAUNCH, "launch", str(place.process), mode, group, *nspawn]
    if mode == "scope":
        unit = Path(group).name
        asked = ["systemd-run", "--quiet", "--scope", "--collect", "--slice=machine.slice", f"--unit={unit}"]
        return [*asked, "--property=Delegate=yes", *launch]
    if mode == "private":
        return ["unshare", "--mount", "--propagation", "private", *launch]
    return launch


def find(place: HostPlace) -> Process | None:
    """Return the host's process if it is alive and truly the one that was started."""
    if not place.process.exists():
        return None
    pid, started, group = place.process.read_text().split()
    process = Process(int(pid), int(started), group)
    return process if is_alive(process) else None


def is_alive(process: Process) -> bool:
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # proc_pid_stat(5): the name in brackets may hold anything; state is field 3, starttime field 22.
    state, *rest = stat.rpartition(")")[2].split()
    return state not in "ZX" and int(rest[18]) == process.started


def start(machine: str, bridge: str, place: HostPlace) -> None:
    """Start a host that does not run. It belongs to nobody's session and outlives us."""
    mode = current_mode()
    end_group(machine, mode)
    place.process.unlink(missing_ok=True)
    with place.console.open("ab") as console:
        pid = os.posix_spawn(
            "/usr/bin/setsid",
            ["setsid", "--fork", *command(machine, bridge, place, mode)],
            {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "LC_ALL": "C.UTF-8"},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, console.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, console.fileno(), 2),
            ],
        )
    os.waitpid(pid, 0)
    deadline = time.monotonic() + 10
    while not place.process.exists():
        if time.monotonic() > deadline:
            raise UnreachableError(f"{machine} did not start: {last_lines(place)}")
        time.sleep(0.01)


def stop(machine: str, place: HostPlace, seconds: float = 30) -> None:
    """Shut a host down as its power button would; after `seconds`, cut the power."""
    process = find(place)
    if process is not None:
        signal_process(process, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while is_alive(process) and time.monotonic() < deadline:
            time.sleep(0.05)
    cut(machine, place)


def cut(machine: str, place: HostPlace) -> None:
    """End everything that runs in a host, at once. Nothing else can be hit: it is one cgroup."""
    end_group(machine, current_mode())
    if (process := find(place)) is not None:
        signal_process(process, signal.SIGKILL)
    place.process.unlink(missing_ok=True)


def signal_process(process: Process, number: int) -> None:
    """Signal exactly this process: the descriptor keeps its meaning even if the id is used again."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if is_alive(process):
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def end_group(machine: str, mode: str) -> None:
    wrapped = ["/bin/sh", "-c", END_GROUP, "end", mode, group_of(machine, mode)]
    run(["unshare", "--mount", "--propagation", "private", *wrapped] if mode == "private" else wrapped)


def last_lines(place: HostPlace, count: int = 12) -> str:
    """Return the end of a host's console, or say that it is empty."""
    if not place.console.exists():
        return "(its console is empty)"
    lines = [line.rstrip() for line in place.console.read_text(errors="replace").splitlines() if line.strip()]
    return "\n".join(lines[-count:]) or "(its console is empty)"


def leftover_mounts(machine: str) -> list[str]:
    """Return what systemd-nspawn mounts on the controller for a host and a killed one leaves there."""
    status, output, _ = attempt(["findmnt", "--raw", "--noheadings", "--output", "TARGET"])
    return [
        line
        for line in output.splitlines()
        if status == 0 and line.startswith("/run/systemd/nspawn/") and line.endswith(f"/{machine}")
    ]

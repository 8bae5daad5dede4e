"""A host's process: how it is started so that it outlives us, found again, and stopped."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hedgerow.errors import UnreachableError
from hedgerow.targets.lab import cgroups
from hedgerow.targets.lab.commands import SYSTEM_PATH
from hedgerow.targets.lab.kinds import Kind
from hedgerow.targets.lab.places import HostPlace, Machine

# The keeper of a host: it outlives us, and boots a container again when that reboots. SIGTERM is the
# power button: it is handed to what runs the guest, which shuts down in good order. Before
# anything else it writes down who it is, so that a crash of the installer at any moment leaves
# no host without a record. Each host has a cgroup of its own: systemd-nspawn makes "payload"
# below the one it finds itself in, and two hosts in one would share every service's cgroup.
# The keeper itself waits one level below: a group that hands controllers down holds no process
# (cgroup v2, "No Internal Process Constraint").
KEEPER = """
set -eu
record=$1 mode=$2 group=/sys/fs/cgroup$3
shift 3
printf '%s %s\\n' $$ "$(cut -d ' ' -f 22 /proc/$$/stat)" >"$record.new"
mv "$record.new" "$record"
if [ "$mode" = private ]; then mount -t cgroup2 cgroup2 /sys/fs/cgroup; fi
mkdir -p "$group/keeper"
echo $$ >"$group/keeper/cgroup.procs"
going=yes
trap 'going=no; kill -TERM "$guest"' TERM
while [ $going = yes ]; do
  sh -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$group" "$@" &
  guest=$!
  # A signal to the keeper ends the wait, not the child: then wait again, for how it ends.
  status=0
  wait $guest || status=$?
  while kill -0 $guest 2>/dev/null; do
    status=0
    wait $guest || status=$?
  done
  # systemd-nspawn(1), --keep-unit: 133 asks whoever started it to start it again.
  if [ $status != 133 ]; then going=no; fi
done
exit $status
"""


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for another: ids are used again, starting times are not."""

    pid: int
    started: int


def command(machine: Machine, guest: Sequence[str], mode: str) -> list[str]:
    """Return the whole command that starts a host, from the command that runs its guest."""
    group = cgroups.host_group(machine.lab, machine.host, mode)
    keeper = ["/bin/sh", "-c", KEEPER, "keeper", str(machine.place.process), mode, group, *guest]
    if mode == "scope":
        unit, part = cgroups.scope_name(machine.lab, machine.host), cgroups.slice_name(machine.lab)
        asked = ["systemd-run", "--quiet", "--scope", "--collect", f"--slice={part}", f"--unit={unit}"]
        described = f"--description=Hedgerow lab host {machine.name}"
        return [*asked, described, "--property=Delegate=yes", *keeper]
    if mode == "private":
        return ["unshare", "--mount", "--propagation", "private", *keeper]
    return keeper


def find(place: HostPlace) -> Process | None:
    """Return the host's process if it is alive and truly the one that was started."""
    if not place.process.exists():
        return None
    words = place.process.read_text().split()
    if len(words) < 2:  # a full disk leaves an empty record
        return None
    process = Process(int(words[0]), int(words[1]))
    return process if is_alive(process) else None


def keepers(place: HostPlace) -> list[Process]:
    """Return every process that keeps the host or is about to: the path of its record is a word of their commands.

    Whoever was killed while starting a host leaves one that has not written the record yet.
    """
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(place.process).encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                started = (folder / "stat").read_text().rpartition(")")[2].split()[19]
                found.append(Process(int(folder.name), int(started)))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def is_alive(process: Process) -> bool:
    try:
        stat = Path(f"/proc/{process.pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return is_the_one(stat, process)


def is_the_one(stat: str, process: Process) -> bool:
    """Read /proc/PID/stat: field 3 is the state (Z and X are dead), field 22 when it started (proc_pid_stat(5))."""
    # The name, in brackets, may hold spaces and brackets itself.
    state, *rest = stat.rpartition(")")[2].split()
    return state not in "ZX" and int(rest[18]) == process.started


def handed_down() -> list[int]:
    """Return what our caller left open for us, beyond the standard three.

    A host outlives us: a lock that somebody holds while we run, or a pipe that somebody reads to its end, would be the
    host's for as long as it lives.
    """
    found = []
    for number in sorted(int(link.name) for link in Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(OSError):  # the listing's own is closed by now
            if number > 2 and os.get_inheritable(number):
                found.append(number)
    return found


def start(machine: Machine, kind: Kind, bridge: str) -> None:
    """Start a host that does not run. It belongs to nobody's session and outlives us."""
    mode = cgroups.current_mode()
    cgroups.end(cgroups.host_group(machine.lab, machine.host, mode), mode)
    place = machine.place
    place.process.unlink(missing_ok=True)
    with place.console.open("ab") as console:
        pid = os.posix_spawn(
            "/usr/bin/setsid",
            ["setsid", "--fork", *command(machine, kind.command(machine, bridge), mode)],
            {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8"},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, console.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, console.fileno(), 2),
                *((os.POSIX_SPAWN_CLOSE, number) for number in handed_down()),
            ],
        )
    os.waitpid(pid, 0)
    deadline = time.monotonic() + 10
    while not place.process.exists():
        if time.monotonic() > deadline:
            raise UnreachableError(f"{machine.host} did not start. Its console says:\n{last_lines(place)}")
        time.sleep(0.01)


def stop(machine: Machine, seconds: float) -> None:
    """Shut a host down as its power button would; after `seconds`, cut the power."""
    process = find(machine.place)
    if process is not None:
        signal_process(process, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while is_alive(process) and time.monotonic() < deadline:
            time.sleep(0.05)
    cut(machine)


def cut(machine: Machine) -> None:
    """End everything that runs in a host, at once. Nothing else can be hit: it is one cgroup."""
    # The keeper first: it may be about to boot the host again, or not yet be in its group, or not even on record.
    for process in keepers(machine.place):
        signal_process(process, signal.SIGKILL)
    mode = cgroups.current_mode()
    cgroups.end(cgroups.host_group(machine.lab, machine.host, mode), mode)
    machine.place.process.unlink(missing_ok=True)


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


def last_lines(place: HostPlace, count: int = 12) -> str:
    """Return the end of a host's console, or say that it is empty."""
    text = place.console.read_text(errors="replace") if place.console.exists() else ""
    # systemd paints its console: what is colour there is noise in an error message.
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")
    lines = [line.rstrip() for line in plain.splitlines() if line.strip()]
    return "\n".join(lines[-count:]) or "(nothing)"

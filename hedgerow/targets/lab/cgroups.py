"""A cgroup for each host, on whatever controller: what bounds a host is also what ends it."""

from __future__ import annotations

from pathlib import Path

from hedgerow.targets.lab.commands import run

CGROUPS = Path("/sys/fs/cgroup")

# cgroup.kill ends everything in the group and below, whoever started it, and nothing else
# (cgroup v2, "Core Interface Files").
END = """
set -eu
mode=$1 group=/sys/fs/cgroup$2
if [ "$mode" = private ]; then mount -t cgroup2 cgroup2 /sys/fs/cgroup; fi
[ -d "$group" ] || exit 0
echo 1 >"$group/cgroup.kill"
tries=0
while grep -qs 'populated 1' "$group/cgroup.events"; do
  tries=$((tries + 1))
  [ $tries -lt 200 ] || { echo "something in $group does not end" >&2; exit 1; }
  sleep 0.05
done
# systemd, where it runs, may be removing the same folders.
find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || [ ! -d "$group" ]
"""


LIST = """
set -eu
mode=$1 group=/sys/fs/cgroup$2
if [ "$mode" = private ]; then mount -t cgroup2 cgroup2 /sys/fs/cgroup; fi
[ ! -d "$group" ] || find "$group" -mindepth 1 -maxdepth 1 -type d -printf '%f\\n'
"""


def mode_of(mounts: str, systemd: bool) -> str:
    """Decide how hosts get cgroups of their own, from /proc/self/mountinfo.

    `private`: version 1 controllers are mounted here, so the hosts get a mount name space
    with nothing but version 2 in it. `scope`: systemd hands out the cgroups here, so it is
    asked for one. `plain`: nobody does, so it is made.
    """
    version = ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[4] == str(CGROUPS):
            version = after.split()[0]  # a later mount lies over an earlier one
    if version != "cgroup2":
        return "private"
    return "scope" if systemd else "plain"


def current_mode() -> str:
    return mode_of(Path("/proc/self/mountinfo").read_text(), Path("/run/systemd/system").is_dir())


def limits_enforced() -> bool:
    """True where a host can limit the processes of a service: not where version 1 keeps that controller.

    systemd hands every controller it has on to who asks for all of them; elsewhere a group
    has what the root hands down.
    """
    mode = current_mode()
    if mode == "private":
        return False
    offered = CGROUPS / ("cgroup.controllers" if mode == "scope" else "cgroup.subtree_control")
    return "pids" in offered.read_text().split()


def slice_name(lab: str) -> str:
    """Return the slice of a lab. A plain dash would mean a slice within a slice (systemd.slice(5))."""
    return f"hedgerow-lab-{lab}".replace("-", r"\x2d") + ".slice"


def lab_group(lab: str, mode: str) -> str:
    """Return the cgroup that holds all hosts of a lab."""
    return f"/{slice_name(lab)}" if mode == "scope" else f"/hedgerow-lab-{lab}"


def host_group(lab: str, host: str, mode: str) -> str:
    """Return the cgroup of one host."""
    return f"{lab_group(lab, mode)}/{scope_name(lab, host) if mode == 'scope' else host}"


def scope_name(lab: str, host: str) -> str:
    return f"hedgerow-lab-{lab}-{host}.scope"


def hosts(lab: str, mode: str) -> list[str]:
    """Return the hosts of a lab that have a group, those that nobody remembers included."""
    found = in_hierarchy(LIST, lab_group(lab, mode), mode).split()
    if mode != "scope":
        return sorted(found)
    before, after = scope_name(lab, "\0").split("\0")
    return sorted(name.removeprefix(before).removesuffix(after) for name in found if name.endswith(after))


def end(group: str, mode: str) -> None:
    """End everything that runs in a group, at once, and remove it. Nothing happens where there is none."""
    in_hierarchy(END, group, mode)


def end_lab(lab: str, mode: str) -> None:
    """End what is left of a lab, and its slice."""
    end(lab_group(lab, mode), mode)
    if mode == "scope":
        state = run(["systemctl", "show", "--property=ActiveState", "--value", slice_name(lab)]).strip()
        if state == "active":
            run(["systemctl", "stop", slice_name(lab)])


def in_hierarchy(script: str, group: str, mode: str) -> str:
    """Run a script where /sys/fs/cgroup is the hierarchy that hosts live in, and return its output."""
    command = ["/bin/sh", "-c", script, "cgroup", mode, group]
    return run(["unshare", "--mount", "--propagation", "private", *command] if mode == "private" else command)

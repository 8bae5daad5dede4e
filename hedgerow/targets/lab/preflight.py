"""What this controller lacks for a lab, in one line each."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path

from hedgerow.errors import CallError
from hedgerow.targets.lab import dress, names, vm
from hedgerow.targets.lab.cgroups import current_mode
from hedgerow.targets.lab.commands import PROXIES, SYSTEM_PATH, attempt, environment, run
from hedgerow.targets.lab.names import LabSpec
from hedgerow.targets.lab.places import LabRecord

# The command, and the package it comes in on Debian and Ubuntu.
COMMANDS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "findmnt": "util-linux",
    "tar": "tar",
}
# What virtual machines need beyond that.
VM_COMMANDS = {**COMMANDS, "qemu-system-x86_64": "qemu-system-x86", "mke2fs": "e2fsprogs"}
# What Debian signs its packages with. Debian has it; Ubuntu does not install it by itself.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
BYTES_PER_HOST = 4 * 1024**3

# Each is tried in name spaces of its own, which end with the command: nothing stays behind.
TRIALS = {
    "name spaces (mount, process, network, host name, IPC)": [
        *("unshare", "--mount", "--pid", "--fork", "--net", "--uts", "--ipc", "true"),
    ],
    "network bridges (module bridge)": ["unshare", "--net", "ip", "link", "add", "hg-trial", "type", "bridge"],
    "pairs of virtual interfaces (module veth)": [
        *("unshare", "--net", "ip", "link", "add", "hg-trial", "type", "veth", "peer", "name", "hg-trial2"),
    ],
    "address translation by nftables (modules nf_tables, nft_masq)": [
        *("unshare", "--net", "nft", "add table ip trial; add chain ip trial out"),
        "{ type nat hook postrouting priority 100; }; add rule ip trial out masquerade",
    ],
    "overlay file systems (module overlay), which Podman in the hosts needs": [
        *("unshare", "--mount", "--propagation", "private", "sh", "-euc"),
        "mount -t tmpfs tmpfs /tmp; cd /tmp; mkdir low up work all;"
        " mount -t overlay -o lowerdir=low,upperdir=up,workdir=work overlay all",
    ],
}
VM_TRIAL = {
    "tap devices (module tun)": ["unshare", "--net", "ip", "tuntap", "add", "dev", "hg-trial", "mode", "tap"],
}
# What hosts need where version 1 lies over it; version 2 itself cannot be mounted over itself.
CGROUP_TRIAL = {
    "cgroup version 2": [
        *("unshare", "--mount", "--propagation", "private", "mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"),
    ],
}


def missing_commands(commands: dict[str, str] = COMMANDS, keyring: Path = KEYRING) -> list[str]:
    """Name the Debian packages of the commands that are not here, each once."""
    absent: dict[str, list[str]] = {}
    for command, package in commands.items():
        if shutil.which(command, path=SYSTEM_PATH) is None:
            absent.setdefault(package, []).append(command)
    if not keyring.exists():
        absent["debian-archive-keyring"] = [str(keyring)]
    return [
        f"not installed here: {' and '.join(lacking)} (apt-get install {package})"
        for package, lacking in sorted(absent.items())
    ]


def missing_features(machine: str) -> list[str]:
    """Try what the kernel must be able to do for hosts of this kind."""
    mode = current_mode()
    problems = []
    trials = {**TRIALS, **(CGROUP_TRIAL if mode == "private" else {}), **(VM_TRIAL if machine == "vm" else {})}
    for feature, trial in trials.items():
        status, _, complaint = attempt(trial, seconds=10)
        if status != 0:
            told = complaint.strip().splitlines()
            problems.append(f"the kernel here does not let us use {feature}: {told[0] if told else status}")
    if mode == "plain" and not os.access("/sys/fs/cgroup", os.W_OK):
        problems.append("/sys/fs/cgroup is read-only here: a lab host needs a cgroup of its own")
    return problems


def missing_room(folder: Path, new_hosts: int) -> list[str]:
    """Say whether `new_hosts` more fit on the disk that holds `folder`."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free, needed = shutil.disk_usage(there).free, new_hosts * BYTES_PER_HOST
    if free >= needed:
        return []
    return [
        f"{there} has {free / 1024**3:.1f} GiB left and {new_hosts} new host(s) need {needed / 1024**3:.0f} GiB: "
        "free some, or set HEDGEROW_STATE to a folder on a larger disk"
    ]


def missing_memory(machine: str, starting: int, memory: str | None = None, architecture: str = "") -> list[str]:
    """Say whether this controller can run `starting` more virtual machines; containers take what they use.

    `memory` is /proc/meminfo, `architecture` what the controller is, where they are not asked of it.
    """
    if machine != "vm":
        return []
    problems = []
    if (architecture or platform.machine()) != "x86_64":
        problems.append("machine: vm runs on x86-64 controllers only: write machine: container, which runs everywhere")
    text = Path("/proc/meminfo").read_text() if memory is None else memory
    (free,) = (int(line.split()[1]) // 1024 for line in text.splitlines() if line.startswith("MemAvailable:"))
    if free < starting * vm.MEMORY_MIB:
        problems.append(
            f"{free / 1024:.1f} GiB of memory are free here and {starting} virtual machine(s) take "
            f"{starting * vm.MEMORY_MIB / 1024:.0f} GiB: free some, declare fewer hosts, or write machine: container"
        )
    return problems


def unfit_disk(folder: Path) -> list[str]:
    """Say whether hosts can live on the file system that holds `folder`."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    kind, options = run(["findmnt", "--noheadings", "--output", "FSTYPE,OPTIONS", "--target", str(there)]).split()[:2]
    return disk_problems(str(there), kind, options.split(","))


def disk_problems(folder: str, kind: str, options: Sequence[str]) -> list[str]:
    advice = "set HEDGEROW_STATE to a folder on an ordinary disk (in a container: a volume)"
    problems = []
    if kind == "overlay":
        # The kernel takes no overlay as the upper layer of another.
        problems.append(f"{folder} is on an overlay, on which Podman in the hosts cannot put its own: {advice}")
    if barred := sorted({"nosuid", "noexec", "nodev"}.intersection(options)):
        problems.append(f"{folder} is mounted {', '.join(barred)}, under which no host can run: {advice}")
    return problems


def unusable_names() -> list[str]:
    """Say whether hosts could resolve names and reach the proxies that this controller uses."""
    problems = []
    resolver = dress.resolver_file()
    text = resolver.read_text() if resolver.exists() else ""
    servers, lost = dress.nameservers(text), dress.unreachable_nameservers(text)
    if not servers:
        problems.append(f"{resolver} names no name server: lab hosts could not install packages")
    elif servers == lost:
        problems.append(f"{resolver} names only {', '.join(lost)}, which lab hosts cannot reach")
    given = environment()
    problems += [
        f"{name} is {given[name]}, which lab hosts cannot reach: name the proxy by an address of its own"
        for name in PROXIES
        if name != "no_proxy" and any(local in given.get(name, "") for local in ("//127.", "//localhost", "//[::1]"))
    ]
    return problems


def subnet_problem(declared: str | None, taken: Sequence[IPv4Network]) -> list[str]:
    try:
        names.choose_subnet(declared, taken)
    except CallError as error:
        return [f"{error.message}. {error.fix}"]
    return []


def moved(declared: LabSpec | None, record: LabRecord) -> list[str]:
    """Say what a lab that is there cannot become by another install."""
    pairs = [
        ("subnet", str(record.subnet), declared.subnet if declared else None),
        ("machine", record.machine, declared.machine if declared else None),
    ]
    return [
        f"target.{key}: the lab {record.name} was set up with {before} and is now declared with {now}: destroy it first"
        for key, before, now in pairs
        if now is not None and now != before
    ]

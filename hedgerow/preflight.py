"""Everything about a host that would make an install fail, found before it starts.

One question a host, answered by a small script that only reads; the judgement is a function of its answer.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from hedgerow import budget, ssh
from hedgerow.declaration import Capacity, Declaration, covers
from hedgerow.declaration.backups import Backup
from hedgerow.errors import HedgerowError, UnreachableError
from hedgerow.firewall_values import ssh_sources
from hedgerow.hosts import Host, Site
from hedgerow.service_rows import Table

SUPPORTED = {("debian", "13"): "Debian 13", ("ubuntu", "24.04"): "Ubuntu 24.04"}
OURS = {22: "sshd", 80: "nginx", 443: "nginx", 5432: "postgres", 6379: "valkey"}
PORTS = {"edge": (80, 443), "app": (), "data": (5432, 6379)}

PROBE = r"""
import glob, json, os, shutil, socket, subprocess, sys
def out(*words):
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
release = {}
with open("/etc/os-release") as stream:
    for line in stream:
        key, _, value = line.strip().partition("=")
        release[key] = value.strip('"')
# Where backups are to lie: the disk of its nearest folder that is there.
place = sys.argv[1] if len(sys.argv) > 1 else "/var"
while not os.path.isdir(place):
    place = os.path.dirname(place) or "/"
processor = []
with open("/proc/cpuinfo") as stream:
    for line in stream:
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            processor = value.split()
            break
memory = int(next(line for line in open("/proc/meminfo") if line.startswith("MemTotal")).split()[1])
listeners = []
for line in out("ss", "-tlnpH").splitlines():
    words = line.split()
    listeners.append([int(words[3].rsplit(":", 1)[1]), words[5].split('"')[1] if len(words) > 5 else "?"])
disks = {}
for size in glob.glob("/sys/class/block/*/size"):
    disks["/dev/" + size.split("/")[4]] = int(open(size).read()) * 512
for link in glob.glob("/dev/disk/by-*/*"):
    disks[link] = disks.get(os.path.realpath(link), 0)
print(json.dumps({
    "id": release.get("ID", "?"), "version": release.get("VERSION_ID", "?"), "uid": os.geteuid(),
    "disk_free": shutil.disk_usage("/var").free, "disk_size": shutil.disk_usage("/var").total,
    "backup_free": shutil.disk_usage(place).free, "backup_size": shutil.disk_usage(place).total,
    "backup_apart": os.stat(place).st_dev != os.stat("/var").st_dev,
    "installed": os.path.isdir("/etc/hedgerow"), "memory": memory * 1024, "listeners": listeners,
    "systemd": os.path.isdir("/run/systemd/system"), "machine": os.uname().machine, "processor": processor,
    "addresses": out("hostname", "-I").split(),
    "disks": disks,
    "apt_busy": bool(out("pgrep", "-x", "dpkg|apt|apt-get|aptitude").strip()),
}))
"""


@dataclass(frozen=True)
class Facts:
    """What a host says of itself: sizes in bytes, the disk that of /var, listeners as (port, process).

    `disks` are the sizes of its block devices, by each name that they have; `processor` is what that can do, in the
    words of /proc/cpuinfo.
    `installed` is true where an install has been before: then what is used is used by what we have budgeted.
    """

    id: str
    version: str
    uid: int
    disk_free: int
    disk_size: int
    installed: bool
    memory: int
    listeners: tuple[tuple[int, str], ...]
    systemd: bool
    machine: str
    addresses: tuple[str, ...]
    apt_busy: bool
    backup_free: int = 0
    backup_size: int = 0
    backup_apart: bool = False
    disks: Mapping[str, int] = field(default_factory=dict)
    processor: frozenset[str] = frozenset()


def ask(host: Host, known_hosts: Path, backups_to: str = "/var") -> Facts:
    """Ask one host. Raises UnreachableError when it cannot be asked, or will not let the account become root."""
    answer = ssh.ask(host, known_hosts, ["sudo", "-n", "python3", "-", backups_to], stdin=PROBE)
    if answer.returncode:
        raise UnreachableError(
            f"{host.name}: {host.user} could not run Python 3 as root: {answer.stderr.strip()[-300:]}",
            f"Install python3 and sudo there and allow it: echo '{host.user} ALL=(ALL) NOPASSWD:ALL' "
            f"> /etc/sudoers.d/90-{host.user}",
        )
    said = json.loads(answer.stdout)
    said["listeners"] = tuple((int(port), str(process)) for port, process in said["listeners"])
    said["addresses"] = tuple(said["addresses"])
    said["processor"] = frozenset(said["processor"])
    return Facts(**said)


@dataclass(frozen=True)
class Needs:
    """What a host must offer, by what takes it: bytes on disk and bytes of memory (hedgerow/budget.py).

    `backups` are the bytes of all that lie in the folder `backups_to`, 0 where none do.
    `volume` is the disk that is declared for the stores, "" where they lie on the host's own.
    `processor` is what that must be able to do: service -> machine -> words of /proc/cpuinfo.
    """

    disk: budget.Budget
    memory: budget.Budget
    backups: int = 0
    backups_to: str = "/var"
    volume: str = ""
    processor: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)


def needs(
    host: Host, table: Table, capacity: Capacity, declared: Backup | None = None, *, lab: bool, volume: str = ""
) -> Needs:
    """Return what a host must offer; `volume` is the disk that is declared for the stores."""
    load = load_of(capacity)
    rows, memory = budget.disk(host, table, load, lab=lab), budget.memory(host, table, lab=lab)
    wanted = Needs(rows, memory, volume=volume if "data" in host.roles else "", processor=_built_for(host, table))
    if declared is None or "data" not in host.roles:
        return wanted
    kept = budget.Copies(declared.keep_days, declared.destination.kind != "folder")
    rows = {**rows, "a backup, while it is made": budget.making(host, table, load, kept, lab=lab)}
    if kept.away:
        return replace(wanted, disk=rows)
    copies = budget.copies(host, table, load, kept, lab=lab)
    return replace(wanted, disk=rows, backups=copies, backups_to=declared.to)


def _built_for(host: Host, table: Table) -> dict[str, Mapping[str, tuple[str, ...]]]:
    """Return what the services of a host were built to find in a processor."""
    rows = {row.name: table.images[row.image].processor for row in table.services if row.tier in host.roles}
    return {name: wanted for name, wanted in rows.items() if wanted}


def load_of(capacity: Capacity) -> budget.Load:
    """Return what was declared, in the words of the budget."""
    return budget.Load(capacity.events_a_day, capacity.keep_days, capacity.reserve_gib * budget.GIB)


def judge(host: Host, facts: Facts, wanted: Needs) -> list[str]:
    """Return what stands in the way on this host, one line each with its fix; empty when nothing does."""
    problems = []
    if (facts.id, facts.version) not in SUPPORTED:
        problems.append(f"{facts.id} {facts.version} is not supported; use {' or '.join(SUPPORTED.values())}")
    if facts.uid != 0:
        problems.append(f"sudo gave user id {facts.uid}, not root; allow {host.user} to run everything")
    if not facts.systemd:
        problems.append("systemd does not run there; Hedgerow's services are systemd units")
    disk = wanted.disk if facts.backup_apart or not wanted.backups else {**wanted.disk, "backups": wanted.backups}
    own, stores = budget.apart(disk) if wanted.volume else (disk, {})
    problems += _room(facts, own)
    problems += _volume(facts, wanted.volume, stores) if wanted.volume else []
    problems += _room_apart(facts, wanted) if facts.backup_apart else []
    memory = sum(wanted.memory.values())
    if not budget.enough_memory(facts.memory, memory):
        problems.append(
            f"{facts.memory / budget.GIB:.1f} GiB of memory, {memory / budget.GIB:.1f} GiB are needed "
            f"({budget.in_words(wanted.memory)}); take a machine with {budget.machine(memory)} GiB, or move a role to "
            "another host"
        )
    problems += _processor(facts, wanted)
    if ipaddress.ip_address(host.private_address).version == 4 and host.private_address not in facts.addresses:
        problems.append(
            f"{host.private_address} is not an address of this host ({', '.join(facts.addresses) or 'none'}); "
            "set target.hosts[].private_address to the one its peers use"
        )
    if facts.apt_busy:
        problems.append("another package installation is running there; wait until it ends")
    for role in host.roles:
        problems += [line for port in PORTS[role] for line in _taken(port, facts.listeners)]
    return problems


def _processor(facts: Facts, wanted: Needs) -> list[str]:
    """A program that was built for a newer processor ends with "Illegal instruction", and its container starts anew."""
    lacking = {
        service: [word for word in machines.get(facts.machine, ()) if word not in facts.processor]
        for service, machines in wanted.processor.items()
    }
    return [
        f"{service} does not run on a processor without {' '.join(words)}; take a newer machine, or have a virtual one "
        'see the processor beneath it (its CPU type "host")'
        for service, words in lacking.items()
        if words
    ]


def _room(facts: Facts, wanted: budget.Budget) -> list[str]:
    """On a new host the budget must be free, but for the system, which is there; later the disk must be as large.

    What is left on a host in use is watched by `status` and by the edge, which refuses events in time.
    """
    if facts.installed:
        needed, there, what = sum(wanted.values()), facts.disk_size, "in all"
    else:
        needed, there, what = sum(wanted.values()) - wanted["system"], facts.disk_free, "free"
    if there >= needed:
        return []
    return [
        f"{there / budget.GIB:.1f} GiB {what} under /var, {needed / budget.GIB:.1f} GiB are needed "
        f"({budget.in_words(wanted)}); enlarge the disk, or declare less in capacity.events_a_day or capacity.keep_days"
    ]


def _volume(facts: Facts, device: str, wanted: budget.Budget) -> list[str]:
    """The disk of the stores is there, and has room for them."""
    if device not in facts.disks:
        return [f"there is no disk {device} (encrypted_volume.device); `ls /dev/disk/by-id` there lists those that are"]
    needed = sum(wanted.values())
    if facts.disks[device] >= needed:
        return []
    return [
        f"{facts.disks[device] / budget.GIB:.1f} GiB on {device}, {needed / budget.GIB:.1f} GiB are needed "
        f"({budget.in_words(wanted)}); take a larger disk, or declare less in capacity (events_a_day, keep_days)"
    ]


def _room_apart(facts: Facts, wanted: Needs) -> list[str]:
    """Where backups lie on a disk of their own it must have room for all that are kept."""
    there = facts.backup_size if facts.installed else facts.backup_free
    if there >= wanted.backups:
        return []
    return [
        f"{there / budget.GIB:.1f} GiB {'in all' if facts.installed else 'free'} at {wanted.backups_to}, where backups"
        f" go; {wanted.backups / budget.GIB:.1f} GiB are needed; enlarge it, or declare less in backup.keep_days"
    ]


def check(
    hosts: Mapping[Host, Needs], known_hosts: Path, say: Callable[[str], None] = lambda _: None, *, patience: float = 0
) -> dict[str, list[str]]:
    """Return each host's problems by its name. Raises UnreachableError, naming every host that cannot be asked.

    An installation that a killed run began goes on without it: it is given `patience` seconds to end.
    """
    found: dict[str, list[str]] = {}
    silent: list[HedgerowError] = []
    for host, wanted in hosts.items():
        try:
            found[host.name] = judge(host, _ask_patiently(host, known_hosts, say, patience, wanted.backups_to), wanted)
        except HedgerowError as error:
            silent.append(error)
    if silent:
        raise UnreachableError("\n".join(error.message for error in silent), silent[0].fix)
    return found


def _ask_patiently(
    host: Host, known_hosts: Path, say: Callable[[str], None], patience: float, backups_to: str
) -> Facts:
    deadline = time.monotonic() + patience
    facts = ask(host, known_hosts, backups_to)
    while facts.apt_busy and time.monotonic() < deadline:
        say(f"{host.name}: waiting for a package installation that is running there")
        time.sleep(1)
        facts = ask(host, known_hosts, backups_to)
    return facts


def locked_out(declaration: Declaration, site: Site) -> list[str]:
    """Return the line that says that the declared firewall would keep this very controller out, if it would."""
    sources = ssh_sources(declaration, site.controller)
    if covers(sources, site.controller):
        return []
    return [
        f"access.ssh_from ({', '.join(sources)}) does not hold {site.controller}, which is where the hosts see this "
        "machine come from: the firewall would lock you out. Add it, or the keyword controller"
    ]


def _taken(port: int, listeners: tuple[tuple[int, str], ...]) -> list[str]:
    """A port is free when nobody or our own program listens on it."""
    strangers = sorted(
        {process for taken, process in listeners if taken == port and not process.startswith(OURS[port])}
    )
    return [f"port {port} is taken by {', '.join(strangers)}; stop it there first"] if strangers else []

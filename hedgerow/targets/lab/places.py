"""Where the lab keeps its things on the controller, and how its state is written down."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from hedgerow.errors import CallError

PROJECT = Path(__file__).resolve().parents[3]
RECIPE = PROJECT / "lab" / "host"


@dataclass(frozen=True)
class Places:
    """The two folders everything lies in. HEDGEROW_CACHE and HEDGEROW_STATE move them."""

    cache: Path = Path("/var/cache/hedgerow")
    state: Path = Path("/var/lib/hedgerow")
    # /run is emptied when the controller starts, as the settings it speaks of are.
    run: Path = Path("/run/hedgerow")
    forward: Path = Path("/proc/sys/net/ipv4/ip_forward")

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Places:
        return cls(
            cache=Path(environment.get("HEDGEROW_CACHE") or cls.cache).absolute(),
            state=Path(environment.get("HEDGEROW_STATE") or cls.state).absolute(),
        )

    @property
    def labs(self) -> Path:
        return self.state / "lab"


@dataclass(frozen=True)
class HostPlace:
    """One host's folder: what it boots from, its console and its process.

    A container boots from `root`, a virtual machine from `disk` with `kernel` and `initrd`; `half_made` becomes either.
    `second_disk` is a machine's as well, and empty.
    """

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def disk(self) -> Path:
        return self.folder / "disk.img"

    @property
    def second_disk(self) -> Path:
        return self.folder / "second.img"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.img"

    @property
    def half_made(self) -> Path:
        return self.folder / "root.new"

    @property
    def host_key(self) -> Path:
        return self.folder / "host_key.pub"

    @property
    def process(self) -> Path:
        return self.folder / "process"

    @property
    def console(self) -> Path:
        return self.folder / "console.log"


@dataclass(frozen=True)
class Machine:
    """One host as its process knows it. `lab` is the lab's short name."""

    lab: str
    host: str
    place: HostPlace

    @property
    def name(self) -> str:
        return f"{self.lab}-{self.host}"


@dataclass(frozen=True)
class LabPlace:
    """One lab's folder."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    @property
    def identity(self) -> Path:
        return self.folder / "identity"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def host(self, name: str) -> HostPlace:
        return HostPlace(self.folder / "hosts" / name)

    def hosts_found(self) -> list[str]:
        """Return the hosts that have a folder, known or not."""
        hosts = self.folder / "hosts"
        return sorted(path.name for path in hosts.iterdir()) if hosts.is_dir() else []


@dataclass(frozen=True)
class HostRecord:
    name: str
    roles: tuple[str, ...]
    address: str


@dataclass(frozen=True)
class LabRecord:
    """What was decided for a lab. It is written before any of it is made, so that `destroy` always knows."""

    name: str
    subnet: IPv4Network
    image: str
    hosts: tuple[HostRecord, ...]
    machine: str = "container"

    def save(self, path: Path) -> None:
        hosts = [{"name": host.name, "roles": list(host.roles), "address": host.address} for host in self.hosts]
        record = {"name": self.name, "machine": self.machine, "subnet": str(self.subnet), "image": self.image}
        write(path, json.dumps({**record, "hosts": hosts}, indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> LabRecord | None:
        try:
            record = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise CallError(f"{path} cannot be read", "Labs belong to root: run this as root.") from error
        hosts = tuple(HostRecord(host["name"], tuple(host["roles"]), host["address"]) for host in record["hosts"])
        # Labs that were made before there were two kinds do not say which they are.
        machine = record.get("machine", "container")
        return cls(record["name"], IPv4Network(record["subnet"]), record["image"], hosts, machine)


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file beside its place and rename it, so that a crash leaves the old one or the new one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel lets go of when its holder ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

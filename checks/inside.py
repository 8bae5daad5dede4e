"""Reading what Podman and the kernel say about containers."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.on_host import program
from hedgerow.sheet import Declared, Sheet

INSPECT = "podman ps -aq --no-trunc | xargs -r podman container inspect"
IMAGES = "podman images --all --no-trunc --format json"
FIELDS = ("Name", "Uid", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
KINDS = ("pid", "net", "ipc", "mnt", "uts", "cgroup")
STATUS = f"grep -HEs '^({'|'.join(FIELDS)}):' /proc/[0-9]*/status"
NAMESPACES = "find /proc/[0-9]*/ns -ignore_readdir_race -type l -printf '%p %l\\n'"

METADATA = ("169.254.169.254", 80)
"""Where a cloud tells an instance its credentials."""

MAIL_PORTS = (25, 465, 587)
SENDERS = ("web", "worker", "temporal-django-worker")

UNIT = "PODMAN_SYSTEMD_UNIT"
OURS = "hedgerow-"


@dataclass(frozen=True)
class Container:
    """A container as `podman container inspect` describes it. `pid` is 0 when it does not run."""

    name: str
    unit: str
    pid: int
    described: Mapping[str, Any]

    @property
    def service(self) -> str:
        """The service it runs for, by the unit that started it; "" for a container of nobody's."""
        ours = self.unit.startswith(OURS) and self.unit.endswith(".service")
        return self.unit.removeprefix(OURS).removesuffix(".service") if ours else ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses in Podman's networks."""
        networks = self.described["NetworkSettings"]["Networks"] or {}
        return tuple(each["IPAddress"] for each in networks.values() if each["IPAddress"])


@dataclass(frozen=True)
class Process:
    """A process of the host or of a container: what its status says, and the namespaces it is in."""

    pid: int
    status: Mapping[str, str]
    namespaces: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.status["Name"]


def containers(inspected: str) -> list[Container]:
    """Return every container, running or not, that `podman container inspect` listed, by name.

    Podman's own order is that of their making, and a report would tell of a change after each restart.
    """
    found = [
        Container(
            name=each["Name"],
            unit=((each["Config"].get("Labels") or {}).get(UNIT, "")),
            pid=each["State"]["Pid"],
            described=each,
        )
        for each in json.loads(inspected or "[]")
    ]
    return sorted(found, key=lambda each: each.name)


def digests(listed: str) -> dict[str, frozenset[str]]:
    """Return the digests under which Podman holds each image, by the image's id, as `podman images` listed them.

    An image for several platforms has that of its index beside that of its own manifest. Podman computes them from the
    documents that it checked and stored; a name that somebody gives an image adds none.
    """
    return {
        each["Id"].removeprefix("sha256:"): frozenset(name.partition("@")[2] for name in each.get("RepoDigests") or ())
        for each in json.loads(listed or "[]")
    }


def processes(status: str, namespaces: str) -> dict[int, Process]:
    """Return every process that both listings know; one that ended between them is left out."""
    told: dict[int, dict[str, str]] = {}
    for line in status.splitlines():
        path, field, value = line.split(":", 2)
        told.setdefault(_pid(path), {})[field] = value.strip()
    spaces: dict[int, dict[str, str]] = {}
    for line in namespaces.splitlines():
        path, _, number = line.partition(" ")
        if number:  # a link that could not be read any more is the trace of a process that ended
            spaces.setdefault(_pid(path), {})[path.rpartition("/")[2]] = number
    return {
        pid: Process(pid, told[pid], spaces[pid])
        for pid in told
        if told[pid].keys() >= set(FIELDS) and spaces.get(pid, {}).keys() >= set(KINDS)
    }


def within(container: Container, all_processes: Mapping[int, Process]) -> list[Process]:
    """Return the processes that run in a container: those that share its first process's mounts."""
    first = all_processes.get(container.pid)
    if first is None:
        return []
    return [each for each in all_processes.values() if each.namespaces.get("mnt") == first.namespaces["mnt"]]


def shared_namespaces(container: Container, others: Iterable[Container], found: Mapping[int, Process]) -> list[str]:
    """Return the namespaces a container has in common with the host (its pid 1) or with another container."""
    own, host = found[container.pid].namespaces, found[1].namespaces
    shared = [f"{kind} of the host" for kind in KINDS if own[kind] == host[kind]]
    for other in others:
        if other.pid != container.pid and other.pid in found:
            theirs = found[other.pid].namespaces
            shared += [f"{kind} of {other.name}" for kind in KINDS if own[kind] == theirs[kind] != host[kind]]
    return shared


def stores(declared: Declared) -> list[tuple[str, int]]:
    """Return where the stores are for the containers of this host."""
    return list(dict.fromkeys((address, port) for _, _, address, port in declared.hops))


def to_the_relay(declared: Declared) -> list[str]:
    """Return the ways by which mail may leave, as a trial names them."""
    relay = declared.mail
    return [f"{OURS}{name}: tcp {relay.address}:{relay.port}" for name in SENDERS] if relay else []


def trial(sheet: Sheet) -> str:
    """Return the question what a container reaches: ourselves, the hosts' own doors, a cloud's metadata, the stores.

    What is declared outside is tried from every container too: only those that deliver there may.
    """
    declared = sheet.declared
    gateways = [str(ipaddress.ip_network(subnet)[1]) for subnet in declared.app_subnets]
    doors = [(at, declared.ssh_port) for at in (*gateways, *(peer.private_address for peer in declared.hosts))]
    ours = [(sheet.controller, port) for port in (22, 443, *MAIL_PORTS)]
    outside = {
        "places": [place for place in map(_within, declared.outbound_to) if place],
        "covered": [place for place in (*ours, METADATA, *doors) if _declared(place, declared.outbound_to)],
        "containers": [OURS + name for name in declared.outbound_services],
    }
    ways: dict[str, list[tuple[str, int]]] = {}
    for service, _, address, port in declared.hops:
        ways.setdefault(OURS + service, []).append((address, port))
    if declared.mail:
        # Tried from everywhere: from the places of those that send, and from all others as from strangers.
        for service in set(SENDERS) & set(declared.services):
            ways.setdefault(OURS + service, []).append((declared.mail.address, declared.mail.port))
    return program("from_inside", json.dumps([*ours, METADATA, *doors]), json.dumps(ways), json.dumps(outside))


def _within(declared: str) -> tuple[str, int] | None:
    """Return one place in what was declared; None for IPv6, which containers do not have."""
    network, _, port = declared.rpartition(":")
    try:
        hosts = ipaddress.IPv4Network(network, strict=False)
    except ValueError:
        return None
    return str(hosts[min(1, hosts.num_addresses - 1)]), int(port)


def _declared(place: tuple[str, int], outbound_to: Sequence[str]) -> bool:
    return any(_covers(each, place) for each in outbound_to)


def _covers(declared: str, place: tuple[str, int]) -> bool:
    network, _, port = declared.rpartition(":")
    if port != str(place[1]):
        return False
    try:
        return ipaddress.ip_address(place[0]) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _pid(path: str) -> int:
    return int(path.split("/")[2])

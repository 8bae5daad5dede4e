"""What talks to what, as the hosts' kernels saw it during a run: sockets that listen, and connections being tracked.

The kernel remembers an open connection, and a closed one for two minutes: a map holds what was used lately, and what
is declared but idle is not on it. People's addresses are not kept: whoever is no part of the deployment is OUTSIDE.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hedgerow import ssh
from hedgerow.errors import HedgerowError
from hedgerow.hosts import Host, Site

OUTSIDE = "outside"
INSTALLER = "installer"
ITSELF = ""
"""The owner of what the kernel does not tell a process of: the host."""
OUR_PREFIX = "hedgerow-"

PROBE = r"""
import collections, json, re, subprocess

REFUSED = ("CLOSE", "SYN_SENT", "SYN_RECV")

def out(*words):
    try:
        return subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=15).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""

def sockets(state, *before):
    for line in out(*before, "ss", "-Htn" + ("l" if state == "listening" else ""), "-p", "state", state).splitlines():
        words = line.split()
        local, peer = words[2:4] if words[0].isdigit() else words[3:5]
        address, _, port = local.rpartition(":")
        owner = re.search(r'\(\("([^"]+)"', line)
        yield address.strip("[]").partition("%")[0], port, peer, owner[1] if owner else ""

containers = []
for each in json.loads(out("podman", "ps", "--format", "json") or "[]"):
    seen = json.loads(out("podman", "inspect", each["Id"]) or "[{}]")[0]
    networks = seen.get("NetworkSettings", {}).get("Networks") or {}
    pid = str(seen.get("State", {}).get("Pid", 0))
    ports = {int(port) for address, port, _, _ in sockets("listening", "nsenter", "-t", pid, "-n")
             if not address.startswith("127.") and address != "::1"}
    containers.append({"name": each["Names"][0], "ports": sorted(ports),
                       "addresses": sorted(one["IPAddress"] for one in networks.values() if one.get("IPAddress"))})
listening = sorted({(owner, int(port)) for address, port, _, owner in sockets("listening")
                    if not address.startswith("127.") and address != "::1"})
clients = collections.defaultdict(set)
for _, _, peer, owner in sockets("established"):
    clients[peer].add(owner)
own = re.findall(r"inet ([0-9.]+)/", out("ip", "-4", "addr"))
flows = collections.Counter()
try:
    tracked = open("/proc/net/nf_conntrack").read().splitlines()
except OSError:
    tracked = None
for line in tracked or []:
    words = line.split()
    named = [tuple(word.split("=", 1)) for word in words if re.match("(src|dst|dport|sport)=", word)]
    if words[2] not in ("tcp", "udp") or len(named) != 8 or "[UNREPLIED]" in words or words[5] in REFUSED:
        continue
    (_, source), (_, asked), _, (_, port), (_, server), _, (_, at), _ = named
    who = " ".join(sorted(clients.get(asked + ":" + port, ()))) if source in own else ""
    flows[words[2], source, asked, int(port), server, int(at), who] += 1
print(json.dumps({"containers": containers, "listening": listening, "own": own, "tracked": tracked is not None,
                  "flows": [[*flow, number] for flow, number in sorted(flows.items())]}))
"""


@dataclass(frozen=True, order=True)
class Node:
    """Who takes part. `kind` is edge, app, data, host or outside; `ports` are those it listens at for others."""

    name: str
    host: str
    kind: str
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, order=True)
class Way:
    """Connections from one node to a port of another, both by name, and how many of them the kernels remembered."""

    client: str
    server: str
    port: int
    protocol: str
    seen: int


@dataclass(frozen=True)
class Network:
    """The map of one run. `silent` names hosts that told nothing, so that what is missing is not taken for closed."""

    nodes: tuple[Node, ...] = ()
    ways: tuple[Way, ...] = ()
    silent: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @staticmethod
    def from_json(said: Mapping[str, Any]) -> Network:
        """Return what `as_json` wrote. Raises KeyError, TypeError."""
        nodes = tuple(Node(**{**row, "ports": tuple(row["ports"])}) for row in said["nodes"])
        return Network(nodes, tuple(Way(**row) for row in said["ways"]), tuple(said["silent"]))


@dataclass(frozen=True)
class Seen:
    """What one host said: `flows` are protocol, source, address and port asked for, who answered there, client, count.

    `listening` are owner and port on the host itself, `containers` its containers by name with addresses and ports.
    """

    listening: tuple[tuple[str, int], ...] = ()
    containers: Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    flows: tuple[tuple[str, str, str, int, str, int, str, int], ...] = ()


def ask(site: Site, known_hosts: Path, tiers: Mapping[str, str]) -> Network:
    """Ask all hosts at once and draw up the map. `tiers` says to which tier each service of the table belongs."""
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda host: _ask(host, known_hosts), site.hosts)
        seen = dict(zip((host.name for host in site.hosts), answers, strict=True))
    return draw_up(site, {name: said for name, said in seen.items() if said}, tiers)


def draw_up(site: Site, seen: Mapping[str, Seen], tiers: Mapping[str, str]) -> Network:
    """Return the map of what the hosts said. Pure."""
    names = Names(site, seen)
    ways: dict[tuple[str, str, int, str], int] = {}
    for host in site.hosts:
        for flow in seen[host.name].flows if host.name in seen else ():
            for key, count in _way(names, site, host, flow):
                ways[key] = ways.get(key, 0) + count
    found = tuple(sorted(Way(*key, seen=count) for key, count in ways.items()))
    nodes = {node.name: node for node in _nodes(site, seen, tiers)}
    for name in {one for way in found for one in (way.client, way.server)} - nodes.keys():
        nodes[name] = Node(name, "", "outside" if name in (OUTSIDE, INSTALLER) else "host")
    silent = tuple(host.name for host in site.hosts if host.name not in seen)
    return Network(tuple(sorted(nodes.values())), found, silent)


class Names:
    """Who has an address, as seen from one host: the same container address may be in use on each of them."""

    def __init__(self, site: Site, seen: Mapping[str, Seen]) -> None:
        self.seen = seen
        self.peers = {host.private_address: host.name for host in site.hosts}
        self.ours = {site.controller}
        # What a host passes on to a container is told by its own flows; others only see its address.
        self.passed_on = {
            (host, flow[3]): self._container(host, flow[4])
            for host, said in seen.items()
            for flow in said.flows
            if flow[2] in said.own and flow[4] != flow[2]
        }

    def client(self, host: str, source: str, who: str) -> str:
        """Return who connects from an address."""
        said = self.seen[host]
        if source in said.own:
            return _on(host, who)
        return self._container(host, source) or self._other(source)

    def server(self, host: str, asked: str, port: int) -> str:
        """Return who answers at an address and port."""
        said = self.seen[host]
        at = host if asked in said.own else self.peers.get(asked, "")
        if at and at in self.seen:
            owners = sorted({owner for owner, listens in self.seen[at].listening if listens == port})
            return _on(at, owners[0]) if owners else self.passed_on.get((at, port)) or _on(at, ITSELF)
        return self._container(host, asked) or (_on(at, ITSELF) if at else self._other(asked))

    def _container(self, host: str, address: str) -> str:
        found = self.seen[host].containers.items()
        return next((_short(name) for name, (addresses, _) in found if address in addresses), "")

    def _other(self, address: str) -> str:
        if address in self.peers:
            return _on(self.peers[address], ITSELF)
        return INSTALLER if address in self.ours else OUTSIDE


def read(said: str) -> Seen:
    """Return what a host said. Raises ValueError, KeyError, TypeError where that is no answer to the probe."""
    row = json.loads(said)
    return Seen(
        tuple((owner, port) for owner, port in row["listening"]),
        {each["name"]: (tuple(each["addresses"]), tuple(each["ports"])) for each in row["containers"]},
        tuple(row["own"]),
        tuple((one[0], one[1], one[2], one[3], one[4], one[5], one[6], one[7]) for one in row["flows"]),
    )


def _way(
    names: Names, site: Site, host: Host, flow: tuple[str, str, str, int, str, int, str, int]
) -> Iterator[tuple[tuple[str, str, int, str], int]]:
    protocol, source, asked, port, server, at, who, count = flow
    if source.startswith("127.") or (source == asked and source in names.seen[host.name].own):
        return
    # A peer knows which of its containers it was; here it would be that host, whoever asked.
    if source in names.peers and names.peers[source] != host.name and names.peers[source] in names.seen:
        return
    # Where the host passes a connection on to a container, that container is who answers, at the port asked for.
    target = names.server(host.name, server, at) if server != asked else names.server(host.name, asked, port)
    client = names.client(host.name, source, who)
    if client != target:
        yield (client, target, port, protocol), count


def _nodes(site: Site, seen: Mapping[str, Seen], tiers: Mapping[str, str]) -> Iterator[Node]:
    roles = {host.name: host.roles for host in site.hosts}
    for host, said in seen.items():
        for owner in sorted({owner for owner, _ in said.listening}):
            mine = tuple(sorted({port for who, port in said.listening if who == owner}))
            yield Node(_on(host, owner), host, _kind(owner, roles[host]), mine)
        for name, (_, ports) in said.containers.items():
            yield Node(_short(name), host, tiers.get(_short(name), "app"), ports)


def _kind(owner: str, roles: Iterable[str]) -> str:
    if owner == "nginx":
        return "edge"
    return "data" if "data" in roles and owner.startswith(("postgres", "valkey")) else "host"


def _on(host: str, owner: str) -> str:
    return host if owner == ITSELF else f"{owner} on {host}"


def _short(container: str) -> str:
    return container.removeprefix(OUR_PREFIX)


def _ask(host: Host, known_hosts: Path) -> Seen | None:
    words: Sequence[str] = ["sudo", "-n", "python3", "-"]
    try:
        answer = ssh.ask(host, known_hosts, words, stdin=PROBE, seconds=60)
        return read(answer.stdout) if answer.returncode == 0 else None
    except (HedgerowError, ValueError, KeyError, TypeError, IndexError):
        return None

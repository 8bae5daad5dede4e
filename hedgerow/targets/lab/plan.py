"""What `apply` would do, decided from what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hedgerow.hosts import Change
from hedgerow.targets.lab.names import LabSpec, Network

HOST_ACTIONS = {"running": "keep", "stopped": "change", "missing": "create"}


@dataclass(frozen=True)
class Facts:
    """What is there. `hosts` gives the state of each host that has a folder, declared or not."""

    image: str
    image_cached: bool
    bridge: bool
    table: bool
    forwarding: bool
    hosts: Mapping[str, str]


def changes(spec: LabSpec, network: Network, facts: Facts) -> list[Change]:
    """Return what is to be done, in the order in which it is done."""
    declared = [name for name, _ in spec.hosts]
    found = [Change("delete", "host", name) for name in facts.hosts if name not in declared]
    if any(state(name, facts) == "missing" for name in declared):
        found.append(Change(made(facts.image_cached), "host image", facts.image))
    found.append(Change(made(facts.bridge), "bridge", network.bridge, str(network.subnet)))
    found.append(Change(made(facts.table), "firewall table", network.table, "hosts reach out, nobody reaches in"))
    if not facts.forwarding:
        found.append(Change("change", "sysctl", "net.ipv4.ip_forward", "0 -> 1 while there is a lab"))
    return found + [host_change(name, roles, facts) for name, roles in spec.hosts]


def host_change(name: str, roles: Sequence[str], facts: Facts) -> Change:
    now = state(name, facts)
    detail = "boot it from its disk" if now == "stopped" else ", ".join(roles)
    return Change(HOST_ACTIONS[now], "host", name, detail)


def state(name: str, facts: Facts) -> str:
    return facts.hosts.get(name, "missing")


def made(there: bool) -> str:
    return "keep" if there else "create"

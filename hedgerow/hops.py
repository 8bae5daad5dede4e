"""Who of the services may reach what: the ways of the stack, and the firewall rules that open just these.

Pure. A service connects to a store at the data host's own address, and to the door of another service at the
application host's, whether that is its own host or not, so a deployment reads the same on one host and on several.
PostgreSQL and Valkey listen there themselves; for what is in a container the host passes the connection on to it, for
those that may use it and nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from hedgerow.hosts import Host
from hedgerow.service_rows import Service, Table

POSTGRES_PORT = 5432
VALKEY_PORT = 6379
EDGE_USER = "www-data"
EDGE = "edge"
EDGE_PORT = 443
NATIVE_STORES = (("postgres", "PostgreSQL", POSTGRES_PORT), ("valkey", "Valkey", VALKEY_PORT))

Row = dict[str, Any]
Rows = list[Row]


@dataclass(frozen=True)
class Hop:
    """One way: `service`, whose container has the address `source`, connects to `store` at `address`:`port`.

    A store is whoever is asked: also a service of the application, at its door.
    """

    service: str
    source: str
    store: str
    address: str
    port: int


@dataclass(frozen=True)
class Needs:
    """What the firewall of one host must let through for the stack, as rows of the `firewall` role."""

    inbound: Rows
    outbound: Rows
    forward: Rows
    published: Rows


def bridge(network: str) -> str:
    """Return the name of a network's bridge; the kernel takes 15 characters."""
    return f"hedgerow-{network}"


def address(table: Table, row: Service) -> str:
    """Return the fixed address of a service's container."""
    return str(IPv4Network(table.networks[row.network])[row.ip_offset])


def playing(hosts: Sequence[Host], role: str) -> list[Host]:
    """Return the hosts that play a role."""
    return [host for host in hosts if role in host.roles]


def hops(table: Table, hosts: Sequence[Host]) -> list[Hop]:
    """Return every way that a service is declared to need."""
    if not table.services:
        return []
    data = playing(hosts, "data")[0].private_address
    at = {"data": data, "app": playing(hosts, "app")[0].private_address}
    found = []
    for row in table.services:
        ports = [("postgres", POSTGRES_PORT)] * (row.postgres is not None)
        ports += [("valkey", VALKEY_PORT)] * (row.valkey is not None)
        found += [Hop(row.name, address(table, row), store, data, port) for store, port in ports]
        for other in map(table.service, row.uses):
            found += [Hop(row.name, address(table, row), other.name, at[other.tier], port) for port in entries(other)]
        if row.opens_pages:
            edge = playing(hosts, "edge")[0].private_address
            found.append(Hop(row.name, address(table, row), EDGE, edge, EDGE_PORT))
    return found


def entries(row: Service) -> tuple[int, ...]:
    """Return the ports by which others come in to a service: what a store serves, or the door of its side-car."""
    return row.serves or ((row.door,) if row.door else ())


def asked_by_edge(table: Table) -> list[Service]:
    """Return the services that the edge sends requests to."""
    names = dict.fromkeys([*(route.to for route in table.routes), *([table.default] if table.default else [])])
    return [table.service(name) for name in names]


def browsers(table: Table, hosts: Sequence[Host], host: Host) -> list[str]:
    """Return from where the edge on `host` sees the services come that open its pages."""
    return _clients(table, hosts, host, EDGE)


def origins(table: Table, hosts: Sequence[Host], host: Host, row: Service) -> list[str]:
    """Return from where a data host sees a service come.

    From its own containers the address is theirs. From another host it is that host's: what a host forwards for its
    containers leaves under the host's address.
    """
    own = address(table, row)
    return [f"{own if each.name == host.name else each.private_address}/32" for each in playing(hosts, row.tier)]


def ways_out(table: Table) -> list[str]:
    """Return the addresses of the services that may connect to what the declaration names outside."""
    return [f"{address(table, row)}/32" for row in table.services if row.outbound]


def needs(table: Table, hosts: Sequence[Host], host: Host) -> Needs:
    """Return what the host's firewall must let through for the stack."""
    if not table.services:
        return Needs([], [], [], [])
    inbound = _to_native(table, hosts, host, NATIVE_STORES) if "data" in host.roles else []
    inbound += _to_native(table, hosts, host, ((EDGE, "the edge", EDGE_PORT),)) if "edge" in host.roles else []
    outbound: Rows = []
    forward: Rows = []
    published: Rows = []
    for row in table.services:
        if row.tier in host.roles and entries(row):
            opened, passed, asked = _entrance(table, hosts, host, row)
            published += opened
            forward += passed
            outbound += asked
    if "app" in host.roles:
        web = table.service(table.default)
        why = "converge signs up the first user, and holds PostHog's settings, from its own host"
        outbound.append({**_tcp([web.port], why), "to": [f"{address(table, web)}/32"], "users": ["root"]})
    if "edge" in host.roles:
        outbound += _from_edge(table, hosts, host)
    for tier in ("app", "data"):
        if tier in host.roles:
            forward += _to_other_hosts(table, hosts, host, tier)
    return Needs(inbound, outbound, forward, published)


def _entrance(table: Table, hosts: Sequence[Host], host: Host, row: Service) -> tuple[Rows, Rows, Rows]:
    """Return the rules by which others come in to a container: where they find it, the way to it, and the checks."""
    place, ports = address(table, row), list(entries(row))
    clients = _clients(table, hosts, host, row.name)
    if row in asked_by_edge(table):
        # On the edge's own host nginx connects to the container itself.
        clients += [f"{each.private_address}/32" for each in playing(hosts, "edge") if each.name != host.name]
    checks = [{**_tcp(ports, f"the checks ask {row.name}"), "to": [f"{place}/32"], "users": ["root"]}]
    if not clients:
        return [], [], checks
    published = {
        **_tcp(ports, f"{row.name} for those that use it"),
        "from": clients,
        "address": host.private_address,
        "to": place,
    }
    passed = {**_tcp(ports, f"they reach {row.name}"), "from": clients, "to": [f"{place}/32"], "passed_on": True}
    return [published], [passed], checks


def _from_edge(table: Table, hosts: Sequence[Host], host: Host) -> Rows:
    """Return the rules that let nginx through to the services that it asks, and to no other."""
    rules: dict[str, list[int]] = {}
    for row in asked_by_edge(table):
        for port in entries(row):
            rules.setdefault(edge_address(table, hosts, host, row), []).append(port)
    why = "the edge passes requests on"
    return [{**_tcp(sorted(ports), why), "to": [f"{to}/32"], "users": [EDGE_USER]} for to, ports in rules.items()]


def edge_address(table: Table, hosts: Sequence[Host], host: Host, row: Service) -> str:
    """Return where the edge on `host` finds a service: its container, or the address of the host that it is on."""
    if row.tier in host.roles:
        return address(table, row)
    return playing(hosts, row.tier)[0].private_address


def _to_native(table: Table, hosts: Sequence[Host], host: Host, natives: Sequence[tuple[str, str, int]]) -> Rows:
    """Return the rules that let the services in to what runs on the host itself, to each its own clients."""
    rules = []
    for store, title, port in natives:
        why = f"services reach {title}"
        here = {
            row.network: [each for each in _clients(table, hosts, host, store) if _within(table, row.network, each)]
            for row in table.services
        }
        for network, clients in here.items():
            if clients:
                rules.append({**_tcp([port], why), "from": clients, "interface": bridge(network)})
        far = [each for each in _clients(table, hosts, host, store) if not any(each in some for some in here.values())]
        if far:
            rules.append({**_tcp([port], why), "from": far, "interface": ""})
    return rules


def _clients(table: Table, hosts: Sequence[Host], host: Host, store: str) -> list[str]:
    """Return from where a data host sees the clients of a store come.

    From its own containers the address is theirs. From another host it is that host's: what a host forwards for its
    containers leaves under the host's address.
    """
    found = []
    for hop in hops(table, hosts):
        if hop.store == store:
            row = table.service(hop.service)
            at_home = playing(hosts, row.tier)
            found += [
                f"{hop.source}/32" if each.name == host.name else f"{each.private_address}/32" for each in at_home
            ]
    return list(dict.fromkeys(found))


def _to_other_hosts(table: Table, hosts: Sequence[Host], host: Host, tier: str) -> Rows:
    """Return the rules that let this host's containers through to what they use on another one."""
    mine = [hop for hop in hops(table, hosts) if table.service(hop.service).tier == tier]
    rules = []
    for store, port in dict.fromkeys((hop.store, hop.port) for hop in mine if hop.address != host.private_address):
        chosen = [hop for hop in mine if (hop.store, hop.port) == (store, port)]
        rules.append(
            {
                **_tcp([port], f"services reach {store} on another host"),
                "from": [f"{hop.source}/32" for hop in chosen],
                "to": [f"{chosen[0].address}/32"],
                "passed_on": False,
            }
        )
    return rules


def _within(table: Table, network: str, client: str) -> bool:
    return IPv4Network(client).subnet_of(IPv4Network(table.networks[network]))


def _tcp(ports: list[int], why: str) -> Row:
    return {"proto": "tcp", "ports": ports, "why": why}

"""Who of the services may reach what: the ways of the stack, and the firewall rules that open just these.

Pure. A service of the application tier connects to a store at the data host's own address, whether it is on the same
host or not, so a deployment reads the same on one host and on several. PostgreSQL and Valkey listen there themselves;
for a store in a container the host passes the connection on to it, for those that may use it and nobody else.
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

Row = dict[str, Any]
Rows = list[Row]


@dataclass(frozen=True)
class Hop:
    """One way: `service`, whose container has the address `source`, connects to `store` at `address`:`port`."""

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
    found = []
    for row in table.services:
        ports = [("postgres", POSTGRES_PORT)] * (row.postgres is not None)
        ports += [("valkey", VALKEY_PORT)] * (row.valkey is not None)
        ports += [(name, port) for name in row.uses for port in table.service(name).serves]
        found += [Hop(row.name, address(table, row), store, data, port) for store, port in ports]
    return found


def origins(table: Table, hosts: Sequence[Host], host: Host, row: Service) -> list[str]:
    """Return from where a data host sees a service come.

    From its own containers the address is theirs. From another host it is that host's: what a host forwards for its
    containers leaves under the host's address.
    """
    own = address(table, row)
    return [f"{own if each.name == host.name else each.private_address}/32" for each in playing(hosts, row.tier)]


def needs(table: Table, hosts: Sequence[Host], host: Host) -> Needs:
    """Return what the host's firewall must let through for the stack."""
    if not table.services:
        return Needs([], [], [], [])
    inbound: Rows = []
    outbound: Rows = []
    forward: Rows = []
    published: Rows = []
    if "data" in host.roles:
        inbound = _to_native_stores(table, hosts, host)
        for row in table.services:
            if row.serves:
                clients = _clients(table, hosts, host, row.name)
                place = address(table, row)
                published.append(
                    {
                        **_tcp(list(row.serves), f"{row.name} for the services that use it"),
                        "from": clients,
                        "address": host.private_address,
                        "to": place,
                    }
                )
                why = f"services reach {row.name}"
                forward.append(
                    {**_tcp(list(row.serves), why), "from": clients, "to": [f"{place}/32"], "passed_on": True}
                )
                why = f"the checks ask {row.name}"
                outbound.append({**_tcp(list(row.serves), why), "to": [f"{place}/32"], "users": ["root"]})
    if "app" in host.roles:
        listening = [row for row in table.services if row.tier == "app" and row.port]
        why = "the edge passes requests to the services; the first sign-up is made directly"
        for network in dict.fromkeys(row.network for row in listening):
            ports = sorted({row.port for row in listening if row.network == network})
            outbound.append({**_tcp(ports, why), "to": [table.networks[network]], "users": ["root", EDGE_USER]})
        forward += _to_other_hosts(table, hosts, host)
    return Needs(inbound, outbound, forward, published)


def _to_native_stores(table: Table, hosts: Sequence[Host], host: Host) -> Rows:
    """Return the rules that let the services in to PostgreSQL and Valkey, each store its own clients."""
    rules = []
    for store, title, port in (("postgres", "PostgreSQL", POSTGRES_PORT), ("valkey", "Valkey", VALKEY_PORT)):
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


def _to_other_hosts(table: Table, hosts: Sequence[Host], host: Host) -> Rows:
    """Return the rules that let this host's containers through to the stores of another one."""
    mine = [hop for hop in hops(table, hosts) if table.service(hop.service).tier == "app"]
    rules = []
    for store, port in dict.fromkeys((hop.store, hop.port) for hop in mine if hop.address != host.private_address):
        chosen = [hop for hop in mine if (hop.store, hop.port) == (store, port)]
        rules.append(
            {
                **_tcp([port], f"services reach {store} on the data host"),
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

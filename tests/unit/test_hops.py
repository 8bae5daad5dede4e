"""Ways between services: what is open on which host for a store in a container, and that nothing else is."""

from __future__ import annotations

import pytest

from hedgerow.hops import hops, needs
from hedgerow.hosts import Host
from hedgerow.service_rows import Health, Image, Postgres, Service, Table, Valkey

ONE = (Host("one", "203.0.113.10", "192.0.2.10", "debian"),)
THREE = (
    Host("edge", "203.0.113.10", "192.0.2.10", "debian", roles=("edge", "app")),
    Host("store", "203.0.113.11", "192.0.2.11", "debian", roles=("data",)),
)


def service(name: str, offset: int, **values: object) -> Service:
    return Service(
        name=name, about=name, image="app", ip_offset=offset, memory="64m", health=Health(command=("true",)), **values
    )  # type: ignore[arg-type]


TABLE = Table(
    networks={"app": "10.90.0.0/24", "olap": "10.90.1.0/24", "log": "10.90.2.0/24"},
    images={"app": Image("registry.example/app", "localhost/app")},
    secrets={},
    environments={},
    services=(
        service("web", 10, port=8000, postgres=Postgres("app", 5), valkey=Valkey(()), uses=("olap",)),
        service("capture", 12, port=3000, valkey=Valkey(()), uses=("log",)),
        service("olap", 10, tier="data", network="olap", serves=(8443, 9440), uses=("log",)),
        service("log", 10, tier="data", network="log", serves=(9093,)),
    ),
    routes=(),
    default="web",
)


def test_a_way_is_there_for_what_a_service_uses_and_for_nothing_else() -> None:
    found = {(hop.service, hop.source, hop.store, hop.port) for hop in hops(TABLE, ONE)}
    assert found == {
        ("web", "10.90.0.10", "postgres", 5432),
        ("web", "10.90.0.10", "valkey", 6379),
        ("web", "10.90.0.10", "olap", 8443),
        ("web", "10.90.0.10", "olap", 9440),
        ("capture", "10.90.0.12", "valkey", 6379),
        ("capture", "10.90.0.12", "log", 9093),
        ("olap", "10.90.1.10", "log", 9093),
    }
    assert {hop.address for hop in hops(TABLE, ONE)} == {"192.0.2.10"}


def test_on_one_host_a_store_is_passed_on_to_its_clients_under_their_own_addresses() -> None:
    found = needs(TABLE, ONE, ONE[0])
    assert [(row["ports"], row["from"], row["address"], row["to"]) for row in found.published] == [
        ([8443, 9440], ["10.90.0.10/32"], "192.0.2.10", "10.90.1.10"),
        ([9093], ["10.90.0.12/32", "10.90.1.10/32"], "192.0.2.10", "10.90.2.10"),
    ]
    assert [(row["from"], row["to"], row["passed_on"]) for row in found.forward] == [
        (["10.90.0.10/32"], ["10.90.1.10/32"], True),
        (["10.90.0.12/32", "10.90.1.10/32"], ["10.90.2.10/32"], True),
    ]
    assert [(row["ports"], row["from"], row["interface"]) for row in found.inbound] == [
        ([5432], ["10.90.0.10/32"], "hedgerow-app"),
        ([6379], ["10.90.0.10/32", "10.90.0.12/32"], "hedgerow-app"),
    ]


def test_on_two_hosts_each_opens_its_own_half() -> None:
    front, store = (needs(TABLE, THREE, host) for host in THREE)
    assert [(row["ports"], row["from"], row["to"], row["passed_on"]) for row in front.forward] == [
        ([5432], ["10.90.0.10/32"], ["192.0.2.11/32"], False),
        ([6379], ["10.90.0.10/32", "10.90.0.12/32"], ["192.0.2.11/32"], False),
        ([8443], ["10.90.0.10/32"], ["192.0.2.11/32"], False),
        ([9440], ["10.90.0.10/32"], ["192.0.2.11/32"], False),
        ([9093], ["10.90.0.12/32"], ["192.0.2.11/32"], False),
    ]
    assert (front.published, front.inbound) == ([], [])
    assert [(row["ports"], row["from"], row["to"]) for row in store.published] == [
        ([8443, 9440], ["192.0.2.10/32"], "10.90.1.10"),
        ([9093], ["192.0.2.10/32", "10.90.1.10/32"], "10.90.2.10"),
    ]
    assert [(row["ports"], row["from"], row["interface"]) for row in store.inbound] == [
        ([5432], ["192.0.2.10/32"], ""),
        ([6379], ["192.0.2.10/32"], ""),
    ]


@pytest.mark.parametrize("host", THREE, ids=["edge", "store"])
def test_nothing_opens_for_everybody(host: Host) -> None:
    found = needs(TABLE, THREE, host)
    rows = [*found.inbound, *found.forward, *found.published]
    assert rows
    assert all("any" not in row["from"] for row in rows)

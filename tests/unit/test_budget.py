"""What is needed of a host, as tables of cases; and that each number says where it comes from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hedgerow import budget
from hedgerow.budget import GIB, MIB, Load
from hedgerow.declaration import Declaration, parse
from hedgerow.hosts import Host
from hedgerow.preflight import load_of
from hedgerow.services import NO_SERVICES, load_table

ALL = Host("analytics-1", "192.0.2.10", "192.0.2.10", "debian")
EDGE = replace(ALL, roles=("edge", "app"))
DATA = replace(ALL, roles=("data",))
SMALL = Load(10_000, 365, 2 * GIB)
TABLE = load_table()


@pytest.mark.parametrize(
    ("host", "load", "store", "size"),
    [
        (ALL, SMALL, "clickhouse", 10_000 * 365 * 600),
        (ALL, Load(1_000_000, 365, GIB), "clickhouse", 1_000_000 * 365 * 600),
        (ALL, Load(1_000_000, 365, GIB), "headroom", GIB),
        (DATA, SMALL, "postgresql", GIB + 10_000 * 365 * 100),
        (DATA, SMALL, "postgresql's journal", 5 * GIB),
        (DATA, SMALL, "valkey", 1536 * MIB),
        (EDGE, SMALL, "journal", 4 * GIB),
    ],
)
def test_what_a_store_needs(host: Host, load: Load, store: str, size: int) -> None:
    assert budget.disk(host, TABLE, load)[store] == size


@pytest.mark.parametrize(
    ("name", "load", "size"),
    [
        # The event log forgets after three days, however long events are kept elsewhere.
        ("events_plugin_ingestion", Load(1_000_000, 365, GIB), 3 * 1_000_000 * 2000),
        ("clickhouse_events_json", Load(1_000_000, 1, GIB), 1_000_000 * 2000),
        ("log_entries", Load(1_000_000, 365, GIB), 3 * 1_000_000 * 100),
        ("events_plugin_ingestion", SMALL, 512 * MIB),
        ("events_plugin_ingestion_overflow", SMALL, 512 * MIB),
        ("log_entries", SMALL, 64 * MIB),
    ],
)
def test_what_a_topic_may_keep(name: str, load: Load, size: int) -> None:
    assert budget.topic(name, load) == size


def test_the_event_log_has_room_for_all_that_its_topics_may_keep() -> None:
    topics = sum(budget.topic(name, SMALL) + 32 * MIB for name in TABLE.topics)
    assert budget.disk(DATA, TABLE, SMALL)["event log"] == topics
    assert topics < 8 * GIB
    assert {*budget.FLOW, *budget.WHOLE} <= set(TABLE.topics)


def test_a_host_has_room_for_what_runs_there_and_nothing_else() -> None:
    assert set(budget.disk(EDGE, TABLE, SMALL)) == {"system", "journal", "images", "headroom"}
    assert "images" not in budget.disk(DATA, NO_SERVICES, SMALL)
    assert "clickhouse" not in budget.disk(DATA, NO_SERVICES, SMALL)
    assert budget.disk(EDGE, TABLE, SMALL)["images"] < budget.disk(ALL, TABLE, SMALL)["images"]


def test_backups_have_room_where_they_are_kept_and_where_they_are_made() -> None:
    here, away = budget.Copies(35, away=False), budget.Copies(35, away=True)
    events, postgres = 10_000 * 365 * 600, GIB + 10_000 * 365 * 100
    assert budget.copies(DATA, TABLE, SMALL, here) == 7 * (events + postgres) + 35 * 300 * MIB
    assert budget.copies(EDGE, TABLE, SMALL, here) == 0
    assert budget.copies(DATA, NO_SERVICES, SMALL, here) == 7 * GIB + 35 * 300 * MIB
    assert budget.making(DATA, TABLE, SMALL, here) == events
    assert budget.making(DATA, TABLE, SMALL, away) == 2 * events, "in ClickHouse's volume, and encrypted beside it"
    assert budget.copies(ALL, TABLE, SMALL, here, lab=True) <= GIB


def test_a_lab_fits_a_small_machine() -> None:
    assert sum(budget.disk(ALL, TABLE, SMALL, lab=True).values()) <= 8 * GIB
    assert sum(budget.memory(ALL, TABLE, lab=True).values()) <= 3 * GIB


def test_the_whole_stack_fits_the_machine_that_upstream_names() -> None:
    """About 16 GB, says upstream's documentation (compose-facts)."""
    usual = TABLE.only({*Declaration.model_fields["features"].default})
    assert budget.machine(sum(budget.memory(ALL, usual).values())) == 16
    assert budget.memory(ALL, TABLE)["clickhouse"] == 4 * GIB


@pytest.mark.parametrize(("needed", "sold"), [(GIB, 2), (4 * GIB, 4), (5 * GIB, 8), (16 * GIB, 16)])
def test_the_machine_to_take(needed: int, sold: int) -> None:
    assert budget.machine(needed) == sold


@pytest.mark.parametrize(
    ("found", "needed", "enough"),
    [(int(15.4 * GIB), 16 * GIB, True), (16 * GIB, 16 * GIB, True), (int(7.7 * GIB), 16 * GIB, False)],
)
def test_a_machine_is_as_large_as_it_was_sold(found: int, needed: int, enough: bool) -> None:
    assert budget.enough_memory(found, needed) is enough


@pytest.mark.parametrize(
    ("free", "a_day", "days"),
    [
        (12 * GIB, GIB, 10),
        (2 * GIB, GIB, 0),
        (GIB, GIB, 0),  # below the reserve, not minus one
        (12 * GIB, 0, None),
    ],
)
def test_days_until_events_are_refused(free: int, a_day: int, days: int | None) -> None:
    assert budget.days_left(free, a_day, SMALL) == days


def test_only_hosts_with_stores_grow() -> None:
    assert budget.growth(DATA, TABLE, SMALL) == 10_000 * 1700
    assert budget.growth(EDGE, TABLE, SMALL) == 0
    assert budget.growth(DATA, NO_SERVICES, SMALL) == 0


@pytest.mark.parametrize(("events", "days", "volumes"), [(1, 1, 14), (10_000, 365, 18), (1_000_000, 30, 116)])
def test_object_storage_has_room_for_what_is_declared_and_no_more(events: int, days: int, volumes: int) -> None:
    load = budget.Load(events, days, 2 * GIB)
    assert budget.object_volumes(load) == volumes
    assert budget.disk(DATA, TABLE, load)["object storage"] == volumes * budget.VOLUME


def test_each_number_says_where_it_comes_from() -> None:
    for name, fact in (budget.FACTS | budget.MEMORY | budget.LAB_MEMORY).items():
        assert fact.value > 0
        assert fact.source.startswith(("our estimate", "our choice", "roles/")), name


def test_words_for_an_error() -> None:
    assert budget.in_words({"a": GIB, "b": 3 * GIB}) == "b 3.0, a 1.0"
    assert budget.in_words(dict.fromkeys("abcdef", GIB)) == "a 1.0, b 1.0, c 1.0, d 1.0, the rest 2.0"


def test_what_is_declared() -> None:
    text = "name: acme\ndomain: a.acme.example\ntarget: {kind: lab}\n"
    assert load_of(parse(text).capacity) == SMALL
    assert load_of(parse(text + "capacity: {events_a_day: 5, keep_days: 7, reserve_gib: 1}\n").capacity) == Load(
        5, 7, GIB
    )

"""Which events and properties the event log tells of."""

from __future__ import annotations

import json
import urllib.request
from urllib.error import HTTPError

import pytest
from stand_in.definitions import Definitions, kind_of, people_in, seen_in
from stand_in.listening import listen


def row(properties: object, team: object = 1, event: object = "visit") -> bytes:
    return json.dumps({"team_id": team, "event": event, "properties": json.dumps(properties)}).encode()


def test_each_is_seen_once_with_the_first_type_that_it_has() -> None:
    found = seen_in([row({"a": None}), row({"a": 1}), row({"a": "x", "b": True}), row({}, team=2)])
    assert found.events == {(1, "visit"), (2, "visit")}
    assert found.properties == {(1, "a"): "Numeric", (1, "b"): "Boolean"}


@pytest.mark.parametrize(
    "value", [None, b"", b"[]", b"{}", b"\xff", row([]), row({}, team="x"), row({}, event="e" * 401)]
)
def test_what_is_no_row_is_passed_over(value: bytes | None) -> None:
    assert not seen_in([value])
    assert Definitions(events={(1, "a")})


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "Boolean"), ("true", "Boolean"), (1, "Numeric"), (1.5, "Numeric"), ("1", "String"), ("", "String"),
        ("2026-11-25", "DateTime"), ("2026-11-25T10:00:00Z", "DateTime"), (None, None), ({}, None), ([1], None),
    ],
)  # fmt: skip
def test_types_have_upstreams_names(value: object, kind: str | None) -> None:
    assert kind_of(value) == kind


def test_a_name_that_postgresql_cannot_keep_holds_up_nothing() -> None:
    assert seen_in([row({"a\0": 1, "b": 1, "c" * 401: 1})]).properties == {(1, "b"): "Numeric"}


def test_people_are_met_once_a_batch_with_what_was_last_said_of_them() -> None:
    def of(who: str, **properties: object) -> tuple[str, dict[str, object]]:
        return "u", {"team_id": 1, "distinct_id": who, "properties": json.dumps(properties)}

    rows = [of("jane", **{"$set": {"a": 1, "b": 1}}), of("john", **{"$set": "x"}), of("jane", **{"$set": {"a": 2}})]
    assert people_in(rows) == [(1, "jane", {"a": 2, "b": 1}), (1, "john", {})]


@pytest.mark.parametrize(
    ("path", "well", "status"), [("/_liveness", True, 200), ("/_readiness", False, 503), ("/x", True, 404)]
)
def test_the_port_beside_it_says_whether_it_is_well(path: str, well: bool, status: int) -> None:
    server = listen("127.0.0.1", 0, lambda: well)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}", timeout=5) as found:
            seen_status = found.status
    except HTTPError as refused:
        seen_status = refused.code
        refused.close()
    finally:
        server.shutdown()
        server.server_close()
    assert seen_status == status

"""What SDKs post, read into events or refused as upstream refuses it."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from stand_in.ingest import Event, RefusalError, read_events

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
JSON = {"content-type": "application/json"}
ID = "0192f3c6-0000-7000-8000-000000000001"
ONE = {"event": "seen", "distinct_id": "jane", "uuid": ID, "timestamp": "2026-03-01T10:00:00+01:00"}
READ = Event("phc_a", ID, "seen", "jane", {}, "2026-03-01T10:00:00+01:00")


def read(value: Any, headers: dict[str, str] | None = None, query: dict[str, str] | None = None) -> list[Event]:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return read_events(body, headers or JSON, query or {}, NOW)


WAYS = {
    "alone": ({"api_key": "phc_a", **ONE}, {}, {}),
    "a batch, as the Python SDK sends it": ({"api_key": "phc_a", "batch": [ONE], "sent_at": "now"}, {}, {}),
    "compressed": (
        gzip.compress(json.dumps({"api_key": "phc_a", "batch": [ONE]}).encode()),
        {"content-encoding": "gzip"},
        {},
    ),
    "compressed, told by the query, as the browser does": (
        gzip.compress(json.dumps({"api_key": "phc_a", **ONE}).encode()),
        {"content-type": "text/plain"},
        {"compression": "gzip-js"},
    ),
    "a form with base64, as old browsers do": (
        urlencode({"data": base64.b64encode(json.dumps({"api_key": "phc_a", **ONE}).encode())}).encode(),
        {"content-type": "application/x-www-form-urlencoded"},
        {},
    ),
    "a list whose events carry the token": ([{"token": "phc_a", **ONE}], {}, {}),
    "the token among the properties": ({**ONE, "properties": {"token": "phc_a"}}, {}, {}),
    "the token as a bearer, as version 1 does": ({"batch": [ONE]}, {"authorization": "Bearer phc_a"}, {}),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_event_is_the_same_whichever_way_it_comes(way: str) -> None:
    value, headers, query = WAYS[way]
    assert read(value, {**JSON, **headers}, query) == [READ]


REFUSED = {
    "not JSON": (b"{", 400, "not JSON"),
    "a number": (b"1", 400, "neither an object nor a list"),
    "nothing": ({"api_key": "phc_a", "batch": []}, 400, "holds no event"),
    "an event that is none": ({"api_key": "phc_a", "batch": ["seen"]}, 400, "not an object"),
    "no token": (ONE, 401, "without an api_key"),
    "two tokens": ([{"token": "phc_a", **ONE}, {"token": "phc_b", **ONE}], 401, "inconsistent"),
    "a person's key": ({"api_key": "phx_a", **ONE}, 401, "personal_api_key"),
    "a long token": ({"api_key": "p" * 65, **ONE}, 401, "not valid"),
    "no name": ({"api_key": "phc_a", **ONE, "event": ""}, 400, "empty event name"),
    "nobody": ({"api_key": "phc_a", "event": "seen"}, 400, "without a distinct_id"),
    "an empty somebody": ({"api_key": "phc_a", "event": "seen", "distinct_id": ""}, 400, "empty distinct_id"),
    "properties that are none": ({"api_key": "phc_a", **ONE, "properties": [1]}, 400, "properties"),
    "broken gzip": (b"\x1f\x8bnonsense", 400, "invalid GZIP"),
    "a bomb": (gzip.compress(b"0" * 30_000_000), 400, "maximum event size"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_upstream_refuses_is_refused(case: str) -> None:
    value, status, words = REFUSED[case]
    with pytest.raises(RefusalError, match=words) as refusal:
        read(value)
    assert refusal.value.status == status


def test_what_the_sender_left_out_is_filled_in() -> None:
    [event] = read({"api_key": "phc_a", "event": "seen", "distinct_id": 7, "timestamp": "yesterday", "uuid": "mine"})
    assert (event.distinct_id, event.timestamp) == ("7", NOW.isoformat())
    assert event.uuid != "mine"


def test_the_token_is_not_kept_among_the_properties() -> None:
    [event] = read({**ONE, "properties": {"token": "phc_a", "plan": "free"}})
    assert event.properties == {"plan": "free"}

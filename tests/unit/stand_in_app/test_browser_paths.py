"""What the browser SDK asks of the stand-in: capture in both modes, remote config, and pages of other origins."""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from stand_in import remote_config
from stand_in.asgi import Request
from stand_in.ingest import RefusalError
from stand_in.reception import answer
from stand_in.replay import read_recording

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SITE = "https://shop.acme.example"
EVENT = {"api_key": "phc_a", "event": "seen", "distinct_id": "jane"}
SNAPSHOT: dict[str, Any] = {
    "token": "phc_a",
    "event": "$snapshot",
    "distinct_id": "jane",
    "timestamp": "2026-03-01T11:00:00+00:00",
    "properties": {"$session_id": "0192-abc", "$snapshot_data": [{"type": 4}, {"type": 2}]},
}


class Cache:
    """Valkey, in memory."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def alive(self) -> bool:
        return True

    def knows(self, token: str) -> bool:
        return token == "phc_a"

    def put(self, events: list[Any]) -> None:
        self.events += events


def post(path: str, value: Any, **more: Any) -> Request:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Request("POST", path, body=body, **more)


def packed(value: Any) -> bytes:
    return gzip.compress(json.dumps(value).encode())


MODES = [
    ("events", "/e/", EVENT, 200),
    ("events", "/i/v0/e/", EVENT, 200),
    ("events", "/s/", [SNAPSHOT], 404),
    ("recordings", "/s/", [SNAPSHOT], 200),
    ("recordings", "/s/", [{**SNAPSHOT, "token": "phc_nobody"}], 401),
    ("recordings", "/e/", EVENT, 404),
    ("recordings", "/batch/", {"api_key": "phc_a", "batch": [EVENT]}, 404),
]


@pytest.mark.parametrize(("mode", "path", "value", "status"), MODES)
def test_each_mode_has_its_own_paths(mode: str, path: str, value: Any, status: int) -> None:
    cache = Cache()
    assert answer(post(path, value), cache, mode).status == status  # type: ignore[arg-type]
    assert bool(cache.events) is (status == 200)


WAYS = {
    "gzip, told by the query": (packed([SNAPSHOT]), {"content-type": "text/plain"}, {"compression": "gzip-js"}),
    "base64 in a form": (
        urlencode({"data": base64.b64encode(json.dumps([SNAPSHOT]).encode())}).encode(),
        {"content-type": "application/x-www-form-urlencoded"},
        {"compression": "base64"},
    ),
    "one alone": (json.dumps(SNAPSHOT).encode(), {}, {}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_recording_is_the_same_whichever_way_it_comes(way: str) -> None:
    event = read_recording(*WAYS[way], NOW)
    assert (event.token, event.event, event.distinct_id) == ("phc_a", "$snapshot_items", "jane")
    assert event.properties["$session_id"] == "0192-abc"
    assert event.properties["$snapshot_items"] == SNAPSHOT["properties"]["$snapshot_data"]
    assert event.timestamp == "2026-03-01T11:00:00+00:00"


def changed(**properties: Any) -> dict[str, Any]:
    return {**SNAPSHOT, "properties": {**SNAPSHOT["properties"], **properties}}


REFUSED = {
    "no session": (changed(**{"$session_id": None}), "without a session id"),
    "a session that is none": (changed(**{"$session_id": "../x"}), "invalid session id"),
    "a long session": (changed(**{"$session_id": "a" * 71}), "invalid session id"),
    "no snapshots": (changed(**{"$snapshot_data": None}), "without snapshot data"),
    "nobody": ({**SNAPSHOT, "distinct_id": ""}, "without a distinct_id"),
    "not an object": ("x", "not an object"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_upstream_refuses_is_refused(case: str) -> None:
    value, words = REFUSED[case]
    with pytest.raises(RefusalError, match=words) as refusal:
        read_recording(json.dumps([value]).encode(), {}, {}, NOW)
    assert refusal.value.status == 400


def test_a_browser_is_let_in_from_any_page_with_whatever_headers_it_names() -> None:
    headers = {
        "origin": SITE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type, x-odd",
    }
    for mode, path in (("events", "/e/"), ("recordings", "/s/")):
        reply = answer(Request("OPTIONS", path, headers=headers), Cache(), mode)  # type: ignore[arg-type]
        said = dict(reply.headers)
        assert reply.status == 200
        assert said["access-control-allow-origin"] == SITE
        assert said["access-control-allow-credentials"] == "true"
        assert said["access-control-allow-headers"] == "content-type, x-odd"
        assert "POST" in said["access-control-allow-methods"]


def test_a_page_may_read_a_refusal_and_no_page_is_told_nothing() -> None:
    cache: Any = Cache()
    refused = answer(post("/e/", {**EVENT, "api_key": "phc_b"}, headers={"origin": SITE}), cache)
    assert (refused.status, dict(refused.headers)["access-control-allow-origin"]) == (401, SITE)
    assert answer(post("/e/", EVENT), cache).headers == ()


@pytest.mark.parametrize("recording", [True, False])
def test_remote_config_is_one_thing_in_two_shapes(recording: bool) -> None:
    found = remote_config.config("phc_a", flags=True, recording=recording)
    script = remote_config.script("phc_a", found)
    assert found["hasFeatureFlags"] is True
    assert (found["sessionRecording"] and found["sessionRecording"]["endpoint"]) == ("/s/" if recording else False)
    inside = script.partition('["phc_a"] = ')[2].partition(";\n")[0]
    assert json.loads(inside)["config"]["sessionRecording"] == found["sessionRecording"]


def test_a_recording_with_a_time_nobody_can_read_is_of_now() -> None:
    event = read_recording(json.dumps({**SNAPSHOT, "timestamp": "yesterday"}).encode(), {}, {}, NOW)
    assert datetime.fromisoformat(event.timestamp) - NOW < timedelta(seconds=1)

"""A recording's way in the application: blocks, object storage, the log's rows, and playing it, with refusals on it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from stand_in import blocks, objects, passes, snappy
from stand_in.asgi import Request
from stand_in.event_log import LogError, envelope
from stand_in.ingest import Event
from stand_in.objects import ObjectsError, Place
from stand_in.player import Player
from stand_in.playing import Recordings, snapshots
from stand_in.recorder import ROWS, Recorder
from stand_in.settings import SettingsError, read_settings

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
TEAMS = {"phc_a": 7, "phc_b": 8}
PLACE = Place("https://s3.example:8333", "posthog_x", "secret-word", "recordings", "session_recordings")


def message(session: str = "s-1", token: str = "phc_a", **properties: Any) -> bytes:  # noqa: S107 - a project's, public
    items = [{"type": 4, "timestamp": 1764000000000}, {"type": 2, "timestamp": 1764000001500}]
    given = {"$session_id": session, "$window_id": "w", "$snapshot_items": items, **properties}
    return json.dumps(envelope(Event(token, "u", "$snapshot_items", "jane", given, NOW.isoformat()))).encode()


class Bucket:
    """Object storage and event log in one, which say in which order they were used."""

    def __init__(self, fails: str = "") -> None:
        self.where, self.fails = PLACE, fails
        self.kept: dict[str, bytes] = {}
        self.rows: list[dict[str, Any]] = []
        self.done: list[str] = []

    def put(self, key: str, what: Any) -> None:
        if self.fails == key or (self.fails == "objects" and key != ROWS):
            raise LogError("down") if key == ROWS else ObjectsError("down")
        self.done.append("told" if key == ROWS else "stored")
        if key == ROWS:
            self.rows += [row for _, row in what]
        else:
            self.kept[key] = what

    def read(self, key: str, start: int, end: int) -> bytes:
        return self.kept[key][start : end + 1]

    def alive(self) -> bool:
        return True

    def blocks(self, team: int, session: str) -> list[dict[str, Any]]:
        """Return rows as the analytics store gives them."""
        return [row for row in self.rows if (row["team_id"], row["session_id"]) == (team, session)]


def recorded(*values: bytes | None) -> Bucket:
    bucket = Bucket()
    Recorder(bucket, bucket).keep(list(values), TEAMS)
    return bucket


def player(bucket: Bucket) -> Player:
    return Player(bucket, bucket, "shared")


def get(path: str, team: int = 7, secret: str = "shared", operation: str = "read", **query: str) -> Request:  # noqa: S107
    token = passes.issue(secret, team, operation)
    return Request("GET", path, query, {"authorization": f"Bearer {token}"})


@pytest.mark.parametrize("size", [0, 1, 59, 60, 61, 65535, 65536, 65537, 200000])
def test_what_snappy_packed_it_unpacks(size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    assert snappy.unpack(snappy.pack(data)) == data


def test_snappy_reads_copies_and_refuses_nonsense() -> None:
    # "Wikipedia" as google/snappy packs a repetition: a literal, then a copy that overlaps itself.
    assert snappy.unpack(bytes((9, 2 << 2)) + b"abc" + bytes((1 | (2 << 2), 3))) == b"abcabcabc"
    for wrong in (b"", b"\x05\x00a", b"\x02\x00a\x01\x09", b"\xff" * 9):
        with pytest.raises(snappy.NotSnappyError):
            snappy.unpack(wrong)


def test_a_batch_is_one_object_with_a_block_for_each_session() -> None:
    made = recorded(message(), message("s-2", "phc_b"), message(), b"nothing", None, message(token="phc_gone"))
    ((key, body),) = made.kept.items()
    assert blocks.is_key("session_recordings", key)
    assert [(row["team_id"], row["session_id"], row["event_count"]) for row in made.rows] == [
        (7, "s-1", 4),
        (8, "s-2", 2),
    ]
    places = [blocks.place_of(row["block_url"]) for row in made.rows]
    assert places[0] is not None
    assert places[1] is not None
    assert (places[0][1], places[0][2] + 1, places[1][2] + 1) == (0, places[1][1], len(body))
    lines = snappy.unpack(body[places[1][1] : places[1][2] + 1]).splitlines()
    assert json.loads(lines[1]) == ["w", {"type": 2, "timestamp": 1764000001500}]
    assert (made.rows[0]["first_timestamp"], made.rows[0]["last_timestamp"]) == (
        "2025-11-24 16:00:00.000000",
        "2025-11-24 16:00:01.500000",
    )


def test_it_is_stored_before_it_is_told_of_and_told_of_before_it_counts_as_read() -> None:
    assert recorded(message()).done == ["stored", "told"]
    for fails, done in (("objects", []), (ROWS, ["stored"])):
        bucket = Bucket(fails)
        with pytest.raises((ObjectsError, LogError)):
            Recorder(bucket, bucket).keep([message()], TEAMS)
        assert bucket.done == done
    assert recorded(b"nothing").done == []


@pytest.mark.parametrize(
    "properties",
    [
        {"$snapshot_items": []},
        {"$snapshot_items": [{"type": 2}]},
        {"$snapshot_items": ["x"]},
        {"$snapshot_items": None},
    ],
)
def test_what_is_no_recording_is_dropped(properties: dict[str, Any]) -> None:
    assert recorded(message(**properties)).rows == []


def test_a_signature_is_the_one_that_botocore_makes() -> None:
    url = f"{PLACE.endpoint}/recordings/a%20b"
    request = AWSRequest("PUT", url, data=b"body", headers={"content-type": "application/octet-stream"})
    S3SigV4Auth(Credentials(PLACE.key, PLACE.secret), "s3", "us-east-1").add_auth(request)
    at = datetime.strptime(request.context["timestamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ours = objects.signed(
        PLACE, "PUT", "s3.example:8333", "/recordings/a%20b", {"content-type": "application/octet-stream"}, b"body", at
    )
    assert ours["authorization"] == request.headers["Authorization"]


def test_a_recording_is_played_as_it_came() -> None:
    made = player(recorded(message(), message("s-2", "phc_b")))
    path = "/api/projects/7/recordings/s-1"
    (block,) = json.loads(made.answer(get(f"{path}/blocks")).body)["blocks"]
    query = {"key": block["key"], "start": str(block["start_byte"]), "end": str(block["end_byte"])}
    reply = made.answer(get(f"{path}/block", **query, decompress="true"))
    assert [json.loads(line)[1]["type"] for line in reply.body.splitlines()] == [4, 2]
    assert snappy.unpack(made.answer(get(f"{path}/block", **query)).body) == reply.body


BLOCK = "/api/projects/7/recordings/s-1/block"
REFUSED = [
    (lambda q: Request("GET", BLOCK, q), 401),
    (lambda q: get(BLOCK, secret="other", **q), 401),
    (lambda q: get(BLOCK, team=8, **q), 403),
    (lambda q: get(BLOCK, operation="delete", **q), 403),
    (lambda q: get(BLOCK.replace("/7/", "/8/"), team=8, **q), 404),  # an object of both, but not a block of theirs
    (lambda q: get(BLOCK.replace("s-1", "s-2"), **q), 404),
    (lambda q: get(BLOCK, **{**q, "end": "99999"}), 404),
    (lambda q: get(BLOCK, **{**q, "start": "x"}), 400),
    (lambda q: get(BLOCK, **{**q, "key": "exports/7/secret"}), 400),
    (lambda q: get(BLOCK, **{**q, "key": "session_recordings/30d/../../exports"}), 400),
    (lambda q: replace(get(BLOCK, **q), method="DELETE"), 404),
]


@pytest.mark.parametrize(("ask", "status"), REFUSED)
def test_only_this_projects_blocks_come_out(ask: Any, status: int) -> None:
    bucket = recorded(message(), message("s-2", "phc_b"))
    key, start, end = blocks.place_of(bucket.rows[0]["block_url"]) or ("", 0, 0)
    reply = player(bucket).answer(ask({"key": key, "start": str(start), "end": str(end)}))
    assert reply.status == status
    assert b"type" not in reply.body


def test_a_token_ends_and_cannot_be_changed() -> None:
    token = passes.issue("shared", 7, "read", now=1000)
    assert passes.refusal("shared", token, 7, "read", now=1100) == 0
    assert passes.refusal("shared", token, 7, "read", now=1400) == 401
    for wrong in ("", "a.b.c", token[:-2], f"e30.{token.split('.')[1]}.{token.split('.')[2]}"):
        assert passes.refusal("shared", wrong, 7, "read", now=1100) == 401


def test_web_hands_on_what_recording_api_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    made = player(recorded(message(), message()))

    def ask(self: Recordings, team: int, session: str, what: str, query: dict[str, Any]) -> bytes:
        words = {name: str(value) for name, value in query.items()}
        reply = made.answer(get(f"/api/projects/{team}/recordings/{session}/{what}", team, self.secret, **words))
        assert reply.status == 200
        return reply.body

    monkeypatch.setattr(Recordings, "_ask", ask)
    web = Recordings("http://127.0.0.1:1", "shared")
    (source,) = json.loads(snapshots(web, 7, "s-1", Request("GET", "/")).body)["sources"]
    query = {"source": source["source"], "start_blob_key": source["blob_key"], "end_blob_key": source["blob_key"]}
    assert len(snapshots(web, 7, "s-1", Request("GET", "/", query)).body.splitlines()) == 4
    assert snapshots(web, 7, "s-1", Request("GET", "/", {**query, "end_blob_key": "x"})).status == 400
    assert json.loads(snapshots(web, 7, "unknown", Request("GET", "/")).body) == {"sources": []}


RECORDER = {
    "DATABASE_URL": "postgres://a?sslmode=verify-full",
    "KAFKA_HOSTS": "127.0.0.1:9092",
    "SESSION_RECORDING_V2_S3_ENDPOINT": "https://seaweedfs:8333",
    "SESSION_RECORDING_V2_S3_ACCESS_KEY_ID": "posthog_x",
    "SESSION_RECORDING_V2_S3_SECRET_ACCESS_KEY": "secret-word",
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"SESSION_RECORDING_V2_S3_ENDPOINT": "http://seaweedfs:8333"}, "ENDPOINT: the scheme is not https"),
        ({"SESSION_RECORDING_V2_S3_ACCESS_KEY_ID": "any"}, "ACCESS_KEY_ID is published"),
        (
            {"SESSION_RECORDING_V2_S3_SECRET_ACCESS_KEY": "object_storage_root_password"},
            "SECRET_ACCESS_KEY is published",
        ),
        ({"SESSION_RECORDING_V2_S3_SECRET_ACCESS_KEY": ""}, "SECRET_ACCESS_KEY is not set"),
    ],
)
def test_a_weaker_way_to_object_storage_is_refused(change: dict[str, str], words: str) -> None:
    found = read_settings("ingestion-sessionreplay", RECORDER).objects
    assert found is not None
    assert "secret-word" not in repr(found)
    with pytest.raises(SettingsError, match=words) as refused:
        read_settings("ingestion-sessionreplay", {**RECORDER, **change})
    assert "secret-word" not in str(refused.value)

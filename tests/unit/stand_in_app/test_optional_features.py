"""Stand-ins of optional features: exceptions and issues, the workflow engine's messages, the browser, settings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from stand_in.asgi import Request
from stand_in.browserless import handler
from stand_in.event_log import EXCEPTIONS, INCOMING, Intake
from stand_in.exceptions import fingerprint, process
from stand_in.ingest import Event
from stand_in.messages import MessageError, _bytes
from stand_in.optional_settings import TEMPORAL_TLS, read_optional
from stand_in.settings import SettingsError
from stand_in.symbol_sets import SymbolSets
from stand_in.temporal_frontend import methods
from stand_in.temporal_messages import (
    DESCRIBE_NAMESPACE,
    DESCRIBE_QUEUE,
    HEALTH,
    POLL,
    SERVING,
    Polled,
    polled_in,
    polling,
)

FRAME = {"function": "a", "chunk_id": "c1"}
ERROR = {"type": "TypeError", "value": "x is not a function", "stacktrace": {"frames": [FRAME]}}
ROW = {"uuid": "u1", "team_id": 7, "properties": json.dumps({"$exception_list": [ERROR], "page": "/"})}
URL = "postgres://a:b@c/d?sslmode=verify-full"


def issue_of(_team: int, _mark: str, name: str, description: str) -> str:
    return f"{name}: {description}"


def test_an_exception_gets_its_issue_and_its_own_names() -> None:
    made = process(ROW, issue_of, lambda _team, _ref: {"a": "checkout"})
    properties = json.loads(made["properties"])
    assert properties["$exception_issue_id"] == "TypeError: x is not a function"
    assert properties["page"] == "/"
    [frame] = properties["$exception_list"][0]["stacktrace"]["frames"]
    assert (frame["resolved"], frame["resolved_name"]) == (True, "checkout")
    [frame] = json.loads(process(ROW, issue_of, lambda *_: {})["properties"])["$exception_list"][0]["stacktrace"][
        "frames"
    ]
    assert (frame["resolved"], frame["resolved_name"]) == (False, None)


def test_one_issue_is_one_kind_at_one_place() -> None:
    assert fingerprint([ERROR]) == fingerprint([{**ERROR, "value": "y is not a function"}])
    assert fingerprint([ERROR]) != fingerprint([{**ERROR, "type": "RangeError"}])
    assert fingerprint([ERROR]) != fingerprint([{**ERROR, "stacktrace": {"frames": [{"function": "b"}]}}])


@pytest.mark.parametrize("properties", ["{}", '{"$exception_list": []}', "none"])
def test_what_is_no_exception_is_refused(properties: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        process({**ROW, "properties": properties}, issue_of, lambda *_: {})


class Caller:
    team = 7


class OfWeb:
    """The part of web's API that is asked who somebody is."""

    def caller(self, _request: Request, scope: str) -> Caller:
        assert scope == "error_tracking:write"
        return Caller()

    def team_fault(self, _caller: Caller, which: str) -> bool:
        return which != "7"


class Kept:
    """Tables and object storage in one."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.sets: dict[str, str] = {}

    def put(self, key: str, body: bytes) -> None:
        self.objects[key] = body

    def keep_symbol_set(self, _team: int, ref: str, place: str) -> None:
        self.sets[ref] = place


def test_symbols_are_kept_where_cymbal_finds_them() -> None:
    kept = Kept()
    sets = SymbolSets(OfWeb(), kept, kept)  # type: ignore[arg-type]

    def create(ref: str, body: str, which: str = "7") -> int:
        return sets.create(Request("POST", "/", {"chunk_id": ref}, body=body.encode()), which).status

    assert create("c1", '{"a": "checkout"}') == 201
    assert kept.objects[kept.sets["c1"]] == b'{"a": "checkout"}'
    assert [create("../c", "{}"), create("c2", "{}"), create("c2", "no"), create("c2", '{"a": 1}')] == [400] * 4
    assert create("c2", '{"a": "b"}', "8") == 404
    assert list(kept.sets) == ["c1"]


class Log:
    def __init__(self) -> None:
        self.put_into: dict[str, int] = {}

    def put(self, topic: str, messages: list[Any]) -> None:
        self.put_into[topic] = len(messages)


def test_exceptions_go_a_way_of_their_own() -> None:
    log = Log()
    events = [Event("phc_a", str(n), name, "jane", {}, "") for n, name in enumerate(("visit", "$exception", "leave"))]
    Intake(None, log).put(events)  # type: ignore[arg-type]
    assert log.put_into == {INCOMING: 2, EXCEPTIONS: 1}


class Engine:
    """Keeps in mind what the real one keeps in PostgreSQL."""

    def __init__(self) -> None:
        self.asked: list[Polled] = []

    def alive(self) -> None:
        """Always."""

    def namespace(self, name: str) -> str:
        return name if name == "default" else ""

    def polled(self, asked: Polled) -> None:
        self.asked.append(asked)

    def pollers(self, asked: Polled) -> list[str]:
        return [each.identity for each in self.asked if each.queue == asked.queue]

    def wait(self, _seconds: float) -> None:
        """Not at all."""


def test_a_worker_asks_for_work_and_is_remembered() -> None:
    engine = Engine()
    found = methods(engine)  # type: ignore[arg-type]
    assert found[HEALTH](b"") == SERVING
    assert b"default" in found[DESCRIBE_NAMESPACE](_bytes(1, b"default"))
    assert found[POLL](polling(Polled("default", "exports", "worker@a"))) == b""
    assert engine.asked == [Polled("default", "exports", "worker@a")]
    assert b"worker@a" in found[DESCRIBE_QUEUE](polling(Polled("default", "exports")))
    assert found[DESCRIBE_QUEUE](polling(Polled("default", "other"))) == b""


@pytest.mark.parametrize(
    "message", [b"", _bytes(1, b"default"), _bytes(2, b"\x0a\x01"), b"\xff", polling(Polled("", "q"))]
)
def test_half_a_question_is_none(message: bytes) -> None:
    with pytest.raises(MessageError):
        polled_in(message)
    with pytest.raises(MessageError):
        methods(Engine())[DESCRIBE_NAMESPACE](_bytes(1, b"other"))  # type: ignore[arg-type]


TOKEN = "t" * 40


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ({}, {}, 401),
        ({"token": ""}, {}, 401),
        ({"token": "x" * 40}, {}, 401),
        ({"token": TOKEN}, {}, 200),
        ({}, {"authorization": f"Bearer {TOKEN}"}, 200),
    ],
)
def test_the_browser_is_for_those_with_its_token(query: dict[str, str], headers: dict[str, str], status: int) -> None:
    answer = handler(TOKEN, "")
    assert answer(Request("GET", "/json/version", query, headers)).status == status
    assert answer(Request("GET", "/elsewhere", query, headers)).status == (404 if status == 200 else 401)


@pytest.mark.parametrize("url", ["http://a.example/", "file:///etc/passwd", "https://", "https://a.example:x/", 7])
def test_the_browser_opens_nothing_in_the_clear(url: object) -> None:
    request = Request("POST", "/screenshot", {"token": TOKEN}, body=json.dumps({"url": url}).encode())
    assert handler(TOKEN, None)(request).status == 400  # type: ignore[arg-type]


LOG = {"KAFKA_HOSTS": "127.0.0.1:9092"}
CACHE = "rediss://user:secret-word@valkey:6379"
RIGHT: dict[str, dict[str, str]] = {
    "plugins": {
        "DATABASE_URL": URL,
        "CYCLOTRON_DATABASE_URL": URL,
        "REDIS_URL": CACHE,
        "ENCRYPTION_SALT_KEYS": "s" * 32,
        **LOG,
    },
    "cyclotron-janitor": {"DATABASE_URL": URL, "KAFKA_TOPIC": "clickhouse_app_metrics2", **LOG},
    "ingestion-error-tracking": {
        "DATABASE_URL": URL,
        "REDIS_URL": CACHE,
        "ERROR_TRACKING_CYMBAL_BASE_URL": "http://127.0.0.1:18033",
        **LOG,
    },
    "cymbal": {
        "DATABASE_URL": URL,
        "ISSUE_BUCKETS_REDIS_URL": "redis://user:secret-word@127.0.0.1:6379/0",
        "OBJECT_STORAGE_ENDPOINT": "https://seaweedfs:8333",
        "OBJECT_STORAGE_BUCKET": "posthog",
        "OBJECT_STORAGE_ACCESS_KEY_ID": "posthog_cymbal",
        "OBJECT_STORAGE_SECRET_ACCESS_KEY": "secret-word",
    },
    "temporal": {
        "POSTGRES_SEEDS": "postgres",
        "POSTGRES_USER": "posthog_temporal",
        "POSTGRES_PWD": "secret-word",
        "SQL_CA": "/ca.crt",
        "POSTGRES_TLS_CA_FILE": "/ca.crt",
        **TEMPORAL_TLS,
    },
    "temporal-django-worker": {
        "DATABASE_URL": URL,
        "TEMPORAL_HOST": "127.0.0.1",
        "TEMPORAL_PORT": "18034",
        "TEMPORAL_TASK_QUEUE": "batch-exports-task-queue",
    },
    "browserless": {"TOKEN": TOKEN},
}
WRONG = [
    ("plugins", {"CYCLOTRON_DATABASE_URL": "postgres://a/b?sslmode=require"}, "sslmode is not verify-full"),
    ("plugins", {"REDIS_URL": "redis://valkey"}, "the scheme is not rediss"),
    ("cyclotron-janitor", {"KAFKA_HOSTS": "192.0.2.1:9092"}, "not on the own loopback"),
    (
        "ingestion-error-tracking",
        {"ERROR_TRACKING_CYMBAL_BASE_URL": "http://192.0.2.1:3302"},
        "not on the own loopback",
    ),
    ("cymbal", {"OBJECT_STORAGE_ENDPOINT": "http://seaweedfs:8333"}, "the scheme is not https"),
    ("cymbal", {"OBJECT_STORAGE_SECRET_ACCESS_KEY": "any"}, "is published"),
    ("cymbal", {"ISSUE_BUCKETS_REDIS_URL": "redis://u:p@192.0.2.1:6379"}, "not on the own loopback"),
    ("temporal", {"SQL_HOST_VERIFICATION": "false"}, "SQL_HOST_VERIFICATION is not true"),
    ("temporal", {"POSTGRES_TLS_ENABLED": ""}, "POSTGRES_TLS_ENABLED is not true"),
    ("temporal", {"POSTGRES_TLS_CA_FILE": "/other.crt"}, "two CAs are named"),
    ("temporal-django-worker", {"TEMPORAL_HOST": "192.0.2.1"}, "not on the own loopback"),
    ("browserless", {"TOKEN": "short"}, "TOKEN has fewer than 20 characters"),
]


@pytest.mark.parametrize("service", RIGHT)
def test_settings_are_read(service: str) -> None:
    settings = read_optional(service, RIGHT[service])
    assert "secret-word" not in repr(settings.token)
    with pytest.raises(SettingsError):
        read_optional(service, {})


@pytest.mark.parametrize(("service", "change", "words"), WRONG)
def test_dangerous_settings_are_refused_and_no_value_is_shown(service: str, change: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        read_optional(service, {**RIGHT[service], **change})
    assert "secret-word" not in str(refused.value)


def test_temporal_is_given_its_own_database_verified() -> None:
    url = read_optional("temporal", RIGHT["temporal"]).base.database_url
    assert url.endswith("@postgres:5432/temporal?sslmode=verify-full&sslrootcert=/ca.crt")

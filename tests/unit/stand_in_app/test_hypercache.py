"""What the browser SDK asks first: from what is kept, and nothing for who is not known."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from stand_in.asgi import Request
from stand_in.hypercache import answer, values
from stand_in.settings import SettingsError, read_settings

ENVIRONMENT = {"REDIS_URL": "redis://hypercache:secret-word@127.0.0.1:6379/0"}


@dataclass
class Kept:
    """Valkey, in memory."""

    rows: dict[str, str] = field(default_factory=lambda: dict(values("phc_a", flags=True, recording=True)))

    def alive(self) -> bool:
        return True

    def kept(self, key: str) -> str | None:
        return self.rows.get(key)


def test_the_keys_are_upstreams() -> None:
    assert set(Kept().rows) == {
        "posthog:1:cache/team_tokens/phc_a/array/config.json",
        "posthog:1:cache/team_tokens/phc_a/surveys/surveys.json",
    }


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("/array/phc_a/config", {}, 200, '"hasFeatureFlags": true'),
        ("/array/phc_a/config/", {}, 200, '"token": "phc_a"'),
        ("/array/phc_a/config.js", {}, 200, "_POSTHOG_REMOTE_CONFIG"),
        ("/surveys", {"token": "phc_a"}, 200, '"surveys": []'),
        ("/api/surveys/", {"token": "phc_a"}, 200, '"surveys": []'),
        ("/array/phc_b/config", {}, 404, "no such project"),
        ("/array/phc_b/config.js", {}, 404, "no such project"),
        ("/array/a.b/config", {}, 400, "characters"),
        ("/array/*/config", {}, 400, "characters"),
        ("/api/surveys", {}, 401, "No token"),
        ("/api/surveys", {"token": "phc_b"}, 404, "no such project"),
        ("/array/phc_a/array.js", {}, 404, "not found"),
        ("/_readiness", {}, 200, "stand-in"),
    ],
)
def test_what_is_kept_is_answered_and_nothing_else(path: str, query: dict[str, str], status: int, words: str) -> None:
    reply = answer(Request("GET", path, query), Kept())
    assert (reply.status, words in reply.body.decode()) == (status, True), reply.body


def test_what_web_and_the_cache_say_is_the_same() -> None:
    found = json.loads(answer(Request("GET", "/array/phc_a/config"), Kept()).body)
    assert found["sessionRecording"]["endpoint"] == "/s/"


def test_every_page_may_ask() -> None:
    request = Request("OPTIONS", "/array/phc_a/config", headers={"origin": "https://shop.example"})
    assert ("access-control-allow-origin", "https://shop.example") in answer(request, Kept()).headers


SERVICES = {
    "hypercache-server": ENVIRONMENT,
    "livestream": {"LIVESTREAM_JWT_SECRET": "k" * 50},
    "personhog-replica": {"PRIMARY_DATABASE_URL": "postgres://a:b@c/d?sslmode=verify-full"},
    "personhog-router": {"REPLICA_URL": "http://127.0.0.1:18022"},
    "property-defs-rs": {
        "DATABASE_URL": "postgres://a:b@c/d?sslmode=verify-full",
        "KAFKA_HOSTS": "127.0.0.1:9092",
        "SKIP_WRITES": "false",
        "SKIP_READS": "false",
    },
}


@pytest.mark.parametrize(
    ("service", "change", "words"),
    [
        ("hypercache-server", {"REDIS_URL": "rediss://a:b@valkey/0"}, "public CAs alone"),
        ("hypercache-server", {"REDIS_URL": "redis://a:b@192.0.2.1/0"}, "not on the own loopback"),
        ("hypercache-server", {"REDIS_URL": "redis://127.0.0.1/0"}, "no user and password"),
        ("livestream", {"LIVESTREAM_JWT_SECRET": "short"}, "fewer than 50"),
        ("personhog-replica", {"PRIMARY_DATABASE_URL": "postgres://a:b@c/d?sslmode=require"}, "not verify-full"),
        ("personhog-router", {"REPLICA_URL": "http://192.0.2.1:50051"}, "not on the own loopback"),
        ("property-defs-rs", {"KAFKA_HOSTS": "192.0.2.1:9092"}, "not on the own loopback"),
        ("property-defs-rs", {"SKIP_WRITES": "true"}, "SKIP_WRITES is not false"),
        ("property-defs-rs", {"DATABASE_URL": ""}, "DATABASE_URL is not set"),
    ],
)
def test_a_weaker_way_is_refused(service: str, change: dict[str, str], words: str) -> None:
    read_settings(service, SERVICES[service])
    with pytest.raises(SettingsError, match=words) as refused:
        read_settings(service, {**SERVICES[service], **change})
    assert "secret-word" not in str(refused.value)


@pytest.mark.parametrize(
    ("service", "change", "address", "health"),
    [
        ("hypercache-server", {}, "0.0.0.0:3002", 0),
        ("livestream", {}, "0.0.0.0:8080", 0),
        ("personhog-replica", {"GRPC_ADDRESS": "127.0.0.1:1"}, "127.0.0.1:1", 9100),
        ("personhog-router", {"METRICS_PORT": "7"}, "127.0.0.1:50052", 7),
        ("property-defs-rs", {"BIND_HOST": "127.0.0.1"}, "127.0.0.1:3301", 0),
    ],
)
def test_it_listens_where_upstreams_names_say(service: str, change: dict[str, str], address: str, health: int) -> None:
    found = read_settings(service, {**SERVICES[service], **change})
    assert (found.address, found.metrics_port) == (address, health)

"""Feature flags of the stand-in: who gets which, and what the service answers."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from stand_in import accounts
from stand_in.asgi import Request
from stand_in.flag_answers import answer
from stand_in.flags import evaluate, judge, share
from stand_in.settings import SettingsError, read_settings

TEAM = {"id": 7, "api_token": "phc_a"}
KEY = "phx_right"


def flag(*groups: dict[str, Any], **more: Any) -> dict[str, Any]:
    filters = {"groups": list(groups), "payloads": {"true": '{"colour": "red"}'}}
    return {"id": 3, "key": "beta", "name": "Beta", "filters": filters, "version": 2, **more}


JUDGED = [
    (flag({"rollout_percentage": 100}), ("condition_match", 0)),
    (flag({"rollout_percentage": None}), ("condition_match", 0)),
    (flag({"rollout_percentage": 0}), ("out_of_rollout_bound", 0)),
    (flag({"properties": [{"key": "plan"}], "rollout_percentage": 100}), ("no_condition_match", None)),
    (flag({"rollout_percentage": 0}, {"rollout_percentage": 100}), ("condition_match", 1)),
    (flag(), ("no_condition_match", None)),
    (flag(filters={}), ("no_condition_match", None)),
]


@pytest.mark.parametrize(("row", "outcome"), JUDGED)
def test_a_flag_is_on_by_its_conditions(row: dict[str, Any], outcome: tuple[str, int | None]) -> None:
    assert judge(row, "jane") == outcome


def test_half_of_the_people_are_half_and_always_the_same() -> None:
    row = flag({"rollout_percentage": 50})
    on = [who for who in map(str, range(2000)) if judge(row, who)[0] == "condition_match"]
    assert 900 < len(on) < 1100
    assert all(share("beta", who) <= 0.5 for who in on)


def test_version_2_has_details_and_older_ones_have_values() -> None:
    rows = [flag({"rollout_percentage": 100})]
    new, old = evaluate(rows, "jane", version="2"), evaluate(rows, "jane", version="")
    assert new["flags"]["beta"]["enabled"] is True
    assert new["flags"]["beta"]["reason"] == {
        "code": "condition_match", "condition_index": 0, "description": "Matched condition set 1",
    }  # fmt: skip
    assert new["flags"]["beta"]["metadata"]["payload"] == '{"colour": "red"}'
    assert old["featureFlags"] == {"beta": True}
    assert old["featureFlagPayloads"] == {"beta": '{"colour": "red"}'}


class Tables:
    """PostgreSQL, in memory."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = list(rows)

    def alive(self) -> bool:
        return True

    def team(self, token: str) -> dict[str, Any] | None:
        return TEAM if token == "phc_a" else None

    def flags(self, team: int) -> list[dict[str, Any]]:
        return self.rows

    def person_of_key(self, value: str) -> dict[str, Any] | None:
        person = {"current_team_id": 7, "scopes": ["feature_flag:read"]}
        if value == accounts.hide_key("phx_narrow"):
            return {**person, "scopes": ["query:read"]}
        return person if value == accounts.hide_key(KEY) else None


class Cache:
    """Valkey, in memory."""

    def alive(self) -> bool:
        return True


def ask(method: str, path: str, value: Any = None, query: Any = None, **headers: str) -> Any:
    body = value if isinstance(value, bytes) else json.dumps(value or {}).encode()
    rows = Tables(flag({"rollout_percentage": 100}))
    return answer(Request(method, path, query or {}, headers, body), rows, Cache())  # type: ignore[arg-type]


JANE = {"token": "phc_a", "distinct_id": "jane"}
ANSWERS = [
    ("POST", "/flags/", JANE, 200),
    ("POST", "/flags", {"api_key": "phc_a", "distinct_id": "jane"}, 200),
    ("POST", "/flags/", gzip.compress(json.dumps(JANE).encode(), mtime=0), 200),
    ("GET", "/flags/", None, 200),
    ("POST", "/flags/", {**JANE, "token": "phc_b"}, 401),
    ("POST", "/flags/", {"token": "phc_a"}, 400),
    ("POST", "/flags/", b"[1]", 400),
    ("POST", "/flags/", b"{", 400),
    ("POST", "/flagship/", JANE, 404),
    ("GET", "/_readiness", None, 200),
]


@pytest.mark.parametrize(("method", "path", "value", "status"), ANSWERS)
def test_the_service_answers_as_upstream(method: str, path: str, value: Any, status: int) -> None:
    assert ask(method, path, value, {"v": "2"}).status == status


def test_the_sdk_gets_what_is_on_and_the_page_may_read_it() -> None:
    reply = ask("POST", "/flags/", JANE, {"v": "2"}, origin="https://shop.acme.example")
    assert json.loads(reply.body)["flags"]["beta"]["enabled"] is True
    assert ("access-control-allow-origin", "https://shop.acme.example") in reply.headers


DEFINITIONS = [
    ("Bearer phx_right", "phc_a", 200),
    ("", "phc_a", 401),
    ("Bearer phx_nobody", "phc_a", 401),
    ("Bearer phx_narrow", "phc_a", 403),
    ("Bearer phx_right", "phc_b", 401),
]


@pytest.mark.parametrize(("bearer", "token", "status"), DEFINITIONS)
def test_definitions_are_for_servers_with_a_key(bearer: str, token: str, status: int) -> None:
    reply = ask("GET", "/api/feature_flag/local_evaluation/", None, {"token": token}, authorization=bearer)
    assert reply.status == status
    if status == 200:
        assert [row["key"] for row in json.loads(reply.body)["flags"]] == ["beta"]


WHOLE = {
    "READ_DATABASE_URL": "postgres://flags:secret@postgres.hedgerow.internal/posthog?sslmode=verify-full",
    "REDIS_URL": "redis://flags:secret@127.0.0.1:6379/",
}


def test_each_service_reads_its_own_names() -> None:
    found = read_settings("feature-flags", WHOLE)
    assert (found.database_url, found.address) == (WHOLE["READ_DATABASE_URL"], "0.0.0.0:3001")
    assert read_settings("capture", {**WHOLE, "CAPTURE_MODE": "recordings"}).capture_mode == "recordings"


@pytest.mark.parametrize(
    ("service", "changed", "says"),
    [
        ("feature-flags", {"READ_DATABASE_URL": ""}, "READ_DATABASE_URL is not set"),
        ("feature-flags", {"READ_DATABASE_URL": "postgres://x/y"}, "READ_DATABASE_URL: sslmode is not verify-full"),
        ("capture", {"CAPTURE_MODE": "everything"}, "CAPTURE_MODE is neither"),
    ],
)
def test_a_dangerous_environment_is_refused(service: str, changed: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        read_settings(service, {**WHOLE, **changed})

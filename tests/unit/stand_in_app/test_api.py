"""Sign-up, sign-in, keys and reading: the handlers over a store and a cache that are dictionaries."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from stand_in import accounts
from stand_in.api import LOCK_OUT_AFTER, Api
from stand_in.asgi import Reply, Request
from stand_in.guard import CSRF, SESSION
from stand_in.records import Newcomer, Row, TakenError, Wanted
from stand_in.settings import Settings

HOST = "analytics.acme.example"
SECRET_KEY = "k" * 50
SETTINGS = Settings(
    redis_url="", secret_key=SECRET_KEY, site_url=f"https://{HOST}", behind_proxy=True, session_seconds=28800
)
HEADERS = {"host": HOST, "x-forwarded-proto": "https", "content-type": "application/json"}
JANE = {"first_name": "Jane", "email": "jane@acme.example", "password": "correct horse battery"}


@dataclass
class Tables:
    """The store, in memory, with its interface."""

    people: dict[str, Row] = field(default_factory=dict)
    sessions: dict[str, tuple[Row, str, int]] = field(default_factory=dict)
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: dict[str, Row] = field(default_factory=dict)
    asked: list[Wanted] = field(default_factory=list)

    def initiated(self) -> bool:
        return bool(self.people)

    def sign_up(self, who: Newcomer) -> None:
        if self.people:
            raise TakenError
        self.people[who.email] = {
            "id": 1, "uuid": "u", "distinct_id": "d", "first_name": who.first_name, "email": who.email,
            "password": who.password, "current_team_id": 7, "current_organization_id": "o", "organization_name": "Acme",
            "team_uuid": "t", "team_name": "Default project", "api_token": who.api_token, "session_cookie_age": None,
            "enforce_2fa": None, "plugins_access_level": 9, "allow_publicly_shared_resources": True,
            "is_ai_data_processing_approved": True, "anonymize_ips": False, "session_recording_opt_in": False,
            "session_recording_masking_config": None, "level": 15, "totp_seed": None, "last_t": None,
        }  # fmt: skip

    def person(self, email: str) -> Row | None:
        return self.people.get(email.lower())

    def open_session(
        self, person: int, session: str, csrf: str, seconds: int, *, verified: bool = False, half: bool = False
    ) -> None:
        [row] = [row for row in self.people.values() if row["id"] == person]
        self.sessions[session] = (row, csrf, seconds)
        self.known[session] = {"verified": verified, "half": half, "proposed_seed": None}

    def close_session(self, session: str) -> None:
        self.sessions.pop(session)

    def person_of_session(self, session: str) -> Row | None:
        found = self.sessions.get(session)
        if not found or self.known[session]["half"]:
            return None
        return {**found[0], "csrf": found[1], **self.known[session]}

    def person_half_in(self, session: str) -> Row | None:
        found = self.sessions.get(session)
        return dict(found[0]) if found and self.known[session]["half"] else None

    def propose_seed(self, session: str, seed: str) -> None:
        self.known[session]["proposed_seed"] = seed

    def accept_seed(self, person: int, session: str, seed: str) -> None:
        self.sessions[session][0].update(totp_seed=seed, last_t=-1)
        self.known[session]["verified"] = True

    def take_step(self, person: int, step: int) -> bool:
        [row] = [row for row in self.people.values() if row["id"] == person]
        taken = row["last_t"] < step
        row["last_t"] = max(row["last_t"], step)
        return taken

    def change_organization(self, organization: str, changes: Row) -> None:
        next(iter(self.people.values())).update(changes)

    def change_project(self, team: int, changes: Row) -> None:
        next(iter(self.people.values())).update(changes)

    def person_of_key(self, secure_value: str) -> Row | None:
        for row in self.kept.values():
            if row["secure_value"] == secure_value:
                return {
                    **next(iter(self.people.values())),
                    "scopes": row["scopes"],
                    "scoped_teams": row["scoped_teams"],
                }
        return None

    def keys(self, person: int) -> list[Row]:
        return list(self.kept.values())

    def add_key(self, row: Row) -> None:
        self.kept[row["id"]] = row

    def drop_key(self, person: int, key: str) -> bool:
        return self.kept.pop(key, None) is not None

    def events(self, team: int, wanted: Wanted) -> list[Row]:
        self.asked.append(wanted)
        at = datetime(2026, 3, 1, tzinfo=UTC)
        row = {"id": "e", "event": "seen", "distinct_id": "jane", "properties": {"n": 1}, "timestamp": at}
        return [row] * min(wanted.limit, 3)


@dataclass
class Counts:
    """The cache, in memory, with its interface."""

    tokens: set[str] = field(default_factory=set)
    tries: dict[str, int] = field(default_factory=dict)

    def know(self, tokens: list[str]) -> None:
        self.tokens.update(tokens)

    def knows(self, token: str) -> bool:
        return token in self.tokens

    def failures(self, who: str) -> int:
        return self.tries.get(who, 0)

    def failed(self, who: str, seconds: int) -> None:
        self.tries[who] = self.failures(who) + 1

    def succeeded(self, who: str) -> None:
        self.tries.pop(who, None)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password's cost is for whoever steals the table, not for tests."""
    monkeypatch.setattr(accounts, "COST", 2)


@pytest.fixture
def api() -> Api:
    return Api(SETTINGS, Tables(), Counts())  # type: ignore[arg-type]  # the same interface, in memory


def ask(method: str, value: object = None, path: str = "/", **headers: str) -> Request:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Request(method, path, {}, {**HEADERS, **named}, json.dumps(value).encode() if value is not None else b"")


def said(reply: Reply) -> Any:
    return json.loads(reply.body)


def signed_in(reply: Reply) -> dict[str, str]:
    """The headers of a request after this reply, by our own page."""
    jar = dict(text.partition(";")[0].partition("=")[::2] for name, text in reply.headers if name == "set-cookie")
    cookies = "; ".join(f"{name}={value}" for name, value in jar.items())
    return {"cookie": cookies, "x_csrftoken": jar[CSRF], "referer": f"https://{HOST}/"}


@pytest.fixture
def jane(api: Api) -> dict[str, str]:
    return signed_in(api.sign_up(ask("POST", {**JANE, "organization_name": "Acme"})))


def test_the_first_signs_up_and_nobody_after(api: Api) -> None:
    first = api.sign_up(ask("POST", JANE))
    assert (first.status, said(first)["email"]) == (201, "jane@acme.example")
    second = api.sign_up(ask("POST", {**JANE, "email": "joe@acme.example"}))
    assert (second.status, said(second)["code"]) == (403, "permission_denied")


@pytest.mark.parametrize(
    ("changed", "attribute"),
    [({"password": "short"}, "password"), ({"email": "jane"}, "email"), ({"first_name": ""}, "first_name")],
)
def test_a_sign_up_that_lacks_something_is_told_what(api: Api, changed: dict[str, str], attribute: str) -> None:
    reply = api.sign_up(ask("POST", {**JANE, **changed}))
    assert (reply.status, said(reply)["attr"]) == (400, attribute)


def test_a_session_lasts_as_long_as_set_and_is_not_kept_in_clear(api: Api, jane: dict[str, str]) -> None:
    reply = api.sign_in(ask("POST", {"email": JANE["email"], "password": JANE["password"]}))
    session = signed_in(reply)["cookie"].partition(f"{SESSION}=")[2].partition(";")[0]
    assert reply.status == 200
    kept = api.store.sessions  # type: ignore[attr-defined]
    assert session not in kept
    assert kept[accounts.hide_session(session, SECRET_KEY)][2] == 28800


def test_too_many_wrong_passwords_lock_the_right_one_out(api: Api, jane: dict[str, str]) -> None:
    wrong = {"email": JANE["email"], "password": "wrong"}
    tries = [api.sign_in(ask("POST", wrong, x_forwarded_for="192.0.2.66")) for _ in range(LOCK_OUT_AFTER)]
    assert {(reply.status, said(reply)["code"]) for reply in tries} == {(400, "invalid_credentials")}
    right = {"email": JANE["email"], "password": JANE["password"]}
    locked = api.sign_in(ask("POST", right, x_forwarded_for="192.0.2.66"))
    assert (locked.status, said(locked)["code"]) == (403, "too_many_failed_attempts")
    assert api.sign_in(ask("POST", right, x_forwarded_for="198.51.100.7")).status == 200


def test_an_unknown_person_is_refused_like_a_wrong_password(api: Api) -> None:
    reply = api.sign_in(ask("POST", {"email": "nobody@acme.example", "password": "wrong"}))
    assert (reply.status, said(reply)["detail"]) == (400, "Invalid email or password.")


def test_nothing_is_read_or_changed_by_nobody(api: Api) -> None:
    for reply in (api.me(ask("GET")), api.project(ask("GET"), "@current"), api.keys(ask("POST", {"scopes": ["*"]}))):
        assert (reply.status, said(reply)["code"]) == (401, "not_authenticated")


def test_a_change_by_session_needs_the_token_of_our_page(api: Api, jane: dict[str, str]) -> None:
    foreign = {**jane, "x_csrftoken": "guess"}
    reply = api.keys(ask("POST", {"scopes": ["query:read"]}, **foreign))
    assert reply.status == 403
    assert said(reply)["detail"].startswith("CSRF Failed")


def key_of(api: Api, jane: dict[str, str], **fields: object) -> Reply:
    return api.keys(ask("POST", {"label": "smoke", "scopes": ["query:read"], "scoped_teams": [7], **fields}, **jane))


def test_a_key_is_shown_once_and_kept_as_a_hash(api: Api, jane: dict[str, str]) -> None:
    made = said(key_of(api, jane))
    assert made["value"].startswith("phx_")
    [listed] = said(api.keys(ask("GET", **jane)))
    assert (listed["value"], listed["mask_value"]) == (None, accounts.mask_key(made["value"]))
    assert made["value"] not in str(api.store.kept)  # type: ignore[attr-defined]


def test_a_key_opens_what_its_scope_says_until_it_is_deleted(api: Api, jane: dict[str, str]) -> None:
    made = said(key_of(api, jane))
    bearer = {"authorization": f"Bearer {made['value']}"}
    assert api.events(ask("GET", **bearer), "7").status == 200
    missing = api.project(ask("GET", **bearer), "@current")
    assert (missing.status, said(missing)["detail"]) == (403, "API key missing required scope 'project:read'")
    assert api.keys(ask("GET", **bearer)).status == 403
    assert api.drop_key(ask("DELETE", **jane), made["id"]).status == 204
    assert api.events(ask("GET", **bearer), "7").status == 401
    assert api.drop_key(ask("DELETE", **jane), made["id"]).status == 404


@pytest.mark.parametrize(
    "fields",
    [{"scopes": []}, {"scopes": "query:read"}, {"scopes": ["query"]}, {"scopes": ["query:own"]}, {"scoped_teams": [8]}],
)
def test_a_key_for_what_is_not_there_is_refused(api: Api, jane: dict[str, str], fields: dict[str, object]) -> None:
    assert key_of(api, jane, **fields).status == 400


def test_another_project_is_not_found(api: Api, jane: dict[str, str]) -> None:
    assert api.project(ask("GET", **jane), "8").status == 404
    assert api.events(ask("GET", **jane), "8").status == 404


def test_events_are_asked_for_as_the_query_says(api: Api, jane: dict[str, str]) -> None:
    query = {"event": "seen", "distinct_id": "jane", "after": "2026-02-01T00:00:00+00:00", "limit": "2"}
    request = Request("GET", "/api/projects/7/events", query, {**HEADERS, "cookie": jane["cookie"]})
    value = said(api.events(request, "7"))
    assert len(value["results"]) == 2
    assert value["next"].startswith(f"https://{HOST}/api/projects/7/events?")
    [wanted] = api.store.asked  # type: ignore[attr-defined]
    assert (wanted.event, wanted.distinct_id, wanted.limit) == ("seen", "jane", 3)
    assert wanted.after == datetime(2026, 2, 1, tzinfo=UTC)


def test_signing_out_ends_the_session(api: Api, jane: dict[str, str]) -> None:
    assert api.sign_out(ask("POST", **jane)).status == 302
    assert api.me(ask("GET", **jane)).status == 401


def test_flags_are_none_and_only_for_projects(api: Api, jane: dict[str, str]) -> None:
    token = said(api.project(ask("GET", **jane), "@current"))["api_token"]
    assert said(api.flags(ask("POST", {"api_key": token})))["flags"] == {}
    assert api.flags(ask("POST", {"api_key": "phc_nobody"})).status == 401

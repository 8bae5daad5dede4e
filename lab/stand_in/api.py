"""The part of upstream's API that a smoke test, an operator's first sign-up and the controls ask for (posthog/api)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from stand_in import accounts, second_factor, tokens
from stand_in.administration import project
from stand_in.asgi import Reply, Request, as_json
from stand_in.guard import CSRF, SAFE, SESSION, client_of, cookie, csrf_fault, denied, fault, invalid
from stand_in.records import Newcomer, Row, TakenError, Wanted
from stand_in.settings import Settings

if TYPE_CHECKING:
    from stand_in.cache import Cache
    from stand_in.store import Store

LOCK_OUT_AFTER, LOCK_OUT_SECONDS = 30, 600  # AXES_FAILURE_LIMIT, AXES_COOLOFF_TIME
HALF_SECONDS = 600  # TWO_FACTOR_LOGIN_TIMEOUT
MOST_KEYS = 10  # MAX_API_KEYS_PER_USER
NOBODY = accounts.hide_password("nobody's password")
CLOSED = (
    "New organizations cannot be created in this instance. Contact your administrator if you think this is a mistake."
)


@dataclass(frozen=True)
class Caller:
    """Who asks: a person, by session (`scopes` is None: everything) or by a personal API key with its scopes."""

    person: Row
    scopes: tuple[str, ...] | None = None
    teams: tuple[int, ...] = ()

    @property
    def team(self) -> int:
        """The project the person looks at."""
        return self.person["current_team_id"]


class Api:
    """The handlers: a request in, a reply out. What must be kept or counted, `store` and `cache` do."""

    def __init__(self, settings: Settings, store: Store, cache: Cache) -> None:
        self.settings = settings
        self.store = store
        self.cache = cache

    def caller(self, request: Request, scope: str = "") -> Caller | Reply:
        """Return who asks, or why they may not. Without `scope` a personal API key is not enough."""
        bearer = request.headers.get("authorization", "")
        if bearer.startswith("Bearer "):
            return self._by_key(bearer.removeprefix("Bearer ").strip(), scope)
        person = self.by_session(request)
        if person is None:
            detail = "Authentication credentials were not provided."
            return fault(401, "authentication_error", "not_authenticated", detail)
        if request.method not in SAFE:
            given = request.headers.get("x-csrftoken", "")
            if why := csrf_fault(request, self.settings, person["csrf"], given):
                return denied(f"CSRF Failed: {why}")
        if lack := second_factor.missing(person, request.path):
            return fault(403, "authentication_error", *lack)
        return Caller(person)

    def by_session(self, request: Request) -> Row | None:
        """Return who the request's session belongs to."""
        return self.store.person_of_session(self.session_of(request)) if request.cookies.get(SESSION) else None

    def session_of(self, request: Request) -> str:
        """Return what is kept of the request's session."""
        return accounts.hide_session(request.cookies[SESSION], self.settings.secret_key)

    def _by_key(self, value: str, scope: str) -> Caller | Reply:
        person = self.store.person_of_key(accounts.hide_key(value))
        if person is None:
            detail = "Personal API key found in request Authorization header is invalid."
            return fault(401, "authentication_error", "authentication_failed", detail)
        if not scope:
            return denied("This action does not support Personal API Key access")
        if not accounts.allows(person["scopes"], scope):
            return denied(f"API key missing required scope '{scope}'")
        return Caller(person, tuple(person["scopes"]), tuple(person["scoped_teams"]))

    def sign_in(self, request: Request) -> Reply:
        """POST /api/login: open a session."""
        fields = _fields(request)
        if not isinstance(fields.get("email"), str) or not isinstance(fields.get("password"), str):
            return invalid("required", "This field is required.", "email")
        who = client_of(request, self.settings)
        if self.cache.failures(who) >= LOCK_OUT_AFTER:
            detail = f"Too many failed login attempts. Please try again in {LOCK_OUT_SECONDS // 60} minutes."
            return fault(403, "authentication_error", "too_many_failed_attempts", detail)
        person = self.store.person(fields["email"])
        # Somebody who does not exist takes as long to refuse as somebody who does.
        right = accounts.is_password(fields["password"], person["password"] if person else NOBODY)
        if person is None or not right:
            self.cache.failed(who, LOCK_OUT_SECONDS)
            return invalid("invalid_credentials", "Invalid email or password.")
        self.cache.succeeded(who)
        if person["totp_seed"]:
            # The session that is begun here opens nothing but the way to give the code.
            return self.begin(person, fault(401, "authentication_error", "2fa_required", "2FA is required."), half=True)
        return self.begin(person, as_json(200, {"success": True}))

    def begin(self, person: Row, reply: Reply, *, verified: bool = False, half: bool = False) -> Reply:
        """Open a session for somebody and give its cookies with the reply."""
        session, csrf = accounts.token("", 40), accounts.token("", 32)
        seconds = min(self.settings.session_seconds, person["session_cookie_age"] or self.settings.session_seconds)
        kept = accounts.hide_session(session, self.settings.secret_key)
        self.store.open_session(
            person["id"], kept, csrf, HALF_SECONDS if half else seconds, verified=verified, half=half
        )
        return reply.adding(
            cookie(SESSION, session, seconds, self.settings),
            cookie(CSRF, csrf, seconds, self.settings, readable=True),
        )

    def sign_out(self, request: Request) -> Reply:
        """POST /logout: end the session."""
        caller = self.caller(request)
        if isinstance(caller, Reply):
            return caller
        self.store.close_session(self.session_of(request))
        gone = (cookie(SESSION, "", 0, self.settings), cookie(CSRF, "", 0, self.settings, readable=True))
        return Reply(302, headers=(("location", "/login"),)).adding(*gone)

    def sign_up(self, request: Request) -> Reply:
        """POST /api/signup: make the first organisation; there is never a second."""
        if self.store.initiated():
            return denied(CLOSED)
        fields = _fields(request)
        for name in ("first_name", "email", "password"):
            if not isinstance(fields.get(name), str) or not fields[name]:
                return invalid("required", "This field is required.", name)
        if "@" not in fields["email"]:
            return invalid("invalid_input", "Enter a valid email address.", "email")
        if len(fields["password"]) < accounts.SHORTEST_PASSWORD:
            detail = f"This password is too short. It must contain at least {accounts.SHORTEST_PASSWORD} characters."
            return invalid("password_too_short", detail, "password")
        newcomer = Newcomer(
            email=fields["email"],
            password=accounts.hide_password(fields["password"]),
            first_name=fields["first_name"],
            organization=str(fields.get("organization_name") or fields["first_name"]),
            api_token=accounts.token("phc_"),
        )
        try:
            self.store.sign_up(newcomer)
        except TakenError:
            return denied(CLOSED)
        self.cache.know([newcomer.api_token])
        person = self.store.person(newcomer.email)
        assert person is not None
        return self.begin(person, as_json(201, {**_person(person), "redirect_url": "/"}))

    def me(self, request: Request) -> Reply:
        """GET /api/users/@me: who is signed in."""
        caller = self.caller(request, "user:read")
        if isinstance(caller, Reply):
            return caller
        organization = {"id": str(caller.person["current_organization_id"]), "name": caller.person["organization_name"]}
        return as_json(200, {**_person(caller.person), "organization": organization, "team": project(caller.person)})

    def project(self, request: Request, which: str) -> Reply:
        """GET /api/projects/@current or by number."""
        caller = self.caller(request, "project:read")
        if isinstance(caller, Reply):
            return caller
        if self.team_fault(caller, which):
            return _not_found()
        live = {"live_events_token": tokens.live(caller.person, self.settings.secret_key, time.time())}
        return as_json(200, project(caller.person) | (live if self.settings.live_events else {}))

    def events(self, request: Request, which: str) -> Reply:
        """GET /api/projects/N/events: the newest first, of the last day unless `after` says otherwise."""
        caller = self.caller(request, "query:read")
        if isinstance(caller, Reply):
            return caller
        if self.team_fault(caller, which):
            return _not_found()
        try:
            wanted = read_wanted(request.query, datetime.now(UTC))
        except ValueError:
            return invalid("invalid_input", "limit is a number; after and before are times in ISO 8601.")
        limit = wanted.limit
        rows = self.store.events(caller.team, replace(wanted, limit=limit + 1))
        more = None
        if len(rows) > limit:
            before = {**request.query, "before": rows[limit - 1]["timestamp"].isoformat()}
            more = f"{self.settings.site_url}{request.path}?{urlencode(before)}"
        return as_json(200, {"next": more, "results": [_event(row) for row in rows[:limit]]})

    def keys(self, request: Request) -> Reply:
        """GET and POST /api/personal_api_keys: a key's value is shown once, when it is made."""
        caller = self.caller(request)
        if isinstance(caller, Reply):
            return caller
        kept = self.store.keys(caller.person["id"])
        if request.method == "GET":
            return as_json(200, [_key(row) for row in kept])
        fields = _fields(request)
        if why := accounts.scope_faults(fields.get("scopes")):
            return invalid("invalid_input", why, "scopes")
        teams = fields.get("scoped_teams") or []
        if not isinstance(teams, list) or any(team != caller.team for team in teams):
            detail = "You must be a member of all teams that you are scoping the key to."
            return invalid("invalid_input", detail, "scoped_teams")
        if len(kept) >= MOST_KEYS:
            detail = (
                f"You can only have {MOST_KEYS} personal API keys. Remove an existing key before creating a new one."
            )
            return invalid("invalid_input", detail)
        value = accounts.token("phx_")
        row = {
            "id": accounts.token("", 24),
            "user_id": caller.person["id"],
            "label": str(fields.get("label", ""))[:40],
            "secure_value": accounts.hide_key(value),
            "mask_value": accounts.mask_key(value),
            "scopes": fields["scopes"],
            "scoped_teams": teams,
        }
        self.store.add_key(row)
        return as_json(201, {**_key(row), "value": value})

    def drop_key(self, request: Request, key: str) -> Reply:
        """DELETE /api/personal_api_keys/ID."""
        caller = self.caller(request)
        if isinstance(caller, Reply):
            return caller
        return Reply(204) if self.store.drop_key(caller.person["id"], key) else _not_found()

    def flags(self, request: Request) -> Reply:
        """POST /decide, which old SDKs ask: no flags. New ones ask /flags, a service of its own."""
        token = _fields(request).get("api_key") or _fields(request).get("token") or ""
        if not self.cache.knows(str(token)):
            return fault(401, "authentication_error", "invalid_api_key", "Project API key invalid.")
        answer = {"flags": {}, "featureFlags": {}, "featureFlagPayloads": {}, "errorsWhileComputingFlags": False}
        return as_json(200, {**answer, "requestId": str(uuid.uuid4())})

    def team_fault(self, caller: Caller, which: str) -> bool:
        """Say whether a project is not the caller's, or not one their key is for."""
        return which not in ("@current", str(caller.team)) or bool(caller.teams and caller.team not in caller.teams)


def read_wanted(query: Mapping[str, str], now: datetime) -> Wanted:
    """Read which events are asked for: those of the last day, unless the query says otherwise. Raises ValueError."""
    before = query.get("before")
    return Wanted(
        after=datetime.fromisoformat(query["after"]) if "after" in query else now - timedelta(days=1),
        before=datetime.fromisoformat(before) if before else None,
        event=query.get("event"),
        distinct_id=query.get("distinct_id"),
        limit=max(1, min(int(query.get("limit", "100")), 1000)),
    )


def _fields(request: Request) -> dict[str, Any]:
    try:
        return request.fields()
    except ValueError:
        return {}


def _not_found() -> Reply:
    return fault(404, "invalid_request", "not_found", "Not found.")


def _person(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "uuid": str(row["uuid"]),
        "distinct_id": row["distinct_id"],
        "first_name": row["first_name"],
        "email": row["email"],
    }


def _event(row: Row) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "distinct_id": row["distinct_id"],
        "properties": row["properties"],
        "event": row["event"],
        "timestamp": row["timestamp"].isoformat(),
        "person": None,
        "elements": [],
        "elements_chain": "",
    }


def _key(row: Row) -> dict[str, Any]:
    shown = {name: row.get(name) for name in ("id", "label", "mask_value", "user_id", "scopes", "scoped_teams")}
    times = {name: row[name].isoformat() if row.get(name) else None for name in ("created_at", "last_used_at")}
    return {**shown, **times, "value": None, "scoped_organizations": []}

"""`web`: the pages and the API, for people and for the smoke test."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg_pool import PoolTimeout
from redis import RedisError

from stand_in import accounts, cross_origin, pages, remote_config, second_factor
from stand_in.administration import Administration
from stand_in.analytics import AnalyticsError
from stand_in.api import Api
from stand_in.asgi import Reply, Request, as_json, text
from stand_in.both_stores import StoreWithAnalytics
from stand_in.cache import Cache, connect
from stand_in.calls import Persons
from stand_in.guard import CSRF, cookie, csrf_fault, fault, refusal
from stand_in.hog_functions import HogFunctions
from stand_in.invitation_tables import InvitationTables
from stand_in.invitations import Invitations
from stand_in.jobs import Jobs
from stand_in.objects import Objects, ObjectsError
from stand_in.optional_tables import Tables
from stand_in.people import People
from stand_in.playing import PlayingError, Recordings, snapshots
from stand_in.records import Wanted
from stand_in.serving import serve
from stand_in.settings import Settings
from stand_in.store import Store
from stand_in.symbol_sets import SymbolSets

HEALTH = ("/_health", "/_readyz", "/_readiness", "/_livez")
START_SECONDS = 60
SHOWN = 20
NOT_FOUND = fault(404, "invalid_request", "not_found", "Not found.")


def run(settings: Settings) -> None:
    """Make the tables, then serve until SIGTERM."""
    store = StoreWithAnalytics(settings) if settings.clickhouse_host else Store(settings)
    cache = Cache(connect(settings))
    web = Web(settings, store, cache)
    web.start()
    serve(web.answer, settings.address)
    store.close()


class Web:
    """Routes requests. A path is matched without its last slash: upstream takes both."""

    def __init__(self, settings: Settings, store: Store, cache: Cache) -> None:
        self.settings = settings
        self.store = store
        self.cache = cache
        self.api = Api(settings, store, cache)
        self.administration = Administration(self.api)
        self.invitations = Invitations(self.api, InvitationTables(store.pool))
        self.objects = Objects(settings.objects) if settings.objects else None
        self.recordings = (
            Recordings(settings.recording_api_url, settings.recording_api_secret)
            if settings.recording_api_url
            else None
        )
        tables = Tables(store.pool)
        self.hog_functions = HogFunctions(self.api, tables, settings.destinations)
        self.symbol_sets = SymbolSets(self.api, tables, self.objects)
        self.people = People(self.api, Persons(settings.persons) if settings.persons else None)

    def start(self) -> None:
        """Make the tables and publish the tokens, waiting a minute for a database that is still starting."""
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                self.store.prepare()
                self._prepare_jobs()
                if tokens := self.store.tokens():
                    self.cache.know(tokens)
                return
            except (psycopg.OperationalError, PoolTimeout, RedisError, AnalyticsError) as error:
                if time.monotonic() > until:
                    raise
                print(f"stand-in web: {type(error).__name__}: {error}; trying again", file=sys.stderr)
                time.sleep(1)

    def _prepare_jobs(self) -> None:
        """Make the table of jobs, whose owner we are, as upstream's bin/migrate does in this container."""
        if self.settings.jobs_url:
            jobs = Jobs(self.settings.jobs_url)
            jobs.prepare()
            jobs.close()

    def answer(self, request: Request) -> Reply:
        """Answer one request."""
        path = request.path.rstrip("/") or "/"
        if path in HEALTH:
            return self.health(alone=path == "/_livez")
        if refused := refusal(request, self.settings):
            return refused
        method = "GET" if request.method == "HEAD" else request.method
        found = {verb: (handle, match) for (verb, handle, match) in self._matching(path)}
        if not found:
            return text(404, "not found: the stand-in has no such page")
        if method not in found:
            return text(405, "method not allowed").adding(("allow", ", ".join(found)))
        handle, match = found[method]
        return handle(request, *match.groups())

    def _matching(self, path: str) -> Iterator[tuple[str, Callable[..., Reply], re.Match[str]]]:
        for (verb, pattern), handle in self.routes().items():
            if match := re.fullmatch(pattern, path):
                yield verb, handle, match

    def routes(self) -> dict[tuple[str, str], Callable[..., Reply]]:
        """Method and path of everything there is."""
        api, administration = self.api, self.administration
        project, organization = "/api/(?:projects|environments)/([^/]+)", "/api/organizations/([^/]+)"
        return {
            ("GET", "/"): self.home,
            ("GET", "/login"): self.login_page,
            ("POST", "/login"): self.login,
            ("POST", "/logout"): self.logout,
            ("GET", "/preflight"): lambda _: pages.preflight(),
            ("GET", "/_preflight"): self.preflight,
            ("POST", "/api/login"): api.sign_in,
            ("POST", "/api/login/token"): administration.give_code,
            ("POST", "/api/signup"): api.sign_up,
            ("GET", "/api/signup/([^/]+)"): self.invitations.look,
            ("POST", "/api/signup/([^/]+)"): self.invitations.accept,
            ("POST", f"{organization}/invites"): self.invitations.create,
            ("GET", "/api/users/@me"): api.me,
            ("GET", "/api/users/@me/two_factor_start_setup"): administration.start_second_factor,
            ("POST", "/api/users/@me/two_factor_validate"): administration.accept_second_factor,
            ("GET", organization): administration.organization,
            ("PATCH", organization): administration.organization,
            ("GET", "/api/personal_api_keys"): api.keys,
            ("POST", "/api/personal_api_keys"): api.keys,
            ("DELETE", "/api/personal_api_keys/([^/]+)"): api.drop_key,
            ("GET", "/api/(?:projects|environments)"): administration.projects,
            ("GET", project): api.project,
            ("PATCH", project): administration.change_project,
            ("GET", f"{project}/events"): api.events,
            ("POST", f"{project}/error_tracking/symbol_sets"): self.symbol_sets.create,
            ("GET", f"{project}/hog_functions"): self.hog_functions.rows,
            ("POST", f"{project}/hog_functions"): self.hog_functions.create,
            ("PATCH", f"{project}/hog_functions/rearrange"): self.hog_functions.rearrange,
            ("GET", f"{project}/hog_functions/((?!rearrange)[^/]+)"): self.hog_functions.one,
            ("PATCH", f"{project}/hog_functions/((?!rearrange)[^/]+)"): self.hog_functions.change,
            ("POST", f"{project}/hog_functions/([^/]+)/invocations"): self.hog_functions.invoke,
            ("GET", f"{project}/session_recordings/([^/]+)"): self.recording,
            ("GET", f"{project}/session_recordings/([^/]+)/snapshots"): self.snapshots,
            ("GET", f"{project}/persons"): self.people.persons,
            ("GET", "/array/([A-Za-z0-9_-]{1,200})/config"): self.remote_config,
            ("GET", r"/array/([A-Za-z0-9_-]{1,200})/config\.js"): self.remote_config_script,
            ("POST", "/decide"): api.flags,
        }

    def health(self, *, alone: bool) -> Reply:
        """GET /_health and its like: 503 where a store does not answer; /_livez asks nobody."""
        checks = {} if alone else {"postgres": self._postgres(), "valkey": self._valkey()}
        if not alone and self.settings.clickhouse_host:
            checks["clickhouse"] = self._clickhouse()
        well = all(checks.values())
        return as_json(200 if well else 503, {"status": "ok" if well else "failed", "stand_in": True, **checks})

    def _postgres(self) -> bool:
        try:
            return self.store.alive()
        except psycopg.Error:
            return False

    def _valkey(self) -> bool:
        try:
            return self.cache.alive()
        except RedisError:
            return False

    def _clickhouse(self) -> bool:
        try:
            return isinstance(self.store, StoreWithAnalytics) and self.store.analytics.alive()
        except AnalyticsError:
            return False

    def _objects(self) -> bool:
        try:
            return self.objects is not None and self.objects.alive()
        except ObjectsError:
            return False

    def preflight(self, request: Request) -> Reply:
        """GET /_preflight: upstream's fields; what the stand-in does not have is false, and `django` is who answers."""
        initiated = self.store.initiated()
        answer = {
            "django": True,
            "redis": self._valkey(),
            "plugins": False,
            "celery": False,
            "clickhouse": self._clickhouse(),
            "kafka": False,
            "db": self._postgres(),
            "initiated": initiated,
            "cloud": False,
            "demo": False,
            "realm": "hosted-clickhouse",
            "region": None,
            "can_create_org": not initiated,
            "email_service_available": False,
            "object_storage": self._objects(),
            "stand_in": True,
        }
        if self.api.by_session(request) is not None:
            answer |= {"opt_out_capture": self.settings.opted_out, "site_url": self.settings.site_url}
        return as_json(200, answer)

    def remote_config(self, request: Request, token: str) -> Reply:
        """GET /array/TOKEN/config: what the browser SDK may do in a project. Any page may read it, as upstream's."""
        team = self.store.team(token)
        if team is None:
            return text(404, "not found: there is no such project").adding(*cross_origin.headers(request))
        flags = bool(self.store.flags(team["id"]))
        found = remote_config.config(token, flags=flags, recording=team["session_recording_opt_in"])
        return as_json(200, found).adding(*cross_origin.headers(request))

    def remote_config_script(self, request: Request, token: str) -> Reply:
        """GET /array/TOKEN/config.js: the same, for a page that brings scripts in."""
        reply = self.remote_config(request, token)
        if reply.status != 200:
            return reply
        script = remote_config.script(token, json.loads(reply.body))
        return replace(reply, body=script.encode(), kind="application/javascript")

    def recording(self, request: Request, which: str, session: str) -> Reply:
        """GET /api/projects/N/session_recordings/SESSION: when it was."""
        caller = self.api.caller(request, "session_recording:read")
        if isinstance(caller, Reply):
            return caller
        row = None if self.api.team_fault(caller, which) else self.store.recording(caller.team, session)
        if row is None:
            return NOT_FOUND
        times = {name: row[name].isoformat() for name in ("start_time", "end_time")}
        return as_json(200, {"id": session, "distinct_id": row["distinct_id"], "snapshot_source": "web", **times})

    def snapshots(self, request: Request, which: str, session: str) -> Reply:
        """GET /api/projects/N/session_recordings/SESSION/snapshots: what was recorded, from recording-api."""
        caller = self.api.caller(request, "session_recording:read")
        if isinstance(caller, Reply):
            return caller
        if self.recordings is None or self.api.team_fault(caller, which):
            return NOT_FOUND
        try:
            return snapshots(self.recordings, caller.team, session, request)
        except PlayingError as error:
            print(f"stand-in web: recording-api: {error}", file=sys.stderr)
            return fault(503, "server_error", "error", "The recording could not be fetched.")

    def home(self, request: Request) -> Reply:
        """GET /: the latest events, or the way to the sign-in page."""
        person = self.api.by_session(request)
        if person is None:
            return _to("/login?next=/" if self.store.initiated() else "/preflight")
        if lack := second_factor.missing(person, "/"):
            # Upstream's page leads through it; ours has no such steps, only the API.
            return text(403, f"{lack[1]}: the stand-in takes codes over its API only")
        day = Wanted(after=datetime.now(UTC) - timedelta(days=1), limit=SHOWN)
        return pages.home(person, person["csrf"], self.store.events(person["current_team_id"], day))

    def login_page(self, request: Request, fault: str = "") -> Reply:
        """GET /login."""
        csrf = request.cookies.get(CSRF) or accounts.token("", 32)
        kept = cookie(CSRF, csrf, self.settings.session_seconds, self.settings, readable=True)
        return pages.sign_in(csrf, self.settings, fault).adding(kept)

    def login(self, request: Request) -> Reply:
        """POST /login: the form of the page; upstream's page calls the API instead."""
        given = str(_form(request).get("csrfmiddlewaretoken", ""))
        if why := csrf_fault(request, self.settings, request.cookies.get(CSRF, ""), given):
            return self.login_page(request, why)
        reply = self.api.sign_in(request)
        if reply.status != 200:
            return self.login_page(request, "That did not work: a wrong address or password, or too many tries.")
        return _to("/").adding(*reply.headers)

    def logout(self, request: Request) -> Reply:
        """POST /logout, from the page's form or with the API's header."""
        given = str(_form(request).get("csrfmiddlewaretoken", ""))
        headers = {**request.headers, "x-csrftoken": given} if given else request.headers
        return self.api.sign_out(Request(**{**vars(request), "headers": headers}))


def _to(path: str) -> Reply:
    return Reply(302, headers=(("location", path), ("cache-control", "no-store")))


def _form(request: Request) -> dict[str, object]:
    try:
        return request.fields()
    except ValueError:
        return {}

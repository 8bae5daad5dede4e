"""What the feature-flags service says: paths and answers as upstream's (rust/feature-flags/src/router.rs, api/).

Apart from the program, so that it can be tried without a database; what `store` and `cache` raise is the program's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stand_in import accounts, cross_origin
from stand_in.asgi import Reply, Request, as_json, text
from stand_in.flags import evaluate
from stand_in.guard import denied, fault, invalid
from stand_in.ingest import RefusalError, read_payload

if TYPE_CHECKING:
    from stand_in.cache import Cache
    from stand_in.store import Store

DEFINITIONS = "/api/feature_flag/local_evaluation"
SCOPE = "feature_flag:read"


def answer(request: Request, store: Store, cache: Cache) -> Reply:
    """Answer one request."""
    path = request.path.rstrip("/")
    if path in ("", "/_readiness", "/_liveness"):
        cache.alive()
        store.alive()
        return text(200, "feature flags service (stand-in)")
    if path not in ("/flags", DEFINITIONS):
        return text(404, "not found")
    if request.method == "OPTIONS":
        return cross_origin.preflight(request)
    reply = _flags(request, store) if path == "/flags" else _definitions(request, store)
    return reply.adding(*cross_origin.headers(request))


def _flags(request: Request, store: Store) -> Reply:
    """GET or POST /flags: GET is answered without any flag, as upstream answers it."""
    if request.method == "GET":
        return as_json(200, evaluate([], "", version=request.query.get("v", "")))
    try:
        asked = read_payload(request.body, request.headers, request.query)
    except RefusalError as refusal:
        return text(refusal.status, refusal.words)
    if not isinstance(asked, dict):
        return text(400, "failed to parse request: not an object")
    token = asked.get("token") or asked.get("api_key") or asked.get("$token")
    team = store.team(token) if isinstance(token, str) else None
    if team is None:
        return fault(401, "authentication_error", "invalid_api_key", "Project API key invalid.")
    who = asked.get("distinct_id")
    if not who:
        return invalid("required", "The distinct_id field is missing from the request.", "distinct_id")
    return as_json(200, evaluate(store.flags(team["id"]), str(who), version=request.query.get("v", "")))


def _definitions(request: Request, store: Store) -> Reply:
    """GET /api/feature_flag/local_evaluation: the flags themselves, for servers, by a personal API key."""
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    person = store.person_of_key(accounts.hide_key(bearer)) if bearer else None
    if person is None:
        detail = "Authentication credentials were not provided."
        return fault(401, "authentication_error", "not_authenticated", detail)
    if not accounts.allows(person["scopes"], SCOPE):
        return denied(f"API key missing required scope '{SCOPE}'")
    team = store.team(request.query.get("token", ""))
    if team is None or team["id"] != person["current_team_id"]:
        return fault(401, "authentication_error", "invalid_api_key", "Project API key invalid.")
    return as_json(200, {"flags": store.flags(team["id"]), "group_type_mapping": {}, "cohorts": {}})

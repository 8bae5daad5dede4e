"""`capture`: takes events in. Paths and answers as upstream's router (rust/capture/src/router.rs)."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from redis import RedisError

from stand_in.asgi import Reply, Request, as_json, text
from stand_in.cache import Cache, connect
from stand_in.event_log import Intake, LogError, Outgoing
from stand_in.ingest import RefusalError, read_events
from stand_in.serving import serve
from stand_in.settings import Settings

EVENTS = ("/i/v0/e", "/e", "/capture", "/track", "/engage", "/batch")
EVENTS_V1 = "/i/v1/analytics/events"
CORS = ("GET, POST, OPTIONS", "content-type, content-encoding, authorization")


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    cache = Cache(connect(settings))
    intake = Intake(cache, Outgoing(settings)) if settings.kafka_hosts else cache
    serve(lambda request: answer(request, intake), settings.address)


def answer(request: Request, intake: Cache | Intake) -> Reply:
    """Answer one request."""
    path = request.path.rstrip("/")
    if path in ("", "/_readiness", "/_liveness", "/_livez"):
        return _health(intake)
    if path not in (*EVENTS, EVENTS_V1):
        return text(404, "not found")
    allowed = _cross_origin(request)
    if request.method == "OPTIONS":
        return Reply(204).adding(*allowed)
    if request.method != "POST":
        return text(405, "send events by POST").adding(("allow", "POST, OPTIONS"))
    return _take(request, path, intake).adding(*allowed)


def _health(intake: Cache | Intake) -> Reply:
    try:
        intake.alive()
    except RedisError:
        return text(503, "stand-in: Valkey does not answer")
    except LogError:
        return text(503, "stand-in: the event log does not answer")
    return text(200, "capture (stand-in)")


def _take(request: Request, path: str, intake: Cache | Intake) -> Reply:
    try:
        events = read_events(request.body, request.headers, request.query, datetime.now(UTC))
        if not intake.knows(events[0].token):
            raise RefusalError(401, "API key is not valid: unknown")
        intake.put(events)
    except RefusalError as refusal:
        return text(refusal.status, refusal.words)
    except (RedisError, LogError) as error:
        print(f"stand-in capture: {type(error).__name__}: {error}", file=sys.stderr)
        return text(503, "transient error, please retry")
    if path == EVENTS_V1:
        return as_json(200, {"results": {event.uuid: {"result": "ok"} for event in events}})
    return as_json(200, {"status": "Ok"})


def _cross_origin(request: Request) -> tuple[tuple[str, str], ...]:
    """Web pages of any origin may send events, as upstream lets them; they read no more than the status."""
    origin = request.headers.get("origin")
    if not origin:
        return ()
    methods, headers = CORS
    return (
        ("access-control-allow-origin", origin),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", methods),
        ("access-control-allow-headers", headers),
        ("vary", "Origin"),
    )

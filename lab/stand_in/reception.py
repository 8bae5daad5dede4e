"""What capture takes in and what it says: paths and answers as upstream's (rust/capture/src/router.rs).

Apart from the program, so that it can be tried without Valkey; what `cache` raises is the program's to answer. One
program, as upstream has it: CAPTURE_MODE says which of the two it takes, and the paths of the other are not there.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stand_in import cross_origin
from stand_in.asgi import Reply, Request, as_json, text
from stand_in.ingest import Event, RefusalError, read_events
from stand_in.replay import read_recording

if TYPE_CHECKING:
    from stand_in.cache import Cache
    from stand_in.event_log import Intake

EVENTS_V1 = "/i/v1/analytics/events"
PATHS = {
    "events": ("/i/v0/e", "/e", "/capture", "/track", "/engage", "/batch", EVENTS_V1),
    "recordings": ("/s",),
}


def answer(request: Request, cache: Cache | Intake, mode: str = "events") -> Reply:
    """Answer one request."""
    path = request.path.rstrip("/")
    if path in ("", "/_readiness", "/_liveness", "/_livez"):
        cache.alive()
        return text(200, "capture (stand-in)")
    if path not in PATHS[mode]:
        return text(404, "not found").adding(*cross_origin.headers(request))
    if request.method == "OPTIONS":
        return cross_origin.preflight(request)
    if request.method != "POST":
        return text(405, "send events by POST").adding(("allow", "POST, OPTIONS"), *cross_origin.headers(request))
    return _take(request, path, cache, mode).adding(*cross_origin.headers(request))


def _take(request: Request, path: str, cache: Cache | Intake, mode: str) -> Reply:
    try:
        events = _read(request, mode)
        if not cache.knows(events[0].token):
            raise RefusalError(401, "API key is not valid: unknown")
        cache.put(events)
    except RefusalError as refusal:
        return text(refusal.status, refusal.words)
    if path == EVENTS_V1:
        return as_json(200, {"results": {event.uuid: {"result": "ok"} for event in events}})
    return as_json(200, {"status": "Ok"})


def _read(request: Request, mode: str) -> list[Event]:
    now = datetime.now(UTC)
    if mode == "recordings":
        return [read_recording(request.body, request.headers, request.query, now)]
    return read_events(request.body, request.headers, request.query, now)

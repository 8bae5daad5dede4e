"""`capture`: takes events in and puts them into the event log; or, by its mode, session recordings."""

from __future__ import annotations

import sys

from redis import RedisError

from stand_in import cross_origin
from stand_in.asgi import Reply, Request, text
from stand_in.cache import Cache, connect
from stand_in.event_log import Intake, LogError, Outgoing
from stand_in.reception import answer
from stand_in.serving import serve
from stand_in.settings import Settings


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    cache = Cache(connect(settings))
    intake = Intake(cache, Outgoing(settings), settings.kafka_topic) if settings.kafka_hosts else cache
    serve(lambda request: handle(request, intake, settings.capture_mode), settings.address)


def handle(request: Request, intake: Cache | Intake, mode: str = "events") -> Reply:
    """Answer one request; what cannot be kept is not acknowledged."""
    try:
        return answer(request, intake, mode)
    except (RedisError, LogError) as error:
        print(f"stand-in capture: {type(error).__name__}: {error}", file=sys.stderr)
        return text(503, "transient error, please retry").adding(*cross_origin.headers(request))

"""`capture`: takes events in, or session recordings, and puts them into Valkey."""

from __future__ import annotations

from redis import RedisError

from stand_in import cross_origin
from stand_in.asgi import Reply, Request, text
from stand_in.cache import Cache, connect
from stand_in.reception import answer
from stand_in.serving import serve
from stand_in.settings import Settings


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    cache = Cache(connect(settings))

    def handle(request: Request) -> Reply:
        try:
            return answer(request, cache, settings.capture_mode)
        except RedisError:
            return text(503, "transient error, please retry").adding(*cross_origin.headers(request))

    serve(handle, settings.address)

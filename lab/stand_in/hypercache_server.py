"""`hypercache-server`: answers what the browser SDK asks first, from what web and worker have put into Valkey."""

from __future__ import annotations

import sys

from redis import RedisError

from stand_in import cross_origin
from stand_in.asgi import Reply, Request, text
from stand_in.cache import Cache, connect
from stand_in.hypercache import answer
from stand_in.serving import serve
from stand_in.settings import Settings


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    cache = Cache(connect(settings))

    def handle(request: Request) -> Reply:
        try:
            return answer(request, cache)
        except RedisError as error:
            print(f"stand-in hypercache-server: {type(error).__name__}: {error}", file=sys.stderr)
            return text(503, "stand-in: Valkey does not answer").adding(*cross_origin.headers(request))

    serve(handle, settings.address)

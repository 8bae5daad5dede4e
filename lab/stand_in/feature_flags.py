"""`feature-flags`: says which flags are on, from PostgreSQL."""

from __future__ import annotations

import psycopg
from psycopg_pool import PoolTimeout
from redis import RedisError

from stand_in import cross_origin
from stand_in.asgi import Reply, Request, text
from stand_in.cache import Cache, connect
from stand_in.flag_answers import answer
from stand_in.serving import serve
from stand_in.settings import Settings
from stand_in.store import Store


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    store, cache = Store(settings), Cache(connect(settings))

    def handle(request: Request) -> Reply:
        try:
            return answer(request, store, cache)
        except (psycopg.Error, PoolTimeout, RedisError):
            return text(503, "stand-in: a store does not answer").adding(*cross_origin.headers(request))

    serve(handle, settings.address)
    store.close()

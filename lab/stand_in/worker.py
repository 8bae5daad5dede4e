"""`worker`: moves events from Valkey to PostgreSQL, and tells capture which tokens are projects'."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

import psycopg
from redis import RedisError

from stand_in.cache import Cache, connect
from stand_in.health import beat
from stand_in.hypercache import values
from stand_in.ingest import Event
from stand_in.settings import Settings
from stand_in.store import Store

TOKENS_EVERY = 1.0
PAUSE = 1.0


class Stop(BaseException):
    """SIGTERM came. Not an Exception: nothing between the signal and the loop may swallow it."""


def run(settings: Settings) -> None:
    """Work until SIGTERM. An event is stored at least once and, by its id, no more than once."""
    signal.signal(signal.SIGTERM, _stop)
    store, cache = Store(settings, connections=1), Cache(connect(settings))
    told = 0.0
    try:
        while True:
            try:
                if time.monotonic() - told > TOKENS_EVERY:
                    if tokens := store.tokens():
                        cache.know(tokens)
                    for token in tokens:
                        publish(store, cache, token)
                    told = time.monotonic()
                if events := cache.take(PAUSE):
                    _keep(store, events)
                    cache.done(len(events))
                beat()
            except (psycopg.Error, RedisError) as error:
                # Both come and go, web may still be making the tables: the events wait in Valkey, the health says so.
                print(f"stand-in worker: {type(error).__name__}: {error}; trying again", file=sys.stderr)
                time.sleep(PAUSE)
    except Stop:
        store.close()


def publish(store: Store, cache: Cache, token: str) -> None:
    """Put into Valkey what hypercache-server answers for a project (upstream's RemoteConfig.sync)."""
    if team := store.team(token):
        flags = bool(store.flags(team["id"]))
        cache.keep(values(token, flags=flags, recording=team["session_recording_opt_in"]))


def _keep(store: Store, events: list[Event]) -> None:
    """Store events; one that PostgreSQL can never take (a NUL, half a surrogate) must not hold up the others."""
    try:
        store.add(events)
    except (psycopg.DataError, UnicodeError) as error:
        if len(events) > 1:
            for event in events:
                _keep(store, [event])
        else:
            print(f"stand-in worker: dropped event {events[0].uuid}: {type(error).__name__}", file=sys.stderr)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stop

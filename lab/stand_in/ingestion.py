"""`ingestion`: finds out whose an event is and sends it on to the analytics store (upstream's ingestion-general)."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType
from typing import Any

import psycopg

from stand_in.definitions import people_in
from stand_in.event_log import GROUP, INCOMING, MOST, ROWS, LogError, Outgoing, client, outgoing
from stand_in.health import beat
from stand_in.records import Row
from stand_in.settings import Settings
from stand_in.store import Store
from stand_in.transformations import transformed

TEAMS_EVERY = 5.0
PAUSE = 1.0


class Stop(BaseException):
    """SIGTERM came. Not an Exception: nothing between the signal and the loop may swallow it."""


def run(settings: Settings) -> None:
    """Work until SIGTERM. An event is sent on at least once; the analytics store folds those of one uuid together."""
    from confluent_kafka import Consumer  # noqa: PLC0415 - as in event_log

    signal.signal(signal.SIGTERM, _stop)
    store, log = Store(settings, connections=1), Outgoing(settings)
    reader = Consumer(
        {
            **client(settings),
            "group.id": GROUP,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 10000,
        }
    )
    reader.subscribe([INCOMING])
    teams: dict[str, int] = {}
    functions: list[Row] = []
    waiting: list[Any] = []
    asked = 0.0
    try:
        while True:
            try:
                if time.monotonic() - asked > TEAMS_EVERY:
                    teams, functions, asked = store.teams(), store.transformations(), time.monotonic()
                waiting = waiting or reader.consume(MOST, timeout=PAUSE)
                if fault := next((message.error() for message in waiting if message.error()), None):
                    waiting = [message for message in waiting if not message.error()]
                    raise LogError(fault.name())
                if waiting:
                    # Before anything is made of an event, its person included.
                    rows = transformed(outgoing([message.value() for message in waiting], teams), functions)
                    store.meet(people_in(rows))
                    log.put(ROWS, rows)
                    # Done: who has fallen out of the group cannot say so, and must come back to it by asking for more.
                    waiting = []
                    reader.commit(asynchronous=False)
                beat()
            except Exception as error:
                if not _passes(error):
                    raise
                print(f"stand-in ingestion: {type(error).__name__}: {error}; trying again", file=sys.stderr)
                time.sleep(PAUSE)
    except Stop:
        reader.close()
        store.close()


def _passes(error: Exception) -> bool:
    """Say whether it may pass by itself: PostgreSQL and the event log come and go, and the messages wait."""
    from confluent_kafka import KafkaException  # noqa: PLC0415

    return isinstance(error, psycopg.Error | LogError | KafkaException)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stop

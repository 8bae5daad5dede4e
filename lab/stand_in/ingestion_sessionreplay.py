"""`ingestion-sessionreplay`: puts recordings from the event log into object storage and tells the analytics store."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType
from typing import Any

import psycopg

from stand_in.event_log import LogError, Outgoing, client
from stand_in.health import beat
from stand_in.objects import Objects, ObjectsError
from stand_in.recorder import Recorder
from stand_in.settings import Settings
from stand_in.store import Store

TOPICS = ("session_recording_snapshot_item_events", "session_recording_snapshot_item_overflow")
GROUP = "session-recordings-blob-v2"
MOST, PAUSE, TEAMS_EVERY = 200, 1.0, 5.0


class Stop(BaseException):
    """SIGTERM came. Not an Exception: nothing between the signal and the loop may swallow it."""


def run(settings: Settings) -> None:
    """Work until SIGTERM."""
    from confluent_kafka import Consumer, KafkaException  # noqa: PLC0415 - as in event_log

    assert settings.objects is not None  # settings.py saw to that
    signal.signal(signal.SIGTERM, _stop)
    store, recorder = Store(settings, connections=1), Recorder(Objects(settings.objects), Outgoing(settings))
    quiet = {"group.id": GROUP, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    reader = Consumer({**client(settings), **quiet, "session.timeout.ms": 10000})
    reader.subscribe(list(TOPICS))
    teams: dict[str, int] = {}
    waiting: list[Any] = []
    asked = 0.0
    try:
        while True:
            try:
                if time.monotonic() - asked > TEAMS_EVERY:
                    recorder.objects.alive()
                    teams, asked = store.teams(), time.monotonic()
                waiting = waiting or reader.consume(MOST, timeout=PAUSE)
                if fault := next((message.error() for message in waiting if message.error()), None):
                    waiting = [message for message in waiting if not message.error()]
                    raise LogError(fault.name())
                if waiting:
                    recorder.keep([message.value() for message in waiting], teams)
                    # Done: who has fallen out of the group cannot say so, and must come back to it by asking for more.
                    waiting = []
                    reader.commit(asynchronous=False)
                beat()
            except (psycopg.Error, ObjectsError, LogError, KafkaException) as error:
                # All of them come and go; what was read waits.
                print(f"stand-in ingestion: {type(error).__name__}: {error}; trying again", file=sys.stderr)
                time.sleep(PAUSE)
    except Stop:
        reader.close()
        store.close()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise Stop

"""A reader of the event log: batches of messages, each counted as read only once it was dealt with."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence

from stand_in.event_log import MOST, LogError, client
from stand_in.settings import Settings

PAUSE = 1.0
STALE = 30.0


class Reader:
    """Reads topics as one of a consumer group, from where the group left off."""

    def __init__(self, settings: Settings, group: str, topics: Sequence[str], *, latest: bool = False) -> None:
        from confluent_kafka import Consumer  # noqa: PLC0415 - as in event_log

        self.ended = threading.Event()
        self.well = -STALE
        self.client = Consumer(
            {
                **client(settings),
                "group.id": group,
                "auto.offset.reset": "latest" if latest else "earliest",
                "enable.auto.commit": False,
                "session.timeout.ms": 10000,
            }
        )
        self.client.subscribe(list(topics))

    def alive(self) -> bool:
        """Say whether the event log, and what is done with what it holds, was in order just now."""
        return time.monotonic() - self.well < STALE

    def run(self, deal: Callable[[list[bytes | None]], None], passes: Callable[[Exception], bool]) -> None:
        """Deal with batches until `stop`. What `deal` raises and `passes`, is tried again with the same batch."""
        from confluent_kafka import KafkaException  # noqa: PLC0415

        waiting: list[bytes | None] = []
        while not self.ended.is_set():
            try:
                if not waiting:
                    messages = self.client.consume(MOST, timeout=PAUSE)
                    waiting = [message.value() for message in messages if not message.error()]
                    if fault := next((message.error() for message in messages if message.error()), None):
                        raise LogError(fault.name())
                if waiting:
                    deal(waiting)
                    # Done: who has fallen out of the group cannot say so, and must come back to it by asking for more.
                    waiting = []
                    self.client.commit(asynchronous=False)
                # A log that does not answer gives no messages either, but assigns nobody a partition.
                if self.client.assignment():
                    self.well = time.monotonic()
            except Exception as error:
                if not (isinstance(error, LogError | KafkaException) or passes(error)):
                    raise
                print(f"stand-in: {type(error).__name__}: {error}; trying again", file=sys.stderr)
                time.sleep(PAUSE)
        self.client.close()

    def stop(self) -> None:
        """Have `run` return after the batch it is at."""
        self.ended.set()

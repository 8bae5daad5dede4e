"""From the event log into tables, as upstream's Kafka tables do it inside ClickHouse.

Upstream: a table on the engine Kafka reads the topic as JSONEachRow in the group `group1`, a view moves its rows on.
An offset is committed after its rows are in the table, so a row arrives at least once; the table folds rows of one
uuid together (ReplacingMergeTree) and readers ask with FINAL. A row that the table can never take is told to the log.
"""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import dataclass
from typing import Any

from analytics_store.config import Config
from analytics_store.engine import EVENTS, Engine, QueryError

GROUP = "group1"
MOST, PAUSE = 500, 1.0
EVENT_COLUMNS = ("uuid", "event", "properties", "timestamp", "team_id", "distinct_id", "elements_chain", "created_at")
BLOCK_COLUMNS = (
    *("session_id", "team_id", "distinct_id", "first_timestamp", "last_timestamp", "block_url", "size", "event_count"),
)


@dataclass(frozen=True)
class Stream:
    """A topic, and the table that its rows go to."""

    topic: str
    table: str
    columns: tuple[str, ...]


STREAMS = (
    Stream("clickhouse_events_json", "posthog.events", EVENT_COLUMNS),
    Stream("clickhouse_session_replay_events", "posthog.session_replay_events", BLOCK_COLUMNS),
)


class Consumer:
    """Reads the topics until told to stop; whatever fails is tried again."""

    def __init__(self, config: Config, engine: Engine) -> None:
        self.engine = engine
        self.settings = {
            **config.kafka,
            "bootstrap.servers": config.brokers,
            "group.id": GROUP,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }

    def run(self, stop: threading.Event) -> None:
        """Consume until `stop`."""
        from confluent_kafka import Consumer as Client  # noqa: PLC0415 - only where there is an event log

        while not stop.is_set() and not self._is_there():
            stop.wait(PAUSE)  # upstream's migrations make the tables, and here `web` does
        if stop.is_set():
            return
        client = Client(self.settings)
        client.subscribe([stream.topic for stream in STREAMS])
        while not stop.is_set():
            messages = client.consume(MOST, timeout=PAUSE)
            rows = [message for message in messages if not message.error()]
            for error in {str(message.error()) for message in messages if message.error()}:
                print(f"analytics-store: event log: {error}", file=sys.stderr)
            while rows and not stop.is_set():
                try:
                    for stream in STREAMS:
                        self._keep(stream, [message.value() for message in rows if message.topic() == stream.topic])
                    # Done: who has fallen out of the group cannot say so, and must come back to it by asking for more.
                    rows = []
                    client.commit(asynchronous=False)
                except Exception as error:  # the engine or the log may come back; the rows are not let go
                    print(f"analytics-store: events: {type(error).__name__}; trying again", file=sys.stderr)
                    stop.wait(PAUSE)
        client.close()

    def _is_there(self) -> bool:
        try:
            found = [
                self.engine.query(EVENTS, f"EXISTS TABLE {stream.table}", "TSV", "default", {}, {}).strip()
                for stream in STREAMS
            ]
        except QueryError:
            return False
        return all(each == b"1" for each in found)

    def _keep(self, stream: Stream, values: list[bytes | None]) -> None:
        rows = [row for row in map(_row, values) if row]
        if not rows:
            return
        try:
            self.engine.query(EVENTS, insertion(stream, rows), "TSV", "default", {}, {})
        except QueryError as error:
            if len(rows) > 1:
                for value in values:
                    self._keep(stream, [value])
            elif error.code in (26, 27, 41, 117, 376, 53, 6):  # what cannot be parsed today cannot be parsed tomorrow
                print(f"analytics-store: dropped an event: code {error.code}", file=sys.stderr)
            else:
                raise


def insertion(stream: Stream, rows: list[dict[str, Any]]) -> str:
    """Return the statement that keeps rows."""
    names = ", ".join(stream.columns)
    lines = "\n".join(json.dumps({name: row.get(name, "") for name in stream.columns}) for row in rows)
    return f"INSERT INTO {stream.table} ({names}) FORMAT JSONEachRow\n{lines}\n"


def _row(value: bytes | None) -> dict[str, Any] | None:
    try:
        row = json.loads(value or b"")
    except ValueError:
        row = None
    if not isinstance(row, dict):
        print("analytics-store: dropped an event that is not a JSON object", file=sys.stderr)
        return None
    return row

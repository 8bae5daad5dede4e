"""The event log: upstream's way of events from capture to the analytics store, by librdkafka.

Topics and what is in them are upstream's: capture puts an event, in an envelope, into `events_plugin_ingestion`;
ingestion reads it there and puts rows into `clickhouse_events_json`. Nothing counts as sent before the broker has
acknowledged it (acks=all), and nothing as read before what came of it is.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stand_in.ingest import Event
from stand_in.settings import Settings

if TYPE_CHECKING:
    from stand_in.cache import Cache

INCOMING, ROWS = "events_plugin_ingestion", "clickhouse_events_json"
# Exceptions have a way of their own, by which each comes to an issue (rust/capture: Destination, exception topic).
EXCEPTION, EXCEPTIONS = "$exception", "ingestion-errortracking-main"
GROUP = "events-ingestion-consumer"
SECONDS = 10.0
MOST = 200


class LogError(Exception):
    """The event log did not take something, or does not answer."""


def client(settings: Settings) -> dict[str, Any]:
    """Return librdkafka's settings.

    Without a mechanism a side-car on the own loopback speaks TLS for us (settings.py saw to that). With one, the broker
    is held against the deployment's CA and the name it was called by.
    """
    if not settings.kafka_mechanism:
        return {"bootstrap.servers": settings.kafka_hosts, "client.id": "stand-in"}
    return {
        "bootstrap.servers": settings.kafka_hosts,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": settings.kafka_mechanism,
        "sasl.username": settings.kafka_user,
        "sasl.password": settings.kafka_password,
        "ssl.ca.location": settings.ca_file,
        "enable.ssl.certificate.verification": True,
        "ssl.endpoint.identification.algorithm": "https",
        "client.id": "stand-in",
    }


class Outgoing:
    """Puts messages into a topic."""

    def __init__(self, settings: Settings) -> None:
        from confluent_kafka import Producer  # noqa: PLC0415 - the health command must not pay for it

        self.client = Producer(
            {**client(settings), "acks": "all", "linger.ms": 2, "message.timeout.ms": int(SECONDS * 1000)}
        )

    def put(self, topic: str, messages: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Send messages with their keys and wait until the broker has every one. Raises LogError."""
        faults: list[str] = []
        count = 0

        def told(error: Any, _message: Any) -> None:
            faults.append("" if error is None else error.name())

        try:
            for key, value in messages:
                body, name = json.dumps(value).encode(), key.encode(errors="replace")
                self.client.produce(topic, body, key=name, on_delivery=told)
                count += 1
        except BufferError:
            faults.append("_QUEUE_FULL")
        # Others send at the same time and may be told what is ours; `flush` would wait for what is theirs.
        until = time.monotonic() + SECONDS + 1
        while len(faults) < count and time.monotonic() < until:
            self.client.poll(0.02)
        wrong = sorted({fault for fault in faults if fault})
        if wrong or len(faults) < count:
            raise LogError(", ".join(wrong) or "no acknowledgement in time")

    def alive(self, topic: str) -> bool:
        """Say whether the broker answers and lets us see the topic."""
        from confluent_kafka import KafkaException  # noqa: PLC0415

        try:
            return self.client.list_topics(topic, timeout=5).topics[topic].error is None
        except (KafkaException, KeyError):
            return False


class Intake:
    """What capture needs: the projects' tokens from Valkey, and the event log to put events into."""

    def __init__(self, cache: Cache, log: Outgoing, topic: str = INCOMING) -> None:
        self.cache = cache
        self.log = log
        self.topic = topic

    def alive(self) -> bool:
        """Say whether both answer."""
        if not self.log.alive(self.topic):
            raise LogError("no answer")
        return self.cache.alive()

    def knows(self, token: str) -> bool:
        """Say whether a token is a project's."""
        return self.cache.knows(token)

    def put(self, events: Sequence[Event]) -> None:
        """Send events on. Raises LogError."""
        for topic in (self.topic, EXCEPTIONS):
            chosen = [event for event in events if (event.event == EXCEPTION) is (topic == EXCEPTIONS)]
            if chosen:
                self.log.put(topic, [(_key(event), envelope(event)) for event in chosen])


def _key(event: Event) -> str:
    """Return what keeps messages that belong together in order: a session, or a person of a project."""
    return str(event.properties.get("$session_id") or f"{event.token}:{event.distinct_id}")


def envelope(event: Event) -> dict[str, Any]:
    """Return an event as capture puts it into the log."""
    return {
        "uuid": event.uuid,
        "distinct_id": event.distinct_id,
        "token": event.token,
        "now": datetime.now(UTC).isoformat(),
        "data": json.dumps(asdict(event)),
    }


def opened(value: bytes | None) -> Event | None:
    """Return the event in an envelope; None where there is none."""
    try:
        return Event(**json.loads(json.loads(value or b"")["data"]))
    except (ValueError, KeyError, TypeError):
        return None


def row(event: Event, team: int) -> dict[str, Any]:
    """Return an event as a row of the analytics store's table. Raises ValueError for a time that is none."""
    when = datetime.fromisoformat(event.timestamp).astimezone(UTC)
    return {
        "uuid": event.uuid,
        "event": event.event,
        "properties": json.dumps(dict(event.properties)),
        "timestamp": when.strftime("%Y-%m-%d %H:%M:%S.%f"),
        "team_id": team,
        "distinct_id": event.distinct_id,
        "elements_chain": "",
        "created_at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
    }


def outgoing(values: list[bytes | None], teams: Mapping[str, int]) -> list[tuple[str, dict[str, Any]]]:
    """Return the rows of what was read; what is no event, or of a project that is gone, is dropped and told."""
    rows = []
    for value in values:
        event = opened(value)
        team = teams.get(event.token) if event else None
        try:
            if event is None or team is None:
                raise ValueError("no event of a project")
            rows.append((event.uuid, row(event, team)))
        except ValueError as error:
            print(f"stand-in ingestion: dropped {event.uuid if event else 'a message'}: {error}", file=sys.stderr)
    return rows

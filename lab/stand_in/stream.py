"""Events as they come in, to whoever looks: what each is sent (livestream/handlers, events/filter.go)."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stand_in.event_log import opened
from stand_in.ingest import Event

MOST_WAITING = 1000  # for one who reads too slowly; what does not fit, she does not see
ACTIVE = 300.0


@dataclass(frozen=True, eq=False)
class Subscriber:
    """One who looks at a project's events: all, or those of some names or of one distinct id."""

    token: str
    events: frozenset[str] = frozenset()
    distinct_id: str = ""
    waiting: queue.Queue[Event] = field(default_factory=lambda: queue.Queue(MOST_WAITING))

    def wants(self, event: Event) -> bool:
        """Say whether an event is one to be sent."""
        return (
            event.token == self.token
            and (not self.events or event.event in self.events)
            and self.distinct_id in ("", event.distinct_id)
        )


class Stream:
    """Who looks, and who was active of late."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.subscribers: set[Subscriber] = set()
        self.seen: deque[tuple[float, str, str]] = deque(maxlen=100_000)

    def join(self, claims: Mapping[str, Any], query: Mapping[str, str]) -> Subscriber:
        """Add one who looks at the project that her token is for. Raises KeyError for a token that is for none."""
        names = frozenset(name for name in query.get("eventType", "").split(",") if name)
        found = Subscriber(claims["api_token"], names, query.get("distinctId", ""))
        with self.lock:
            self.subscribers.add(found)
        return found

    def leave(self, subscriber: Subscriber) -> None:
        """Send her nothing more."""
        with self.lock:
            self.subscribers.discard(subscriber)

    def put(self, values: list[bytes | None]) -> None:
        """Send events on to whoever wants them."""
        for event in filter(None, map(opened, values)):
            with self.lock:
                wanting = [each for each in self.subscribers if each.wants(event)]
                self.seen.append((time.monotonic(), event.token, event.distinct_id))
            for each in wanting:
                with contextlib.suppress(queue.Full):
                    each.waiting.put_nowait(event)

    def active(self, token: str) -> int:
        """Return how many people of a project were seen of late."""
        since = time.monotonic() - ACTIVE
        with self.lock:
            return len({who for when, of, who in self.seen if of == token and when >= since})


def as_sse(event: Event) -> bytes:
    """Return an event as a server-sent one."""
    shown = {
        "uuid": event.uuid,
        "timestamp": event.timestamp,
        "distinct_id": event.distinct_id,
        "event": event.event,
        "properties": dict(event.properties),
    }
    return f"data: {json.dumps(shown)}\n\n".encode()

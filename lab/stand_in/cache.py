"""Valkey: the way of events between capture and worker, the projects' tokens, and the counting of failed sign-ins."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from redis import Redis

from stand_in.ingest import Event
from stand_in.settings import Settings

QUEUE = "posthog:events"
TAKEN = "posthog:events:taken"
TOKENS = "posthog:known_tokens"
FAILURES = "posthog:failed_sign_ins"
MOST = 100


def connect(settings: Settings) -> Redis:
    """Return a client over verified TLS, or one to the side-car on the own loopback that speaks it for us.

    Which of the two a service may have, and that a URL says nothing weaker, read_settings saw to.
    """
    verified = {"ssl_ca_certs": settings.ca_file, "ssl_cert_reqs": "required", "ssl_check_hostname": True}
    return Redis.from_url(
        settings.redis_url,
        **(verified if settings.redis_url.startswith("rediss:") else {}),
        socket_timeout=10,
        socket_connect_timeout=5,
        decode_responses=True,
    )


class Cache:
    """What the services keep in Valkey. Every method raises redis.RedisError."""

    def __init__(self, client: Redis) -> None:
        self.client = client

    def alive(self) -> bool:
        """Say whether it answers."""
        return bool(self.client.ping())

    def put(self, events: Iterable[Event]) -> None:
        """Append events to the queue."""
        self.client.rpush(QUEUE, *(json.dumps(asdict(event)) for event in events))

    def take(self, seconds: float) -> list[Event]:
        """Return the next events, at most MOST, waiting for the first. They stay taken until `done`.

        What a killed worker had taken is returned first: an event is delivered at least once.
        """
        rows = self.client.lrange(TAKEN, 0, MOST - 1)
        if not rows:
            first = self.client.blmove(QUEUE, TAKEN, seconds, "LEFT", "RIGHT")
            rows = [first] if first else []
            while rows and len(rows) < MOST and (more := self.client.lmove(QUEUE, TAKEN, "LEFT", "RIGHT")):
                rows.append(more)
        return [Event(**json.loads(row)) for row in rows]

    def done(self, count: int) -> None:
        """Forget the first `count` taken events: they are stored."""
        self.client.ltrim(TAKEN, count, -1)

    def waiting(self) -> int:
        """Return how many events are on their way."""
        return self.client.llen(QUEUE) + self.client.llen(TAKEN)

    def know(self, tokens: Iterable[str]) -> None:
        """Publish the projects' tokens, which capture checks against."""
        self.client.sadd(TOKENS, *tokens)

    def knows(self, token: str) -> bool:
        """Say whether a token is a project's."""
        return bool(self.client.sismember(TOKENS, token))

    def keep(self, values: Mapping[str, str]) -> None:
        """Keep values by their keys, each until the next."""
        self.client.mset(dict(values))

    def kept(self, key: str) -> str | None:
        """Return what is kept."""
        return self.client.get(key)

    def failures(self, who: str) -> int:
        """Return how often somebody failed to sign in of late."""
        return int(self.client.get(f"{FAILURES}:{who}") or 0)

    def failed(self, who: str, seconds: int) -> None:
        """Count a failed sign-in; the count is forgotten after `seconds` without one."""
        self.client.incr(f"{FAILURES}:{who}")
        self.client.expire(f"{FAILURES}:{who}", seconds)

    def succeeded(self, who: str) -> None:
        """Forget somebody's failed sign-ins."""
        self.client.delete(f"{FAILURES}:{who}")

"""Temporal's frontend, as far as a worker needs it that is never given work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stand_in.temporal_messages import (
    DESCRIBE_NAMESPACE,
    DESCRIBE_QUEUE,
    HEALTH,
    POLL,
    SERVING,
    SYSTEM,
    namespace_in,
    namespace_info,
    polled_in,
    pollers,
    system_info,
)

if TYPE_CHECKING:
    from stand_in.calls import Method
    from stand_in.temporal_tables import Engine

POLL_SECONDS = 5.0  # upstream's is a minute; ours is the worker's sign of life as well


def methods(engine: Engine, seconds: float = POLL_SECONDS) -> dict[str, Method]:
    """Return the methods that are there, each from a message to its answer."""

    def healthy(_message: bytes) -> bytes:
        engine.alive()
        return SERVING

    def described(message: bytes) -> bytes:
        return namespace_info(engine.namespace(namespace_in(message)))

    def poll(message: bytes) -> bytes:
        engine.polled(polled_in(message))
        engine.wait(seconds)
        return b""  # no work: nobody starts any here

    def queue(message: bytes) -> bytes:
        return pollers(engine.pollers(polled_in(message)))

    return {
        HEALTH: healthy,
        SYSTEM: lambda _: system_info(),
        DESCRIBE_NAMESPACE: described,
        POLL: poll,
        DESCRIBE_QUEUE: queue,
    }

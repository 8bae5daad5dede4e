"""When a cloud says "not now": which waits, how long, and for how often."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")
TRIES = 8
FIRST_SECONDS = 0.2
LONGEST_SECONDS = 20.0


def delay(attempt: int, jitter: float) -> float:
    """Return the seconds to wait after a failed attempt (the first is 0); `jitter`, 0 to 1, parts many who wait."""
    return float(min(LONGEST_SECONDS, FIRST_SECONDS * 2**attempt) * (0.5 + jitter / 2))


def patiently(
    call: Callable[[], Answer],
    passing: Callable[[Exception], bool],
    *,
    tries: int = TRIES,
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> Answer:
    """Call until it succeeds or fails with what is not `passing`, at most `tries` times; then raise the last error."""
    for attempt in range(tries - 1):
        try:
            return call()
        except Exception as error:
            if not passing(error):
                raise
            sleep(delay(attempt, jitter()))
    return call()

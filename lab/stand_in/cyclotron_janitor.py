"""`cyclotron-janitor`: gives stalled jobs of destinations back, forgets finished ones, and tells what it did."""

from __future__ import annotations

import signal
import sys
import threading

import psycopg

from stand_in.destinations import metric
from stand_in.event_log import LogError, Outgoing
from stand_in.health import beat
from stand_in.jobs import Jobs, Swept
from stand_in.optional_settings import OptionalSettings

# Upstream's is 30 s (CLEANUP_INTERVAL_SECS). Ours also is its sign of life.
SECONDS = 10.0


def run(settings: OptionalSettings) -> None:
    """Sweep until SIGTERM."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    work, log = Jobs(settings.jobs_url or settings.base.database_url), Outgoing(settings.base)
    while not ended.is_set():
        try:
            if rows := told(work.sweep()):
                log.put(settings.topic, rows)
            beat()
        except (psycopg.Error, LogError) as error:
            print(f"stand-in cyclotron-janitor: {type(error).__name__}: {error}; trying again", file=sys.stderr)
        ended.wait(SECONDS)
    work.close()


def told(swept: Swept) -> list[tuple[str, dict[str, object]]]:
    """Return what is told of a sweep: rows of app_metrics2, by destination."""
    return [(function, metric(team, function, state, count)) for team, function, state, count in swept.finished]

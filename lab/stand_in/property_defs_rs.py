"""`property-defs-rs`: reads the events that are stored, and writes down which events and properties there are."""

from __future__ import annotations

import signal

import psycopg
from psycopg_pool import PoolTimeout

from stand_in.definitions import seen_in
from stand_in.event_log import ROWS
from stand_in.listening import listen
from stand_in.persons_tables import connect, define
from stand_in.reading import Reader
from stand_in.settings import Settings

GROUP = "property-defs-rs"  # upstream's own default


def run(settings: Settings) -> None:
    """Work until SIGTERM. What is written twice is written once."""
    pool = connect(settings.database_url)
    reader = Reader(settings, GROUP, [ROWS])
    signal.signal(signal.SIGTERM, lambda *_: reader.stop())
    host, _, port = settings.address.rpartition(":")
    listen(host, int(port), reader.alive)

    def deal(values: list[bytes | None]) -> None:
        if found := seen_in(values):
            define(pool, found)

    reader.run(deal, lambda error: isinstance(error, psycopg.Error | PoolTimeout))
    pool.close(timeout=1)

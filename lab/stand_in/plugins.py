"""`plugins`: delivers events to destinations (upstream's CDP): for each event and destination a job and a request."""

from __future__ import annotations

import sys
import threading
from typing import Any

import psycopg

from stand_in.cdp_api import Api, handler
from stand_in.delivery import DeliveryError, deliver
from stand_in.destinations import METRICS, QUEUE, jobs, metric
from stand_in.event_log import ROWS, LogError, Outgoing
from stand_in.jobs import Jobs
from stand_in.optional_settings import OptionalSettings
from stand_in.optional_tables import Tables
from stand_in.persons_tables import connect as connect_postgres
from stand_in.reading import Reader
from stand_in.serving import serve

GROUP = "cdp-processed-events-consumer"  # upstream's, nodejs/src/cdp/consumers
ADDRESS = "0.0.0.0:6738"
PAUSE = 1.0
MOST = 20


def run(settings: OptionalSettings) -> None:
    """Work until SIGTERM. An event is delivered at least once, and tried once."""
    tables, work, log = (
        Tables(connect_postgres(settings.base.database_url)),
        Jobs(settings.jobs_url),
        Outgoing(settings.base),
    )
    reader = Reader(settings.base, GROUP, [ROWS])
    delivering = Delivering(work, log, settings.base.ca_file)

    def deal(values: list[bytes | None]) -> None:
        if found := jobs(tables.destinations(), values):
            work.add(QUEUE, found)

    passes = _passes(psycopg.Error)
    threads = [
        threading.Thread(target=reader.run, args=(deal, passes), daemon=True),
        threading.Thread(target=delivering.run, daemon=True),
    ]
    for thread in threads:
        thread.start()

    def alive() -> bool:
        try:
            return all(each.is_alive() for each in threads) and reader.alive() and tables.alive() and work.alive()
        except psycopg.Error:
            return False

    serve(handler(Api(tables, settings.base.ca_file), alive), ADDRESS)
    reader.stop()
    delivering.ended.set()
    for thread in threads:
        thread.join(5)
    tables.close()
    work.close()


def _passes(*kinds: type[Exception]) -> Any:
    return lambda error: isinstance(error, kinds)


class Delivering:
    """Takes jobs and delivers them until `ended`."""

    def __init__(self, work: Jobs, log: Outgoing, ca_file: str) -> None:
        self.work, self.log, self.ca_file = work, log, ca_file
        self.ended = threading.Event()

    def run(self) -> None:
        """Deliver what there is, then wait a second."""
        while not self.ended.is_set():
            try:
                taken = self.work.take(QUEUE, MOST)
                for each in taken:
                    self.one(each)
            except (psycopg.Error, LogError) as error:
                print(f"stand-in plugins: {type(error).__name__}: {error}; trying again", file=sys.stderr)
                taken = []
            if not taken:
                self.ended.wait(PAUSE)

    def one(self, taken: dict[str, Any]) -> None:
        """Deliver one, and say how it ended. Raises psycopg.Error, LogError."""
        try:
            deliver(taken["parameters"]["url"], taken["parameters"]["body"], self.ca_file)
            state = "completed"
        except DeliveryError as error:
            print(f"stand-in plugins: {taken['function_id']}: {error}", file=sys.stderr)
            state = "failed"
        row = metric(taken["team_id"], str(taken["function_id"]), state, 1)
        self.log.put(METRICS, [(str(taken["id"]), row)])
        self.work.finish(taken, state)

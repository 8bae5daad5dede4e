"""`personhog-replica`: says over gRPC who somebody is, from PostgreSQL's tables of persons."""

from __future__ import annotations

import psycopg
from psycopg_pool import PoolTimeout

from stand_in.calls import REPLICA, Server, UnavailableError, wait_for_the_end
from stand_in.listening import listen
from stand_in.messages import answering, asked
from stand_in.persons_tables import connect, person_of
from stand_in.settings import Settings


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    pool = connect(settings.database_url)

    def person(message: bytes) -> bytes:
        team, distinct_id = asked(message)
        try:
            return answering(person_of(pool, team, distinct_id))
        except (psycopg.Error, PoolTimeout) as error:
            raise UnavailableError(f"{type(error).__name__}: {error}") from None

    def alive() -> bool:
        # Asked as a caller would: a role that may not read persons is not well.
        return person_of(pool, 0, "") is None

    listen("0.0.0.0", settings.metrics_port, alive)  # noqa: S104 - as upstream; no other container reaches it
    server = Server({REPLICA: person})
    server.start(settings.address)
    wait_for_the_end()
    server.stop()
    pool.close(timeout=1)

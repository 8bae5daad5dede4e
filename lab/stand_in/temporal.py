"""`temporal`: the workflow engine's door, its state in PostgreSQL: who asked for work, in which queue, and when."""

from __future__ import annotations

import psycopg

from stand_in.calls import Method, Server, UnavailableError, wait_for_the_end
from stand_in.optional_settings import OptionalSettings
from stand_in.temporal_frontend import methods
from stand_in.temporal_messages import NAMESPACE
from stand_in.temporal_tables import Engine


def run(settings: OptionalSettings) -> None:
    """Make the tables, then serve until SIGTERM."""
    environment = settings.environment or {}
    engine = Engine(settings.base.database_url, environment.get("VISIBILITY_DBNAME", "temporal_visibility"))
    engine.prepare(NAMESPACE)
    server = Server({name: _stored(method) for name, method in methods(engine).items()})
    server.start(f"{environment.get('BIND_ON_IP', '127.0.0.1')}:7233")
    wait_for_the_end()
    engine.ended.set()
    server.stop()
    engine.close()


def _stored(method: Method) -> Method:
    """Return the method, saying that it is to be tried again where PostgreSQL does not answer."""

    def run_it(message: bytes) -> bytes:
        try:
            return method(message)
        except psycopg.Error as error:
            raise UnavailableError(f"{type(error).__name__}: {error}") from None

    return run_it

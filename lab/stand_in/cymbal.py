"""`cymbal`: says which issue an exception belongs to, and what its frames were called before they were minified."""

from __future__ import annotations

import json
from typing import Any

import psycopg
from redis import RedisError

from stand_in.asgi import Reply, Request, as_json, text
from stand_in.cache import connect
from stand_in.exceptions import Symbols, process
from stand_in.objects import Objects, ObjectsError, place
from stand_in.optional_settings import OptionalSettings
from stand_in.optional_tables import Tables
from stand_in.persons_tables import connect as connect_postgres
from stand_in.serving import serve

STORAGE = "OBJECT_STORAGE_"
LARGEST = 10 * 1024 * 1024


def run(settings: OptionalSettings) -> None:
    """Serve until SIGTERM."""
    environment = settings.environment or {}
    tables, cache = Tables(connect_postgres(settings.base.database_url)), connect(settings.base)
    objects = Objects(place(environment, STORAGE, settings.base.ca_file))

    def symbols(team: int, ref: str) -> Symbols:
        """Return what the names of a minified script stand for; that there is no such set is remembered as well."""
        where = tables.symbol_set(team, ref)
        if not where:
            tables.keep_symbol_set(team, ref, "")
            return {}
        return json.loads(objects.read(where, 0, LARGEST))

    def answer(request: Request) -> Reply:
        try:
            if request.path in ("/", "/_liveness", "/_readiness"):
                well = tables.alive() and cache.ping() and objects.alive()
                return text(200 if well else 503, "cymbal (stand-in)")
            if (request.method, request.path) == ("POST", "/process"):
                return _processed(request, tables, symbols)
        except (psycopg.Error, RedisError, ObjectsError) as error:
            print(f"stand-in cymbal: {type(error).__name__}: {error}")
            return text(503, "a store does not answer")
        return text(404, "not found")

    host, port = environment.get("BIND_HOST", "127.0.0.1"), environment.get("BIND_PORT", "3302")
    serve(answer, f"{host}:{port}")
    tables.close()


def _processed(request: Request, tables: Tables, symbols: Any) -> Reply:
    try:
        rows = json.loads(request.body)
        return as_json(200, [process(row, tables.issue, symbols) for row in rows])
    except (ValueError, KeyError, TypeError):
        return text(400, "not a list of exceptions")

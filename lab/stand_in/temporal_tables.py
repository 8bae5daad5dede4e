"""Temporal's state in PostgreSQL: a part of its two databases, made by their owner."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit, urlunsplit

from psycopg_pool import ConnectionPool

from stand_in.messages import MessageError
from stand_in.temporal_messages import Polled

SCHEMA = """
CREATE TABLE IF NOT EXISTS schema_version (version_partition integer PRIMARY KEY, curr_version text NOT NULL);
CREATE TABLE IF NOT EXISTS namespaces (name text PRIMARY KEY, created timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS task_queue_pollers (
    namespace text NOT NULL REFERENCES namespaces, queue text NOT NULL, identity text NOT NULL,
    last_access timestamptz NOT NULL, PRIMARY KEY (namespace, queue, identity));
INSERT INTO schema_version VALUES (0, '1.14') ON CONFLICT DO NOTHING;
"""
VISIBILITY = "CREATE TABLE IF NOT EXISTS executions_visibility (namespace_id text, run_id text, start_time timestamptz)"
RECENT_SECONDS = 300  # how long Temporal itself remembers who polled


class Engine:
    """The tables, over verified TLS. Every method raises psycopg.Error."""

    def __init__(self, url: str, visibility: str) -> None:
        parts = urlsplit(url)
        beside = urlunsplit(parts._replace(path=f"/{visibility}"))
        self.pool, self.visibility = _pool(url), _pool(beside)
        self.ended = threading.Event()

    def close(self) -> None:
        """Let go of whoever waits, and give the connections back."""
        self.ended.set()
        for pool in (self.pool, self.visibility):
            pool.close(timeout=1)

    def prepare(self, namespace: str) -> None:
        """Make the tables that are missing, and the one namespace."""
        with self.pool.connection() as db:
            db.execute(SCHEMA)
            db.execute("INSERT INTO namespaces (name) VALUES (%s) ON CONFLICT DO NOTHING", (namespace,))
        with self.visibility.connection() as db:
            db.execute(VISIBILITY)

    def alive(self) -> None:
        """Ask both databases."""
        for pool in (self.pool, self.visibility):
            with pool.connection() as db:
                db.execute("SELECT 1")

    def namespace(self, name: str) -> str:
        """Return a namespace's name; "" where there is none."""
        with self.pool.connection() as db:
            row = db.execute("SELECT name FROM namespaces WHERE name = %s", (name,)).fetchone()
        return row[0] if row else ""

    def polled(self, asked: Polled) -> None:
        """Remember who asked. Raises MessageError where there is no such namespace."""
        if not self.namespace(asked.namespace):
            raise MessageError("Namespace is not found.")
        with self.pool.connection() as db:
            db.execute(
                "INSERT INTO task_queue_pollers VALUES (%s, %s, %s, now())"
                " ON CONFLICT (namespace, queue, identity) DO UPDATE SET last_access = now()",
                (asked.namespace, asked.queue, asked.identity),
            )

    def pollers(self, asked: Polled) -> list[str]:
        """Return who asked for work in a queue of late."""
        with self.pool.connection() as db:
            rows = db.execute(
                "SELECT identity FROM task_queue_pollers WHERE namespace = %s AND queue = %s"
                " AND last_access > now() - make_interval(secs => %s) ORDER BY identity",
                (asked.namespace, asked.queue, RECENT_SECONDS),
            ).fetchall()
        return [row[0] for row in rows]

    def wait(self, seconds: float) -> None:
        """Keep somebody waiting who asked for work."""
        self.ended.wait(seconds)


def _pool(url: str) -> ConnectionPool:
    return ConnectionPool(
        url,
        kwargs={"connect_timeout": 5, "application_name": "stand-in"},
        min_size=1,
        max_size=2,
        timeout=8,
        check=ConnectionPool.check_connection,
        open=True,
    )

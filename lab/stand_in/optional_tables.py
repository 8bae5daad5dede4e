"""Tables of optional features that `web` makes in PostgreSQL, under upstream's names, and who reads them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from psycopg import Connection, sql
from psycopg.types.json import Json
from psycopg_pool import ConnectionPool

Row = dict[str, Any]
SCHEMA = """
CREATE TABLE IF NOT EXISTS posthog_hogfunction (
    id uuid PRIMARY KEY, team_id integer NOT NULL REFERENCES posthog_team, name text NOT NULL, type text NOT NULL,
    enabled boolean NOT NULL DEFAULT false, deleted boolean NOT NULL DEFAULT false, inputs jsonb, filters jsonb,
    created_at timestamptz NOT NULL DEFAULT now());
ALTER TABLE posthog_hogfunction
    ADD COLUMN IF NOT EXISTS template_id text, ADD COLUMN IF NOT EXISTS hog text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS description text NOT NULL DEFAULT '', ADD COLUMN IF NOT EXISTS execution_order smallint;
CREATE TABLE IF NOT EXISTS posthog_errortrackingissue (
    id uuid PRIMARY KEY, team_id integer NOT NULL REFERENCES posthog_team, name text, description text,
    status text NOT NULL DEFAULT 'active', created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS posthog_errortrackingissuefingerprintv2 (
    id uuid PRIMARY KEY, team_id integer NOT NULL REFERENCES posthog_team, fingerprint text NOT NULL,
    issue_id uuid NOT NULL REFERENCES posthog_errortrackingissue, version bigint NOT NULL DEFAULT 0,
    UNIQUE (team_id, fingerprint));
CREATE TABLE IF NOT EXISTS posthog_errortrackingsymbolset (
    id uuid PRIMARY KEY, team_id integer NOT NULL REFERENCES posthog_team, ref text NOT NULL, storage_ptr text,
    created_at timestamptz NOT NULL DEFAULT now(), UNIQUE (team_id, ref));
"""
# What a person may set of a function; the API has chosen which.
COLUMNS = (
    "name",
    "description",
    "type",
    "template_id",
    "hog",
    "enabled",
    "deleted",
    "inputs",
    "filters",
    "execution_order",
)
FUNCTION = (
    "SELECT id, team_id, created_at, name, description, type, template_id, hog, enabled, deleted, inputs, filters,"
    " execution_order FROM posthog_hogfunction"
)


class Tables:
    """These tables, over verified TLS. Every method raises psycopg.Error."""

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool

    def close(self) -> None:
        """Give the connections back."""
        self.pool.close(timeout=1)

    def alive(self) -> bool:
        """Say whether it answers."""
        return self._one("SELECT true AS yes", {}) is not None

    def destinations(self) -> list[Row]:
        """Return every destination that is on."""
        with self.pool.connection() as db:
            return db.execute(
                "SELECT id, team_id, enabled, inputs, filters FROM posthog_hogfunction"
                " WHERE enabled AND NOT deleted AND type = 'destination'"
            ).fetchall()

    def functions(self, team: int) -> list[Row]:
        """Return a project's functions of all kinds, on or off."""
        with self.pool.connection() as db:
            return db.execute(f"{FUNCTION} WHERE team_id = %s AND NOT deleted", (team,)).fetchall()

    def function(self, team: int, which: str) -> Row | None:
        """Return one of a project's functions, whether it is on or off."""
        return self._one(
            f"{FUNCTION} WHERE team_id = %(team)s AND id::text = %(which)s AND NOT deleted",
            {"team": team, "which": which},
        )

    def add_function(self, team: int, values: Mapping[str, Any]) -> str:
        """Keep a function; return its id."""
        made = uuid.uuid4()
        with self.pool.connection() as db:
            db.execute(
                "INSERT INTO posthog_hogfunction (id, team_id, name, type) VALUES (%s, %s, '', '')", (made, team)
            )
            self._set(db, team, str(made), values)
        return str(made)

    def change_function(self, team: int, which: str, values: Mapping[str, Any]) -> None:
        """Set columns of a function."""
        with self.pool.connection() as db:
            self._set(db, team, which, values)

    @staticmethod
    def _set(db: Connection[Any], team: int, which: str, values: Mapping[str, Any]) -> None:
        pairs = [
            sql.SQL("{} = {}").format(sql.Identifier(name), Json(value) if name in ("inputs", "filters") else value)
            for name, value in values.items()
            if name in COLUMNS
        ]
        query = sql.SQL("UPDATE posthog_hogfunction SET {} WHERE team_id = %s AND id::text = %s")
        if pairs:
            db.execute(query.format(sql.SQL(", ").join(pairs)), (team, which))

    def issue(self, team: int, fingerprint: str, name: str, description: str) -> str:
        """Return the issue of a fingerprint, made where it is new; two at once make one."""
        values = {"team": team, "fingerprint": fingerprint, "name": name, "description": description}
        found = self._one(
            "SELECT issue_id FROM posthog_errortrackingissuefingerprintv2"
            " WHERE team_id = %(team)s AND fingerprint = %(fingerprint)s",
            values,
        )
        if found is None:
            self._new_issue({**values, "id": uuid.uuid4(), "link": uuid.uuid4()})
            return self.issue(team, fingerprint, name, description)
        return str(found["issue_id"])

    def _new_issue(self, values: Row) -> None:
        with self.pool.connection() as db:
            db.execute(
                "INSERT INTO posthog_errortrackingissue (id, team_id, name, description)"
                " VALUES (%(id)s, %(team)s, %(name)s, %(description)s)",
                values,
            )
            added = db.execute(
                "INSERT INTO posthog_errortrackingissuefingerprintv2 (id, team_id, fingerprint, issue_id)"
                " VALUES (%(link)s, %(team)s, %(fingerprint)s, %(id)s) ON CONFLICT DO NOTHING",
                values,
            ).rowcount
            if not added:
                db.execute("DELETE FROM posthog_errortrackingissue WHERE id = %(id)s", values)

    def symbol_set(self, team: int, ref: str) -> str:
        """Return where the symbols of a script lie in the object store; "" where there are none."""
        found = self._one(
            "SELECT storage_ptr FROM posthog_errortrackingsymbolset WHERE team_id = %(team)s AND ref = %(ref)s",
            {"team": team, "ref": ref},
        )
        return (found or {}).get("storage_ptr") or ""

    def keep_symbol_set(self, team: int, ref: str, place: str) -> None:
        """Remember where the symbols of a script lie; "" that there are none."""
        self._one(
            "INSERT INTO posthog_errortrackingsymbolset (id, team_id, ref, storage_ptr)"
            " VALUES (%(id)s, %(team)s, %(ref)s, %(place)s)"
            " ON CONFLICT (team_id, ref) DO UPDATE SET storage_ptr = excluded.storage_ptr RETURNING id",
            {"id": uuid.uuid4(), "team": team, "ref": ref, "place": place or None},
        )

    def _one(self, query: str, values: Row) -> Row | None:
        with self.pool.connection() as db:
            return db.execute(query, values).fetchone()

"""PostgreSQL: the tables, and every statement that is ever sent to them.

Table names are upstream's where upstream has the table in PostgreSQL, so that what is asked of the one can be asked
of the other; events, which upstream keeps in ClickHouse, lie here too.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Json
from psycopg_pool import ConnectionPool

from stand_in import optional_tables, persons_tables
from stand_in.ingest import Event
from stand_in.records import Newcomer, Row, TakenError, Wanted
from stand_in.replay import EVENT as REPLAY
from stand_in.settings import Settings

# One number for everybody who makes tables or the first organisation: two at once would both succeed by half.
LOCK = 0x48454447
SCHEMA = """
CREATE TABLE IF NOT EXISTS posthog_organization (
    id uuid PRIMARY KEY, name text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
    enforce_2fa boolean, session_cookie_age integer, plugins_access_level smallint NOT NULL DEFAULT 3,
    allow_publicly_shared_resources boolean NOT NULL DEFAULT true,
    is_ai_data_processing_approved boolean DEFAULT true);
CREATE TABLE IF NOT EXISTS posthog_team (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, uuid uuid NOT NULL, name text NOT NULL,
    organization_id uuid NOT NULL REFERENCES posthog_organization, api_token text NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS posthog_user (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, uuid uuid NOT NULL, distinct_id text NOT NULL,
    email text NOT NULL UNIQUE, password text NOT NULL, first_name text NOT NULL DEFAULT '',
    current_organization_id uuid NOT NULL REFERENCES posthog_organization,
    current_team_id integer NOT NULL REFERENCES posthog_team, last_login timestamptz);
CREATE TABLE IF NOT EXISTS posthog_personalapikey (
    id text PRIMARY KEY, user_id integer NOT NULL REFERENCES posthog_user, label text NOT NULL,
    secure_value text NOT NULL UNIQUE, mask_value text NOT NULL, scopes text[] NOT NULL,
    scoped_teams integer[] NOT NULL DEFAULT '{}', created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz);
CREATE TABLE IF NOT EXISTS django_session (
    session_key text PRIMARY KEY, user_id integer NOT NULL REFERENCES posthog_user, csrf text NOT NULL,
    expire_date timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS posthog_event (
    id uuid PRIMARY KEY, team_id integer NOT NULL REFERENCES posthog_team, event text NOT NULL,
    distinct_id text NOT NULL, properties jsonb NOT NULL, timestamp timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS posthog_organizationmembership (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL REFERENCES posthog_organization,
    user_id integer NOT NULL REFERENCES posthog_user, level smallint NOT NULL DEFAULT 1,
    UNIQUE (organization_id, user_id));
CREATE TABLE IF NOT EXISTS otp_totp_totpdevice (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id integer NOT NULL REFERENCES posthog_user,
    name text NOT NULL DEFAULT 'default', confirmed boolean NOT NULL DEFAULT true, key text NOT NULL,
    last_t bigint NOT NULL DEFAULT -1, UNIQUE (user_id, name));
ALTER TABLE posthog_team
    ADD COLUMN IF NOT EXISTS anonymize_ips boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS session_recording_masking_config jsonb;
ALTER TABLE posthog_user ADD COLUMN IF NOT EXISTS is_active boolean NOT NULL DEFAULT true;
ALTER TABLE django_session
    ADD COLUMN IF NOT EXISTS half boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS verified boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS proposed_seed text;
CREATE TABLE IF NOT EXISTS posthog_organizationinvite (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organization_id uuid NOT NULL REFERENCES posthog_organization,
    target_email text NOT NULL, first_name text NOT NULL DEFAULT '', level smallint NOT NULL DEFAULT 1,
    created_by_id integer REFERENCES posthog_user, created_at timestamptz NOT NULL DEFAULT now());
-- In a lab that an earlier stand-in has signed up, whoever is there is the owner.
INSERT INTO posthog_organizationmembership (organization_id, user_id, level)
    SELECT current_organization_id, id, 15 FROM posthog_user
    WHERE NOT EXISTS (SELECT 1 FROM posthog_organizationmembership);
CREATE TABLE IF NOT EXISTS posthog_sessionrecording (
    id uuid PRIMARY KEY, session_id varchar(200) NOT NULL UNIQUE, team_id integer NOT NULL REFERENCES posthog_team,
    distinct_id varchar(400), start_time timestamptz, end_time timestamptz,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS posthog_featureflag (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key varchar(400) NOT NULL, name text NOT NULL DEFAULT '',
    filters jsonb NOT NULL DEFAULT '{}', team_id integer NOT NULL REFERENCES posthog_team,
    created_at timestamptz NOT NULL DEFAULT now(), deleted boolean NOT NULL DEFAULT false,
    active boolean NOT NULL DEFAULT true, version integer DEFAULT 1,
    CONSTRAINT "unique key for team" UNIQUE (team_id, key));
CREATE TABLE IF NOT EXISTS posthog_instancesetting (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key varchar(128) NOT NULL,
    raw_value varchar(1024) NOT NULL, CONSTRAINT "unique key" UNIQUE (key));
-- Upstream's default is false; here the one project records, so that a recording can be tried.
ALTER TABLE posthog_team ADD COLUMN IF NOT EXISTS session_recording_opt_in boolean NOT NULL DEFAULT true;
CREATE INDEX IF NOT EXISTS posthog_event_team_time ON posthog_event (team_id, timestamp DESC);
"""
GRANTS = "GRANT SELECT ON posthog_team TO {role}; GRANT SELECT, INSERT ON posthog_event TO {role}"
PERSON = """
SELECT u.*, t.api_token, t.name AS team_name, t.uuid AS team_uuid, o.name AS organization_name,
       o.session_cookie_age, o.enforce_2fa, o.plugins_access_level, o.allow_publicly_shared_resources,
       o.is_ai_data_processing_approved, t.anonymize_ips, t.session_recording_opt_in,
       t.session_recording_masking_config, coalesce(m.level, 0) AS level, d.key AS totp_seed, d.last_t
FROM posthog_user u JOIN posthog_team t ON t.id = u.current_team_id
     JOIN posthog_organization o ON o.id = u.current_organization_id
     LEFT JOIN posthog_organizationmembership m ON m.user_id = u.id AND m.organization_id = o.id
     LEFT JOIN otp_totp_totpdevice d ON d.user_id = u.id AND d.name = 'default' AND d.confirmed
"""
OF_SESSION = (
    PERSON.replace("SELECT u.*", "SELECT u.*, s.csrf, s.verified, s.proposed_seed")
    + " JOIN django_session s ON s.user_id = u.id WHERE s.session_key = %s AND s.expire_date > now() AND u.is_active"
)
RECORDING = """
INSERT INTO posthog_sessionrecording AS kept (id, session_id, team_id, distinct_id, start_time, end_time)
SELECT %(uuid)s::uuid, %(session)s::text, id, %(distinct_id)s::text, %(timestamp)s::timestamptz,
       %(timestamp)s::timestamptz
FROM posthog_team WHERE api_token = %(token)s
ON CONFLICT (session_id) DO UPDATE SET end_time = greatest(kept.end_time, excluded.end_time)
WHERE kept.team_id = excluded.team_id
"""


class Store:
    """The tables, over verified TLS. Every method raises psycopg.Error."""

    def __init__(self, settings: Settings, connections: int = 4) -> None:
        self.roles = settings.worker_roles
        self.pool = ConnectionPool(
            settings.database_url,
            kwargs={"row_factory": dict_row, "connect_timeout": 5, "application_name": "stand-in"},
            min_size=1,
            max_size=connections,
            timeout=8,
            check=ConnectionPool.check_connection,  # PostgreSQL may have been restarted since
            open=True,
        )

    def close(self) -> None:
        """Give the connections back."""
        self.pool.close(timeout=1)

    def prepare(self) -> None:
        """Make the tables that are missing and give the worker what it needs; safe to repeat and to do at once."""
        with self.pool.connection() as db:
            db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            db.execute(SCHEMA)
            db.execute(persons_tables.SCHEMA)
            db.execute(optional_tables.SCHEMA)
            for role in self.roles:
                db.execute(sql.SQL(GRANTS).format(role=sql.Identifier(role)))

    def alive(self) -> bool:
        """Say whether it answers."""
        return bool(self._one("SELECT true AS yes"))

    def initiated(self) -> bool:
        """Say whether there is an organisation."""
        return bool(self._one("SELECT 1 AS yes FROM posthog_organization LIMIT 1"))

    def tokens(self) -> list[str]:
        """Return the token of every project."""
        return list(self.teams())

    def teams(self) -> dict[str, int]:
        """Return the number of every project by its token."""
        return {row["api_token"]: row["id"] for row in self._all("SELECT api_token, id FROM posthog_team")}

    def transformations(self) -> list[Row]:
        """Return every transformation that is on, of all projects."""
        return self._all(
            "SELECT team_id, template_id, hog, inputs, filters, execution_order, created_at FROM posthog_hogfunction"
            " WHERE enabled AND NOT deleted AND type = 'transformation'"
        )

    def sign_up(self, who: Newcomer) -> None:
        """Make the first organisation, its project and its owner. Raises TakenError when there is one."""
        organization = uuid.uuid4()
        with self.pool.connection() as db:
            db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            if db.execute("SELECT 1 FROM posthog_organization LIMIT 1").fetchone():
                raise TakenError
            # Upstream gives an instance of one's own every right over plugins (PluginsAccessLevel.ROOT).
            db.execute(
                "INSERT INTO posthog_organization (id, name, plugins_access_level) VALUES (%s, %s, 9)",
                (organization, who.organization),
            )
            team = db.execute(
                "INSERT INTO posthog_team (uuid, name, organization_id, api_token)"
                " VALUES (%s, 'Default project', %s, %s) RETURNING id",
                (uuid.uuid4(), organization, who.api_token),
            ).fetchone()
            assert team is not None
            person = db.execute(
                "INSERT INTO posthog_user (uuid, distinct_id, email, password, first_name,"
                " current_organization_id, current_team_id) VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id",
                (uuid.uuid4(), str(uuid.uuid4()), who.email, who.password, who.first_name, organization, team["id"]),
            ).fetchone()
            assert person is not None
            db.execute(
                "INSERT INTO posthog_organizationmembership (organization_id, user_id, level) VALUES (%s, %s, 15)",
                (organization, person["id"]),
            )

    def person(self, email: str) -> Row | None:
        """Return a person who may sign in by e-mail address, in whatever case it is written."""
        return self._one(f"{PERSON} WHERE lower(u.email) = lower(%s) AND u.is_active", (email,))

    def person_of_session(self, session: str) -> Row | None:
        """Return who a session that has not ended belongs to, with its CSRF secret and what it knows of the factor."""
        return self._one(f"{OF_SESSION} AND NOT s.half", (session,))

    def person_half_in(self, session: str) -> Row | None:
        """Return who has given the right password and still owes the code."""
        return self._one(f"{OF_SESSION} AND s.half", (session,))

    def person_of_key(self, secure_value: str) -> Row | None:
        """Return who a personal API key belongs to, with its scopes, and note that it was used."""
        key = self._one(
            "UPDATE posthog_personalapikey SET last_used_at = now() WHERE secure_value = %s"
            " RETURNING user_id, scopes, scoped_teams",
            (secure_value,),
        )
        person = key and self._one(f"{PERSON} WHERE u.id = %s AND u.is_active", (key["user_id"],))
        return {**person, "scopes": key["scopes"], "scoped_teams": key["scoped_teams"]} if key and person else None

    def open_session(
        self, person: int, session: str, csrf: str, seconds: int, *, verified: bool = False, half: bool = False
    ) -> None:
        """Begin a session, and forget the ones that have ended."""
        with self.pool.connection() as db:
            db.execute("DELETE FROM django_session WHERE expire_date <= now()")
            db.execute(
                "INSERT INTO django_session (session_key, user_id, csrf, expire_date, verified, half)"
                " VALUES (%s, %s, %s, now() + make_interval(secs => %s), %s, %s)",
                (session, person, csrf, seconds, verified, half),
            )
            db.execute("UPDATE posthog_user SET last_login = now() WHERE id = %s", (person,))

    def close_session(self, session: str) -> None:
        """End a session."""
        self._all("DELETE FROM django_session WHERE session_key = %s RETURNING 1", (session,))

    def propose_seed(self, session: str, seed: str) -> None:
        """Remember a seed that has been shown to a session."""
        self._all("UPDATE django_session SET proposed_seed = %s WHERE session_key = %s RETURNING 1", (seed, session))

    def accept_seed(self, person: int, session: str, seed: str) -> None:
        """Give somebody a second factor; the session has just shown that she has it."""
        with self.pool.connection() as db:
            db.execute(
                "INSERT INTO otp_totp_totpdevice (user_id, key) VALUES (%s, %s)"
                " ON CONFLICT (user_id, name) DO UPDATE SET key = excluded.key, confirmed = true, last_t = -1",
                (person, seed),
            )
            db.execute(
                "UPDATE django_session SET verified = true, proposed_seed = NULL WHERE session_key = %s", (session,)
            )

    def take_step(self, person: int, step: int) -> bool:
        """Use up a step; say whether it was still there to use."""
        return bool(
            self._all(
                "UPDATE otp_totp_totpdevice SET last_t = %s WHERE user_id = %s AND last_t < %s RETURNING 1",
                (step, person, step),
            )
        )

    def change_organization(self, organization: uuid.UUID, changes: Row) -> None:
        """Set columns of an organisation; the API has chosen which."""
        self._change("posthog_organization", organization, changes)

    def change_project(self, team: int, changes: Row) -> None:
        """Set columns of a project; the API has chosen which."""
        self._change("posthog_team", team, changes)

    def _change(self, table: str, which: object, changes: Row) -> None:
        if not changes:
            return
        values = {name: Json(value) if isinstance(value, dict) else value for name, value in changes.items()}
        pairs = sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(n), sql.Placeholder(n)) for n in values)
        query = sql.SQL("UPDATE {} SET {} WHERE id = {} RETURNING 1").format(
            sql.Identifier(table), pairs, sql.Placeholder("which")
        )
        self._all(query, {**values, "which": which})

    def keys(self, person: int) -> list[Row]:
        """Return somebody's personal API keys, the newest first, without their values."""
        return self._all(
            "SELECT id, label, mask_value, created_at, last_used_at, user_id, scopes, scoped_teams"
            " FROM posthog_personalapikey WHERE user_id = %s ORDER BY created_at DESC",
            (person,),
        )

    def add_key(self, row: Row) -> None:
        """Keep a personal API key."""
        self._all(
            "INSERT INTO posthog_personalapikey (id, user_id, label, secure_value, mask_value, scopes, scoped_teams)"
            " VALUES (%(id)s, %(user_id)s, %(label)s, %(secure_value)s, %(mask_value)s, %(scopes)s, %(scoped_teams)s)"
            " RETURNING 1",
            row,
        )

    def drop_key(self, person: int, key: str) -> bool:
        """Delete somebody's key; say whether there was one."""
        return bool(
            self._all("DELETE FROM posthog_personalapikey WHERE user_id = %s AND id = %s RETURNING 1", (person, key))
        )

    def add(self, events: Sequence[Event]) -> None:
        """Store events, each once, whoever sends it twice; those of a project that is gone are dropped."""
        rows = [
            {**asdict(event), "properties": Json(dict(event.properties))} for event in events if event.event != REPLAY
        ]
        replays = [
            {**asdict(event), "session": event.properties["$session_id"]} for event in events if event.event == REPLAY
        ]
        with self.pool.connection() as db, db.cursor() as cursor:
            cursor.executemany(RECORDING, replays)
            cursor.executemany(
                "INSERT INTO posthog_event (id, team_id, event, distinct_id, properties, timestamp)"
                " SELECT %(uuid)s::uuid, id, %(event)s::text, %(distinct_id)s::text, %(properties)s::jsonb,"
                " %(timestamp)s::timestamptz"
                " FROM posthog_team WHERE api_token = %(token)s ON CONFLICT (id) DO NOTHING",
                rows,
            )

    def meet(self, people: Sequence[tuple[int, str, Row]]) -> None:
        """Note who was seen."""
        persons_tables.meet(self.pool, people)

    def events(self, team: int, wanted: Wanted) -> list[Row]:
        """Return a project's events, the newest first."""
        return self._all(
            "SELECT * FROM posthog_event WHERE team_id = %(team)s AND timestamp > %(after)s"
            " AND timestamp < coalesce(%(before)s, timestamptz 'infinity')"
            " AND event = coalesce(%(event)s, event) AND distinct_id = coalesce(%(distinct_id)s, distinct_id)"
            " ORDER BY timestamp DESC LIMIT %(limit)s",
            {**asdict(wanted), "team": team},
        )

    def recording(self, team: int, session: str) -> Row | None:
        """Return what is known of a recorded session."""
        return self._one(
            "SELECT * FROM posthog_sessionrecording WHERE team_id = %s AND session_id = %s", (team, session)
        )

    def team(self, token: str) -> Row | None:
        """Return a project by its token."""
        return self._one("SELECT * FROM posthog_team WHERE api_token = %s", (token,))

    def flags(self, team: int) -> list[Row]:
        """Return a project's active feature flags."""
        return self._all(
            "SELECT id, key, name, filters, active, deleted, version FROM posthog_featureflag"
            " WHERE team_id = %s AND active AND NOT deleted ORDER BY key",
            (team,),
        )

    def _all(self, query: Any, values: Any = ()) -> list[Row]:
        with self.pool.connection() as db:
            return db.execute(query, values).fetchall()

    def _one(self, query: Any, values: Any = ()) -> Row | None:
        rows = self._all(query, values)
        return rows[0] if rows else None

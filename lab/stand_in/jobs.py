"""Jobs of destinations, in a database of their own: a part of upstream's cyclotron_jobs (rust/cyclotron-core).

A job is made for one event and one destination, taken by who delivers, and swept away by the janitor. Who takes a job
holds its lock; a lock that is not renewed is a worker that died, and the job is there to be taken again.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stand_in.persons_tables import connect

STALLED_SECONDS = 60  # upstream's JANITOR_STALL_TIMEOUT_SECONDS and JANITOR_MAX_TOUCHES, rust/cyclotron-janitor
MOST_TOUCHES = 10
LOCK = 0x4A4F4253
SCHEMA = """
CREATE TABLE IF NOT EXISTS cyclotron_jobs (
    id uuid PRIMARY KEY, team_id integer NOT NULL, function_id uuid NOT NULL,
    created timestamptz NOT NULL DEFAULT now(), queue_name text NOT NULL,
    state text NOT NULL CHECK (state IN ('available', 'running', 'completed', 'failed')),
    lock_id uuid, last_heartbeat timestamptz, janitor_touch_count smallint NOT NULL DEFAULT 0, parameters jsonb);
CREATE INDEX IF NOT EXISTS cyclotron_jobs_waiting ON cyclotron_jobs (queue_name, created) WHERE state = 'available';
"""
TAKE = """
UPDATE cyclotron_jobs SET state = 'running', lock_id = %(lock)s, last_heartbeat = now() WHERE id IN (
    SELECT id FROM cyclotron_jobs WHERE queue_name = %(queue)s AND state = 'available' ORDER BY created
    LIMIT %(most)s FOR UPDATE SKIP LOCKED)
RETURNING id, team_id, function_id, lock_id, parameters
"""
GIVE_UP = """
DELETE FROM cyclotron_jobs WHERE state = 'running' AND janitor_touch_count >= %(most)s
AND last_heartbeat < now() - make_interval(secs => %(old)s)
"""
GIVE_BACK = """
UPDATE cyclotron_jobs SET state = 'available', lock_id = NULL, janitor_touch_count = janitor_touch_count + 1
WHERE state = 'running' AND last_heartbeat < now() - make_interval(secs => %(old)s)
"""


@dataclass(frozen=True)
class Swept:
    """What one sweep did: how many jobs were again there to be taken, given up, and forgotten, by whose they were."""

    stalled: int
    poisoned: int
    finished: tuple[tuple[int, str, str, int], ...]


class Jobs:
    """The table, over verified TLS. Every method raises psycopg.Error."""

    def __init__(self, url: str) -> None:
        self.pool = connect(url)

    def close(self) -> None:
        """Give the connections back."""
        self.pool.close(timeout=1)

    def prepare(self) -> None:
        """Make the table where it is missing; for the owner of the database."""
        with self.pool.connection() as db:
            db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            db.execute(SCHEMA)

    def alive(self) -> bool:
        """Say whether the table can be read."""
        with self.pool.connection() as db:
            return db.execute("SELECT count(*) AS jobs FROM cyclotron_jobs").fetchone() is not None

    def add(self, queue: str, jobs: Iterable[dict[str, Any]]) -> None:
        """Keep jobs, each once, whoever adds it twice: one event and one destination make one id."""
        rows = [
            {
                **job,
                "id": uuid.uuid5(uuid.UUID(str(job["function_id"])), job["event"]),
                "queue": queue,
                "parameters": json.dumps(job["parameters"]),
            }
            for job in jobs
        ]
        with self.pool.connection() as db, db.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO cyclotron_jobs (id, team_id, function_id, queue_name, state, parameters) VALUES"
                " (%(id)s, %(team_id)s, %(function_id)s, %(queue)s, 'available', %(parameters)s)"
                " ON CONFLICT (id) DO NOTHING",
                rows,
            )

    def take(self, queue: str, most: int) -> list[dict[str, Any]]:
        """Return the next jobs, now ours."""
        with self.pool.connection() as db:
            return db.execute(TAKE, {"queue": queue, "most": most, "lock": uuid.uuid4()}).fetchall()

    def finish(self, job: dict[str, Any], state: str) -> None:
        """Say how a job ended, unless somebody else has taken it meanwhile."""
        with self.pool.connection() as db:
            db.execute(
                "UPDATE cyclotron_jobs SET state = %s, lock_id = NULL WHERE id = %s AND lock_id = %s",
                (state, job["id"], job["lock_id"]),
            )

    def sweep(self) -> Swept:
        """Give stalled jobs back, give up those that stall again and again, and forget the finished ones."""
        values = {"old": STALLED_SECONDS, "most": MOST_TOUCHES}
        with self.pool.connection() as db:
            poisoned = db.execute(GIVE_UP, values).rowcount
            stalled = db.execute(GIVE_BACK, values).rowcount
            rows = db.execute(
                "WITH gone AS (DELETE FROM cyclotron_jobs WHERE state IN ('completed', 'failed')"
                " RETURNING team_id, function_id, state)"
                " SELECT team_id, function_id, state, count(*) AS jobs FROM gone GROUP BY 1, 2, 3"
            ).fetchall()
        finished = tuple((row["team_id"], str(row["function_id"]), row["state"], row["jobs"]) for row in rows)
        return Swept(stalled, poisoned, finished)

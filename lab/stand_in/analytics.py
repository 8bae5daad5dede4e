"""The analytics store: events as `web` reads them, over ClickHouse's HTTPS interface with its own user.

The table is a part of upstream's `events` under its names and types. Rows of one uuid fold into one, when the engine
gets to it, so that whoever reads says FINAL.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import asdict
from datetime import UTC, datetime
from http.client import HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlencode

from stand_in.records import Row, Wanted
from stand_in.settings import Settings

SECONDS = 30
TABLE = """
CREATE TABLE IF NOT EXISTS {database}.events (
    uuid UUID, event String, properties String, timestamp DateTime64(6, 'UTC'), team_id Int64, distinct_id String,
    elements_chain String, created_at DateTime64(6, 'UTC'))
ENGINE = ReplacingMergeTree(created_at) PARTITION BY toYYYYMM(timestamp)
ORDER BY (team_id, toDate(timestamp), event, cityHash64(distinct_id), cityHash64(uuid))
"""
EVENTS = """
SELECT uuid AS id, event, properties, toString(timestamp) AS time, distinct_id FROM {database}.events FINAL
WHERE team_id = {{team:Int64}} AND timestamp > parseDateTime64BestEffort({{after:String}}, 6, 'UTC')
AND ({{before:String}} = '' OR timestamp < parseDateTime64BestEffortOrNull({{before:String}}, 6, 'UTC'))
AND ({{event:String}} = '' OR event = {{event:String}})
AND ({{distinct_id:String}} = '' OR distinct_id = {{distinct_id:String}})
ORDER BY timestamp DESC LIMIT {{limit:UInt32}}
"""


# A part of upstream's `session_replay_events`, which folds the blocks of a session into one row; here each has its own.
BLOCKS_TABLE = """
CREATE TABLE IF NOT EXISTS {database}.session_replay_events (
    session_id String, team_id Int64, distinct_id String, first_timestamp DateTime64(6, 'UTC'),
    last_timestamp DateTime64(6, 'UTC'), block_url String, size Int64, event_count Int64)
ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(first_timestamp) ORDER BY (team_id, session_id, block_url)
"""
BLOCKS = """
SELECT distinct_id, toString(first_timestamp) AS first, toString(last_timestamp) AS last, block_url
FROM {database}.session_replay_events FINAL
WHERE team_id = {{team:Int64}} AND session_id = {{session:String}} ORDER BY first_timestamp, block_url
"""


class AnalyticsError(Exception):
    """The analytics store refused, or does not answer."""


class Analytics:
    """A client of the analytics store. Its certificate is held against the deployment's CA and its name."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = settings.clickhouse_database
        self.context = ssl.create_default_context(cafile=settings.clickhouse_ca)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2

    def query(self, statement: str, values: dict[str, object] | None = None) -> list[Row]:
        """Run one statement and return its rows. Raises AnalyticsError."""
        host, _, port = self.settings.clickhouse_host.partition(":")
        query = urlencode(
            {"default_format": "JSONEachRow", **{f"param_{key}": value for key, value in (values or {}).items()}}
        )
        connection = HTTPSConnection(host, int(port or 8443), timeout=SECONDS, context=self.context)
        try:
            headers = {
                "X-ClickHouse-User": self.settings.clickhouse_user,
                "X-ClickHouse-Key": self.settings.clickhouse_password,
            }
            connection.request("POST", f"/?{query}", statement.encode(), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, HTTPException) as error:
            raise AnalyticsError(f"{type(error).__name__}: {error}") from None
        finally:
            connection.close()
        if answer.status != 200:
            # Only the number: the words after it may repeat what somebody asked for.
            raise AnalyticsError(f"{answer.status}, code {answer.headers.get('X-ClickHouse-Exception-Code', '-')}")
        return [json.loads(line) for line in text.splitlines() if line]

    def prepare(self) -> None:
        """Make the database and the table where they are missing, and call a function as upstream's migrations do.

        It is not ours: the store runs it, out of the files that our image carries for it.
        """
        if self.query("SELECT hedgerow_stand_in('called') AS said") != [{"said": "stand-in called"}]:
            raise AnalyticsError("the store's executable functions do not answer")
        self.query(f"CREATE DATABASE IF NOT EXISTS {self.database}")
        for table in (TABLE, BLOCKS_TABLE):
            self.query(table.format(database=self.database))

    def alive(self) -> bool:
        """Say whether it answers us."""
        return bool(self.query("SELECT 1 AS yes"))

    def blocks(self, team: int, session: str) -> list[Row]:
        """Return the blocks of a recorded session, the first first; none for one that nobody knows."""
        rows = self.query(BLOCKS.format(database=self.database), {"team": team, "session": _text(session)})
        return [{**row, "first_timestamp": _iso(row["first"]), "last_timestamp": _iso(row["last"])} for row in rows]

    def events(self, team: int, wanted: Wanted) -> list[Row]:
        """Return a project's events, the newest first."""
        values: dict[str, object] = {key: _text(value) for key, value in asdict(wanted).items()}
        rows = self.query(EVENTS.format(database=self.database), {**values, "team": team})
        return [
            {
                **row,
                "properties": json.loads(row["properties"]),
                "timestamp": datetime.fromisoformat(row["time"]).replace(tzinfo=UTC),
            }
            for row in rows
        ]


def _iso(time: str) -> str:
    return f"{time.replace(' ', 'T')}Z"


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    # A parameter is written as a field of a TSV file is.
    plain = "" if value is None else str(value)
    return plain.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")

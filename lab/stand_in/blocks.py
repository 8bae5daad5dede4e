"""The blocks of a recording: what a batch of messages becomes in object storage, and where each block lies.

Pure. As upstream (nodejs/src/session-replay, recording-ingestion/sessions): one object for a batch, one block for each
session in it: lines of [window, rrweb event], in Snappy. A row for ClickHouse says where a block is and when it was.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from stand_in.event_log import opened
from stand_in.snappy import pack

RETENTION = "30d"  # of upstream's periods the one that a new project has
KEY = re.compile(r"/(30d|90d|1y|5y)/\d+-[0-9a-f]{16}")
URL = re.compile(r"s3://([^/]+)/(.+)\?range=bytes=(\d+)-(\d+)")


@dataclass
class Session:
    """What a batch holds of one session."""

    team: int
    distinct_id: str
    lines: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Batch:
    """An object to store, and the rows that tell of it once it is stored."""

    key: str
    body: bytes
    rows: tuple[tuple[str, dict[str, Any]], ...]


def key_of(prefix: str, now: datetime, random: str) -> str:
    """Return the name of a batch's object. `random` is sixteen hexadecimal digits."""
    return f"{prefix}/{RETENTION}/{int(now.timestamp() * 1000)}-{random}"


def is_key(prefix: str, key: str) -> bool:
    """Say whether a name is that of a batch's object: whoever asks for another asks for what is not his."""
    return key.startswith(prefix) and bool(KEY.fullmatch(key.removeprefix(prefix)))


def batch(values: Sequence[bytes | None], teams: Mapping[str, int], bucket: str, key: str) -> Batch:
    """Return what messages of the log become. What is no recording of a project is dropped and told."""
    sessions: dict[tuple[int, str], Session] = {}
    for value in values:
        _add(sessions, value, teams)
    body, rows = b"", []
    for (team, session), kept in sessions.items():
        block = pack("".join(kept.lines).encode())
        url = f"s3://{bucket}/{key}?range=bytes={len(body)}-{len(body) + len(block) - 1}"
        body += block
        rows.append((session, _row(team, session, kept, url)))
    return Batch(key, body, tuple(rows))


def place_of(url: str) -> tuple[str, int, int] | None:
    """Return the object of a block and its first and last byte; None for what is no place."""
    found = URL.fullmatch(url)
    return (found[2], int(found[3]), int(found[4])) if found else None


def _add(sessions: dict[tuple[int, str], Session], value: bytes | None, teams: Mapping[str, int]) -> None:
    event = opened(value)
    team = teams.get(event.token) if event else None
    items = event.properties.get("$snapshot_items") if event else None
    times = [row["timestamp"] for row in items or () if isinstance(row, dict) and row.get("timestamp")]
    if event is None or team is None or not items or len(times) != len(items):
        print(f"stand-in ingestion: dropped {event.uuid if event else 'a message'}: no recording", file=sys.stderr)
        return
    kept = sessions.setdefault((team, str(event.properties["$session_id"])), Session(team, event.distinct_id))
    window = event.properties.get("$window_id") or ""
    kept.lines += [json.dumps([window, item]) + "\n" for item in items]
    kept.times += [float(each) for each in times]


def _row(team: int, session: str, kept: Session, url: str) -> dict[str, Any]:
    return {
        "uuid": str(uuid.uuid4()),
        "session_id": session,
        "team_id": team,
        "distinct_id": kept.distinct_id,
        "first_timestamp": _clickhouse(min(kept.times)),
        "last_timestamp": _clickhouse(max(kept.times)),
        "block_url": url,
        "size": sum(map(len, kept.lines)),
        "event_count": len(kept.lines),
        "snapshot_source": "web",
    }


def _clickhouse(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")

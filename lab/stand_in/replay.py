"""A session recording's snapshots, as the browser SDK posts them to /s/ (rust/capture/src/events/recordings.rs).

Pure. One event comes out for a request, as upstream puts one message into its log: `$snapshot_items`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from stand_in.ingest import Event, RefusalError, moment, read_payload, token_of

EVENT = "$snapshot_items"
SESSION = re.compile(r"[A-Za-z0-9-]{1,70}")
LONGEST_DISTINCT_ID = 200


def read_recording(body: bytes, headers: Mapping[str, str], query: Mapping[str, str], now: datetime) -> Event:
    """Return what a request says of one session. Raises RefusalError."""
    payload = read_payload(body, headers, query)
    rows = payload if isinstance(payload, list) else [payload]
    if not rows:
        raise RefusalError(400, "request holds no event")
    if not all(isinstance(row, dict) and isinstance(row.get("properties"), dict) for row in rows):
        raise RefusalError(400, "failed to parse request: a recording is not an object with properties")
    first, properties = rows[0], rows[0]["properties"]
    token = token_of(rows)
    who = first.get("distinct_id") or properties.get("distinct_id")
    if not who:
        raise RefusalError(400, "event submitted without a distinct_id")
    session = properties.get("$session_id")
    if session is None:
        raise RefusalError(400, "replay event submitted without a session id")
    if not isinstance(session, str) or not SESSION.fullmatch(session):
        raise RefusalError(400, "replay event has invalid session id")
    return Event(
        token=token,
        uuid=str(uuid.uuid4()),
        event=EVENT,
        distinct_id=str(who)[:LONGEST_DISTINCT_ID],
        properties={
            "$session_id": session,
            "$window_id": str(properties.get("$window_id") or session),
            "$snapshot_source": str(properties.get("$snapshot_source") or "web"),
            "$snapshot_items": [item for row in rows for item in _items(row["properties"])],
        },
        timestamp=moment(first.get("timestamp"), now),
    )


def _items(properties: Mapping[str, Any]) -> list[Any]:
    data = properties.get("$snapshot_data")
    if isinstance(data, list | dict):
        return data if isinstance(data, list) else [data]
    raise RefusalError(400, "replay event submitted without snapshot data")

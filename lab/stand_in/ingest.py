"""What an SDK posted, read into events. Shapes and refusals as upstream's capture has them (rust/capture/src).

Pure: bytes in; events, or a RefusalError with the status and words of upstream's CaptureError, out.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from stand_in.asgi import LARGEST_BODY

GZIP = b"\x1f\x8b"
LONGEST_DISTINCT_ID = 200


class RefusalError(Exception):
    """Why a request is not taken, with its HTTP status."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


@dataclass(frozen=True)
class Event:
    """One event as it travels through Valkey into PostgreSQL. `timestamp` is ISO 8601."""

    token: str
    uuid: str
    event: str
    distinct_id: str
    properties: Mapping[str, Any]
    timestamp: str


def read_events(body: bytes, headers: Mapping[str, str], query: Mapping[str, str], now: datetime) -> list[Event]:
    """Return the events of a request, all of one project. Raises RefusalError."""
    payload = read_payload(body, headers, query)
    if isinstance(payload, list):
        shared, rows = {}, payload
    elif isinstance(payload, dict):
        shared, rows = payload, payload.get("batch", [payload])
    else:
        raise RefusalError(400, "failed to parse request: neither an object nor a list")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RefusalError(400, "failed to parse request: an event is not an object")
    if not rows:
        raise RefusalError(400, "request holds no event")
    bearer = headers.get("authorization", "").removeprefix("Bearer ").strip()
    token = token_of(rows, _token(shared) or bearer)
    return [_event(row, token, now) for row in rows]


def read_payload(body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Any:
    """Return the JSON of a body, however an SDK packs it: plain, gzip, base64 in a form. Raises RefusalError."""
    return _decode(_unpack(body, headers, query), headers)


def token_of(rows: Sequence[Mapping[str, Any]], shared: str = "") -> str:
    """Return the one project's token that all rows carry; `shared` counts where a row has none. Raises RefusalError."""
    tokens = {_token(row) or shared for row in rows}
    if tokens == {""}:
        raise RefusalError(401, "event submitted without an api_key")
    if len(tokens) > 1:
        raise RefusalError(401, "batch submitted with inconsistent api_key values")
    token = tokens.pop()
    if len(token) > 64 or not token.isascii() or token.startswith("phx_"):
        raise RefusalError(
            401, "API key is not valid: personal_api_key" if token.startswith("phx_") else "API key is not valid"
        )
    return token


def _unpack(body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> bytes:
    packed = headers.get("content-encoding") == "gzip" or query.get("compression") in ("gzip", "gzip-js")
    if not packed and not body.startswith(GZIP):
        return body
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, LARGEST_BODY)
    except zlib.error:
        raise RefusalError(400, "failed to decode request: invalid GZIP data") from None
    if inflater.unconsumed_tail:
        raise RefusalError(400, "maximum event size exceeded")
    return plain


def _decode(body: bytes, headers: Mapping[str, str]) -> Any:
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        data = parse_qs(body.decode(errors="replace")).get("data", [""])[0]
        try:
            body = base64.b64decode(data.replace(" ", "+"), validate=True)
        except (binascii.Error, ValueError):
            body = data.encode()
    try:
        return json.loads(body)
    except ValueError:
        raise RefusalError(400, "failed to parse request: not JSON") from None


def _token(row: Mapping[str, Any]) -> str:
    properties = row.get("properties")
    inner = properties.get("token") if isinstance(properties, dict) else None
    found = row.get("api_key") or row.get("token") or row.get("$token") or inner
    return found if isinstance(found, str) else ""


def _event(row: Mapping[str, Any], token: str, now: datetime) -> Event:
    properties = row.get("properties") or {}
    if not isinstance(properties, dict):
        raise RefusalError(400, "failed to parse request: the properties are not an object")
    name, who = row.get("event"), row.get("distinct_id", properties.get("distinct_id"))
    if not isinstance(name, str) or not name:
        raise RefusalError(400, "event submitted with an empty event name")
    if who is None:
        raise RefusalError(400, "event submitted without a distinct_id")
    if not str(who):
        raise RefusalError(400, "event submitted with an empty distinct_id")
    return Event(
        token=token,
        uuid=_uuid(row.get("uuid")),
        event=name[:400],
        distinct_id=str(who)[:LONGEST_DISTINCT_ID],
        properties={key: value for key, value in properties.items() if key != "token"},
        timestamp=moment(row.get("timestamp"), now),
    )


def _uuid(value: object) -> str:
    """Keep the sender's id, so that what is sent twice is stored once; make one where there is none."""
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        return str(uuid.uuid4())


def moment(value: object, now: datetime) -> str:
    """Return a time as ISO 8601: the sender's where it can be read, else now."""
    try:
        read = datetime.fromisoformat(str(value))
    except ValueError:
        return now.isoformat()
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).isoformat()

"""The few messages of upstream's persons service that are needed here, as they travel (proto/personhog/types/v1).

Pure. Protocol Buffers' wire format: a number and a kind before each value, varints, and lengths before bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LONGEST = 10  # bytes of a varint of 64 bits


class MessageError(Exception):
    """What came is no such message."""


@dataclass(frozen=True)
class Person:
    """Somebody that events were seen of."""

    id: int
    uuid: str
    team: int
    properties: dict[str, Any] = field(default_factory=dict)
    created_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    identified: bool = False


def asking(team: int, distinct_id: str) -> bytes:
    """Return a GetPersonByDistinctIdRequest."""
    return _number(1, team) + _bytes(2, distinct_id.encode())


def asked(message: bytes) -> tuple[int, str]:
    """Return the project and the distinct id that a GetPersonByDistinctIdRequest asks for. Raises MessageError."""
    found = dict(_fields(message))
    return _signed(found.get(1, 0)), _text(found.get(2, b""))


def answering(person: Person | None) -> bytes:
    """Return a GetPersonResponse."""
    if person is None:
        return b""
    inside = _number(1, person.id) + _bytes(2, person.uuid.encode()) + _number(3, person.team)
    inside += _bytes(4, json.dumps(person.properties).encode())
    inside += _number(7, round(person.created_at.timestamp() * 1000)) + _number(9, int(person.identified))
    return _bytes(1, inside)


def answered(message: bytes) -> Person | None:
    """Return whom a GetPersonResponse holds; None for nobody. Raises MessageError."""
    inside = dict(_fields(message)).get(1)
    if inside is None:
        return None
    if not isinstance(inside, bytes):
        raise MessageError("a person is a message")
    found = dict(_fields(inside))
    try:
        properties = json.loads(_text(found.get(4, b"")) or "{}")
    except ValueError:
        raise MessageError("properties are no JSON") from None
    return Person(
        id=_signed(found.get(1, 0)),
        uuid=_text(found.get(2, b"")),
        team=_signed(found.get(3, 0)),
        properties=properties,
        created_at=datetime.fromtimestamp(_signed(found.get(7, 0)) / 1000, UTC),
        identified=bool(found.get(9, 0)),
    )


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield each field's number and value; of a repeated one, every value."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if kind == BYTES:
            size, at = _varint(message, at)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise MessageError(f"a field of kind {kind}")
        if at + size > len(message):
            raise MessageError("it ends too soon")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[at : at + LONGEST]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise MessageError("a number without an end")


def _signed(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise MessageError("bytes where a number belongs")
    return value - (1 << 64) if value >= 1 << 63 else value


def _text(value: int | bytes) -> str:
    try:
        return value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        raise MessageError("no UTF-8") from None


def _number(place: int, value: int) -> bytes:
    return _plain(place << 3 | VARINT) + _plain(value & ((1 << 64) - 1))


def _bytes(place: int, value: bytes) -> bytes:
    return _plain(place << 3 | BYTES) + _plain(len(value)) + value


def _plain(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])

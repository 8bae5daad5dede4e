"""Kafka's wire format before "flexible" versions: big-endian numbers; strings and arrays after their length."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


class WireError(Exception):
    """The bytes are not a request."""


class Reader:
    """Reads one request from its beginning to its end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def _take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise WireError("the request ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def int8(self) -> int:
        return struct.unpack(">b", self._take(1))[0]

    def int16(self) -> int:
        return struct.unpack(">h", self._take(2))[0]

    def int32(self) -> int:
        return struct.unpack(">i", self._take(4))[0]

    def int64(self) -> int:
        return struct.unpack(">q", self._take(8))[0]

    def string(self) -> str | None:
        length = self.int16()
        try:
            return None if length < 0 else self._take(length).decode()
        except UnicodeDecodeError:
            raise WireError("a string is not UTF-8") from None

    def word(self) -> str:
        return self.string() or ""

    def bytes(self) -> bytes | None:
        length = self.int32()
        return None if length < 0 else self._take(length)

    def array(self, each: Callable[[], T]) -> list[T] | None:
        count = self.int32()
        if count > len(self.data):
            raise WireError("an array is longer than its request")
        return None if count < 0 else [each() for _ in range(count)]

    def rows(self, each: Callable[[], T]) -> list[T]:
        return self.array(each) or []


def int8(value: int) -> bytes:
    return struct.pack(">b", value)


def int16(value: int) -> bytes:
    return struct.pack(">h", value)


def int32(value: int) -> bytes:
    return struct.pack(">i", value)


def int64(value: int) -> bytes:
    return struct.pack(">q", value)


def string(value: str | None) -> bytes:
    return int16(-1) if value is None else int16(len(value.encode())) + value.encode()


def blob(value: bytes | None) -> bytes:
    return int32(-1) if value is None else int32(len(value)) + value


def array(values: Iterable[bytes]) -> bytes:
    rows = list(values)
    return int32(len(rows)) + b"".join(rows)

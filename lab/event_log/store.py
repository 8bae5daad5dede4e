"""Topics on disk: a folder for each partition, in it one file of Kafka's own record batches, one after the other.

A batch is written and synced before its offset is given back, so what was acknowledged outlives a power cut. What a
killed broker had half written is cut off when the file is opened again. Committed offsets are one small file, replaced
whole. Batches: Kafka's documentation, "Record Batch" (magic 2); only its first 61 bytes are looked at.
"""

from __future__ import annotations

import bisect
import json
import os
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from event_log.files import replace

HEADER = struct.Struct(">qiibIhiqqqhii")  # base offset, length, epoch, magic, crc, attributes, last delta, times, ...
BEGIN = 12  # base offset and length, which the length does not count
SETTINGS = ("retention.ms", "retention.bytes", "segment.bytes")
"""What a topic can be told here. It is kept and told, not done: a lab's log grows."""
SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


class BadBatchError(Exception):
    """The records are not batches of the second format."""


@dataclass(frozen=True)
class _Place:
    base: int
    at: int
    size: int
    newest: int


class Partition:
    """One partition's batches. Safe to use from many threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = (folder / "batches.log").open("a+b", buffering=0)
        self.places: list[_Place] = []
        self.end = 0
        self.grown = threading.Condition()
        self._recover()

    def _recover(self) -> None:
        size, at = os.fstat(self.file.fileno()).st_size, 0
        while at + HEADER.size <= size:
            fields = HEADER.unpack(os.pread(self.file.fileno(), HEADER.size, at))
            whole = fields[1] + BEGIN
            if fields[3] != 2 or at + whole > size or whole < HEADER.size:
                break
            self.places.append(_Place(fields[0], at, whole, fields[8]))
            self.end = fields[0] + fields[6] + 1
            at += whole
        os.ftruncate(self.file.fileno(), at)

    def append(self, records: bytes) -> int:
        """Keep batches and return the first one's offset. Raises BadBatchError."""
        found, at = [], 0
        while at < len(records):
            if at + HEADER.size > len(records):
                raise BadBatchError
            fields = HEADER.unpack_from(records, at)
            whole = fields[1] + BEGIN
            if fields[3] != 2 or whole < HEADER.size or at + whole > len(records) or fields[6] < 0:
                raise BadBatchError
            found.append((at, whole, fields))
            at += whole
        with self.grown:
            first = self.end
            begin = os.fstat(self.file.fileno()).st_size
            kept, offset, places = bytearray(records), self.end, []
            for at, whole, fields in found:
                struct.pack_into(">q", kept, at, offset)  # not under the checksum, so that a broker may
                places.append(_Place(offset, begin + at, whole, fields[8]))
                offset += fields[6] + 1
            self.file.write(kept)
            os.fdatasync(self.file.fileno())
            self.places += places
            self.end = offset
            self.grown.notify_all()
        return first

    def read(self, offset: int, most: int) -> bytes:
        """Return whole batches from the one that holds an offset on, at least one if there is any."""
        with self.grown:
            places, end = self.places, self.end
            index = bisect.bisect_right(places, offset, key=lambda place: place.base) - 1
        if offset >= end or index < 0:
            return b""
        begin, size = places[index].at, 0
        for place in places[index:]:
            if size and size + place.size > most:
                break
            size += place.size
        return os.pread(self.file.fileno(), size, begin)

    def offset_at(self, time: int) -> int:
        """Return where reading begins for a time in ms since 1970: -1 is the end, -2 the beginning."""
        with self.grown:
            if time == -1:
                return self.end
            return next((place.base for place in self.places if time == -2 or place.newest >= time), self.end)


class Store:
    """Every topic with its settings, and what groups have committed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.topics: dict[str, list[Partition]] = {}
        self.lock = threading.Lock()
        (folder / "topics").mkdir(parents=True, exist_ok=True)
        self.committed: dict[str, list[object]] = {}
        if (folder / "offsets.json").exists():
            self.committed = json.loads((folder / "offsets.json").read_text())
        self.settings: dict[str, dict[str, str]] = {}
        if (folder / "settings.json").exists():
            self.settings = json.loads((folder / "settings.json").read_text())
        for topic in sorted((folder / "topics").iterdir()):
            self.create(topic.name, len(list(topic.iterdir())))

    def create(self, name: str, partitions: int) -> bool:
        """Make a topic; say whether it is new. More partitions are added, none is taken away. Raises ValueError."""
        if not name or not SAFE.issuperset(name) or name in (".", "..") or len(name) > 249 or not 1 <= partitions <= 64:
            raise ValueError(name)
        with self.lock:
            known = self.topics.get(name, [])
            more = range(len(known), partitions)
            self.topics[name] = [*known, *(Partition(self.folder / "topics" / name / str(index)) for index in more)]
            return not known

    def set(self, topic: str, settings: Mapping[str, str]) -> None:
        """Keep settings of a topic, on disk, beside its others."""
        with self.lock:
            self.settings[topic] = {**self.settings.get(topic, {}), **settings}
            replace(self.folder / "settings.json", json.dumps(self.settings))

    def partition(self, topic: str, index: int) -> Partition | None:
        """Return a partition, if there is one."""
        rows = self.topics.get(topic, [])
        return rows[index] if 0 <= index < len(rows) else None

    def commit(self, group: str, values: Mapping[tuple[str, int], tuple[int, str]]) -> None:
        """Keep a group's offsets, on disk."""
        with self.lock:
            for (topic, index), (offset, note) in values.items():
                self.committed[json.dumps([group, topic, index])] = [offset, note]
            replace(self.folder / "offsets.json", json.dumps(self.committed))

    def committed_by(self, group: str) -> dict[tuple[str, int], tuple[int, str]]:
        """Return a group's offsets."""
        with self.lock:
            rows = [(json.loads(key), value) for key, value in self.committed.items()]
        return {(key[1], key[2]): (int(value[0]), str(value[1])) for key, value in rows if key[0] == group}  # type: ignore[call-overload]


def fault(name: str, value: str) -> str:
    """Say why a topic cannot be told this; "" when it can."""
    if name not in SETTINGS:
        return f"{name} is no setting of a topic here"
    return "" if value.lstrip("-").isdigit() and int(value) >= -1 else f"{name} is no number of at least -1"

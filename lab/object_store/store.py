"""Objects on disk: a file each, under the hash of its key, with what is said of it in its first line.

Nothing is acknowledged before it is there to stay: written beside its place, synced, renamed, and the folder synced. So
an object is whole or not there, whatever happens in between. Uploads in parts wait in a folder of their own.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from object_store.signing import FaultError

LONGEST_KEY = 1024


@dataclass(frozen=True)
class Facts:
    """What is said of an object. `at` is in seconds of 1970."""

    key: str
    size: int
    etag: str
    kind: str
    at: float


class Store:
    """The buckets of one folder."""

    def __init__(self, folder: Path, buckets: Sequence[str]) -> None:
        self.folder = folder
        for name in buckets:
            for below in ("objects", "parts"):
                (folder / name / below).mkdir(parents=True, exist_ok=True, mode=0o700)
        _sync(folder)

    def has(self, bucket: str) -> bool:
        """Say whether there is such a bucket."""
        return bool(bucket) and "/" not in bucket and bucket[0] != "." and (self.folder / bucket / "objects").is_dir()

    def put(self, bucket: str, key: str, body: bytes, kind: str, etag: str = "") -> Facts:
        """Keep an object. Raises FaultError for a key that is too long, OSError where there is no room."""
        if not 0 < len(key.encode()) <= LONGEST_KEY:
            raise FaultError(400, "KeyTooLongError")
        facts = Facts(key, len(body), etag or hashlib.md5(body, usedforsecurity=False).hexdigest(), kind, time.time())
        _write(self._place(bucket, key), json.dumps(asdict(facts)).encode() + b"\n" + body)
        return facts

    def facts(self, bucket: str, key: str) -> Facts:
        """Return what is said of an object. Raises FaultError where there is none."""
        with self._open(bucket, key) as source:
            return _facts(source)

    def read(self, bucket: str, key: str, start: int, size: int) -> bytes:
        """Return bytes of an object. Raises FaultError where there is none."""
        with self._open(bucket, key) as source:
            _facts(source)
            source.seek(start, os.SEEK_CUR)
            return source.read(size)

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object; one that is not there is removed already."""
        place = self._place(bucket, key)
        place.unlink(missing_ok=True)
        _sync(place.parent)

    def listed(self, bucket: str, prefix: str) -> list[Facts]:
        """Return the objects whose keys begin so, in the order of their keys' bytes."""
        found = (facts for facts in self._all(bucket) if facts.key.startswith(prefix))
        return sorted(found, key=lambda facts: facts.key.encode())

    def begin(self, bucket: str, key: str, kind: str) -> str:
        """Begin an upload in parts and return its name."""
        name = secrets.token_hex(16)
        folder = self.folder / bucket / "parts" / name
        folder.mkdir(mode=0o700)
        _write(folder / "about", json.dumps({"key": key, "kind": kind}).encode())
        return name

    def part(self, bucket: str, key: str, upload: str, number: int, body: bytes) -> str:
        """Keep a part and return its tag."""
        _write(self._upload(bucket, key, upload) / f"{number:05}", body)
        return hashlib.md5(body, usedforsecurity=False).hexdigest()

    def complete(self, bucket: str, key: str, upload: str, parts: Sequence[tuple[int, str]]) -> Facts:
        """Make one object of the parts. Raises FaultError for a part that is missing, another, or out of order."""
        folder = self._upload(bucket, key, upload)
        if not parts or [number for number, _ in parts] != sorted({number for number, _ in parts}):
            raise FaultError(400, "InvalidPartOrder")
        pieces, sums = [], b""
        for number, etag in parts:
            path = folder / f"{number:05}"
            piece = path.read_bytes() if path.is_file() else b""
            found = hashlib.md5(piece, usedforsecurity=False)
            if not path.is_file() or found.hexdigest() != etag.strip('"'):
                raise FaultError(400, "InvalidPart")
            pieces.append(piece)
            sums += found.digest()
        kind = json.loads((folder / "about").read_text())["kind"]
        tag = f"{hashlib.md5(sums, usedforsecurity=False).hexdigest()}-{len(parts)}"
        facts = self.put(bucket, key, b"".join(pieces), kind, tag)
        self.abort(bucket, key, upload)
        return facts

    def abort(self, bucket: str, key: str, upload: str) -> None:
        """Forget an upload. Raises FaultError where there is none."""
        folder = self._upload(bucket, key, upload)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()

    def _upload(self, bucket: str, key: str, name: str) -> Path:
        folder = self.folder / bucket / "parts" / name
        about = folder / "about"
        if not name.isalnum() or not about.is_file() or json.loads(about.read_text())["key"] != key:
            raise FaultError(404, "NoSuchUpload")
        return folder

    def _place(self, bucket: str, key: str) -> Path:
        return self.folder / bucket / "objects" / hashlib.sha256(key.encode()).hexdigest()

    def _open(self, bucket: str, key: str) -> BinaryIO:
        try:
            return self._place(bucket, key).open("rb")
        except FileNotFoundError:
            raise FaultError(404, "NoSuchKey") from None

    def _all(self, bucket: str) -> Iterator[Facts]:
        for path in (self.folder / bucket / "objects").iterdir():
            if path.suffix != ".half":
                with path.open("rb") as source:
                    yield _facts(source)


def _facts(source: BinaryIO) -> Facts:
    return Facts(**json.loads(source.readline()))


def _write(place: Path, content: bytes) -> None:
    half = place.with_name(f"{place.name}.{secrets.token_hex(4)}.half")
    try:
        with half.open("wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        half.replace(place)
    except OSError:
        half.unlink(missing_ok=True)
        raise
    _sync(place.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

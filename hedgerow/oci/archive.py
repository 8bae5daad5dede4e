"""OCI archives: images in one tar file, as an image layout (image specification 1.1, `image-layout.md`).

An archive is never unpacked here. What it may hold is a closed list, so that a file which two programs would read
differently (a name twice, a link, a blob under another's name) is refused.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from hedgerow.errors import CallError, HedgerowError
from hedgerow.oci import content
from hedgerow.oci.content import Descriptor, Document, Source, Tree

REF_NAME = "org.opencontainers.image.ref.name"
BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")
FOLDERS = ("", ".", "blobs", "blobs/sha256")
CHUNK = 1 << 20
INDEX, LAYOUT = "index.json", "oci-layout"


@dataclass(frozen=True)
class Named:
    """An image in an archive: its digest, the name it has there, and what else was written beside it."""

    digest: str
    name: str
    notes: Mapping[str, str]


class Archive:
    """An archive that is there, read. Raises CallError where it is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._blobs: dict[str, tarfile.TarInfo] = {}
        try:
            self._tar = tarfile.open(path, "r:")  # noqa: SIM115 (kept open: an image is read from it piece by piece)
            self._index = self._members()
        except (OSError, tarfile.TarError, ValueError, KeyError, TypeError, AttributeError) as error:
            words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise self._refuse(f"it cannot be read as an OCI archive: {words}") from None

    def images(self) -> tuple[Named, ...]:
        """Return the images that its index names. Raises CallError."""
        found = []
        try:
            for row in self._index["manifests"]:
                notes = row.get("annotations") or {}
                if not content.DIGEST.fullmatch(row["digest"]):
                    raise ValueError(row["digest"])
                found.append(Named(row["digest"], notes.get(REF_NAME, ""), notes))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._refuse("its index.json is not that of an image layout") from None
        return tuple(found)

    def verify(self) -> None:
        """Read every byte: each blob is what its name says, and every image is whole. Raises CallError."""
        for digest, member in self._blobs.items():
            for _ in self.blob(Descriptor("", digest, member.size)):
                pass
        for image in self.images():
            for blob in content.tree(self, image.digest).blobs:
                if self._member(blob.digest).size != blob.size:
                    raise self._refuse(f"{blob.digest} is not as long as its manifest says")

    def document(self, digest: str) -> Document:
        """Return a manifest or an index. Raises CallError."""
        member = self._member(digest)
        if member.size > content.LARGEST_DOCUMENT:
            raise self._refuse(f"{digest} is larger than a manifest may be")
        return content.document(b"".join(self._read(member)), digest, self._refuse)

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a blob's bytes. Raises CallError."""
        yield from content.verified(self._read(self._member(descriptor.digest)), descriptor, self._refuse)

    def _members(self) -> dict[str, Any]:
        named: dict[str, tarfile.TarInfo] = {}
        for member in self._tar:
            name = member.name.removeprefix("./").rstrip("/")
            if member.isdir() and name in FOLDERS:
                continue
            blob = BLOB.fullmatch(name)
            if not member.isreg() or name in named or not (blob or name in (INDEX, LAYOUT)):
                raise ValueError(f"{member.name!r} does not belong there, or is there twice")
            named[name] = member
            if blob:
                self._blobs[f"sha256:{blob[1]}"] = member
        version = json.loads(b"".join(self._read(named[LAYOUT])))["imageLayoutVersion"]
        if version != "1.0.0":
            raise ValueError(f"image layout {version} is not known")
        index: dict[str, Any] = json.loads(b"".join(self._read(named[INDEX])))
        return index

    def _member(self, digest: str) -> tarfile.TarInfo:
        if digest not in self._blobs:
            raise self._refuse(f"{digest} is missing in it")
        return self._blobs[digest]

    def _read(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        stream = self._tar.extractfile(member)
        try:
            while stream and (chunk := stream.read(CHUNK)):
                yield chunk
        except (OSError, tarfile.TarError) as error:
            raise self._refuse(f"it ends in the middle of {member.name}: {error}") from None

    def _refuse(self, words: str) -> HedgerowError:
        return CallError(f"{self.path}: {words}", "Nothing was taken from it. Copy the file again, or save it anew.")


@dataclass(frozen=True)
class Packed:
    """An image to be saved: where it is read from, what it holds, its name and what is written beside it."""

    source: Source
    tree: Tree
    name: str
    notes: Mapping[str, str]


def write(path: Path, images: Sequence[Packed], say: Callable[[str], None]) -> None:
    """Write one archive with all these images; what they share is in it once. Beside its place, then renamed.

    Raises HedgerowError where content is not what its digest says, CallError where the file cannot be written.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            _fill(stream, images, say)
            os.fchmod(stream.fileno(), 0o644)
        temporary.replace(path)
    except OSError as error:
        raise CallError(f"{path} cannot be written: {error.strerror}", "Name a file in a folder with room.") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _fill(stream: BinaryIO, images: Sequence[Packed], say: Callable[[str], None]) -> None:
    """The small files first: whoever reads the archive knows what is in it before the layers come."""
    _put(stream, LAYOUT, b'{"imageLayoutVersion":"1.0.0"}')
    _put(stream, INDEX, _index(images))
    written: set[str] = set()
    for image in images:
        for document in image.tree.documents:
            if document.descriptor.digest not in written:
                _put(stream, _name(document.descriptor.digest), document.content)
                written.add(document.descriptor.digest)
    for image in images:
        for blob in image.tree.blobs:
            if blob.digest not in written:
                say(f"{image.name.partition('@')[0]}: {blob.digest[:19]}, {blob.size // 1_000_000} MB")
                _stream(stream, _name(blob.digest), blob.size, image.source.blob(blob))
                written.add(blob.digest)
    stream.write(b"\0" * 2 * tarfile.BLOCKSIZE)


def _index(images: Sequence[Packed]) -> bytes:
    rows = []
    for image in images:
        top = image.tree.top
        # Readers of a layout look for names among rows of the OCI kinds only (containers/image, oci/layout). The
        # content stays as it is and keeps its own kind; only this row, which is ours, calls it by the OCI name.
        kind = content.OCI_INDEX if top.media_type in content.INDEXES else content.OCI_MANIFEST
        notes = {**image.notes, REF_NAME: image.name}
        rows.append({"mediaType": kind, "digest": top.digest, "size": top.size, "annotations": notes})
    said = {"schemaVersion": 2, "mediaType": content.OCI_INDEX, "manifests": rows}
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def _name(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _put(stream: BinaryIO, name: str, data: bytes) -> None:
    _stream(stream, name, len(data), [data])


def _stream(stream: BinaryIO, name: str, size: int, chunks: Iterable[bytes]) -> None:
    """Write one file. `tarfile` itself would stop reading at the size, and only the end tells a wrong digest."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    stream.write(entry.tobuf(tarfile.PAX_FORMAT))
    for chunk in chunks:
        stream.write(chunk)
    stream.write(b"\0" * (-size % tarfile.BLOCKSIZE))

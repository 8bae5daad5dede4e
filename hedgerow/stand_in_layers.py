"""OCI archives without a container engine: layers as compressed files with their digests beside them, packed together.

Formats: OCI image specification 1.1, `image-layout.md`, `manifest.md`, `config.md`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

EPOCH = 1735689600  # 2025-01-01: the one time stamp of every file, so that equal input gives equal bytes
REF_NAME = "org.opencontainers.image.ref.name"
CHUNK = 1 << 20


@dataclass(frozen=True)
class Layer:
    """A compressed layer in a file. `digest` is the file's, `content` that of what is in it."""

    path: Path
    digest: str
    content: str
    size: int


@dataclass(frozen=True)
class Recipe:
    """One image of an archive: its name with the registry's, its configuration (image-spec, `config`), its layers."""

    name: str
    config: Mapping[str, Any]
    architecture: str
    layers: tuple[Layer, ...]


class _Hashing(io.RawIOBase):
    """Passes bytes on and keeps their digest and their number."""

    def __init__(self, target: IO[bytes] | gzip.GzipFile) -> None:
        self.target, self.hash, self.size = target, hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.hash.update(data)
        self.target.write(data)
        self.size += len(data)
        return len(data)


@contextmanager
def layer_file(path: Path, level: int) -> Iterator[IO[bytes]]:
    """Yield where to write a layer's tar. It lies at `path`, compressed, its digests beside it, or not at all."""
    half = path.with_suffix(".half")
    with half.open("wb") as target:
        outer = _Hashing(target)
        with gzip.GzipFile(filename="", mode="wb", fileobj=outer, compresslevel=level, mtime=EPOCH) as squeezed:  # type: ignore[call-overload]
            inner = _Hashing(squeezed)
            yield inner  # type: ignore[misc]
    facts = {
        "digest": f"sha256:{outer.hash.hexdigest()}",
        "content": f"sha256:{inner.hash.hexdigest()}",
        "size": outer.size,
    }
    _beside(path).write_text(json.dumps(facts))
    half.rename(path)


def read_layer(path: Path) -> Layer | None:
    """Return a layer that was finished; None where it was not."""
    if not path.exists() or not _beside(path).exists():
        return None
    return Layer(path, **json.loads(_beside(path).read_text()))


def add(tar: tarfile.TarFile, name: str, content: bytes, *, program: bool = False) -> None:
    """Add a file of root's that everybody may read, and run where it is a program."""
    add_stream(tar, name, io.BytesIO(content), len(content), 0o755 if program else 0o644)


def add_stream(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int, mode: int = 0o644) -> None:
    """Add a file of root's that everybody may read, from a stream."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = size, EPOCH, mode
    tar.addfile(entry, content)


def pack(archive: Path, recipes: Sequence[Recipe]) -> None:
    """Write one archive with every image; a layer that several share is in it once."""
    small: dict[str, bytes] = {}
    layers = {layer.digest: layer for recipe in recipes for layer in recipe.layers}
    manifests = [_manifest(recipe, small) for recipe in recipes]
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}
    half = archive.with_suffix(".half")
    with tarfile.open(half, "w", format=tarfile.USTAR_FORMAT) as tar:
        add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        add(tar, "index.json", _json(index))
        for digest, content in small.items():
            add(tar, _place(digest), content)
        for digest, layer in layers.items():
            with layer.path.open("rb") as stream:
                add_stream(tar, _place(digest), stream, layer.size)
    half.rename(archive)


def references(archive: Path) -> tuple[str, ...]:
    """Return the images of an archive by digest, as its own index names them."""
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        assert index is not None
        return tuple(row["annotations"][REF_NAME] for row in json.load(index)["manifests"])


def copy(source: IO[bytes], target: IO[bytes]) -> None:
    """Copy a stream."""
    shutil.copyfileobj(source, target, CHUNK)


def _manifest(recipe: Recipe, blobs: dict[str, bytes]) -> dict[str, Any]:
    config = {
        "created": "2025-01-01T00:00:00Z",
        "architecture": recipe.architecture,
        "os": "linux",
        "config": dict(recipe.config),
        "rootfs": {"type": "layers", "diff_ids": [layer.content for layer in recipe.layers]},
        "history": [{"created_by": "hedgerow"} for _ in recipe.layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _blob("config.v1+json", _json(config), blobs),
        "layers": [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer.digest, "size": layer.size}
            for layer in recipe.layers
        ],
    }
    entry = _blob("manifest.v1+json", _json(manifest), blobs)
    return {**entry, "annotations": {REF_NAME: f"{recipe.name}@{entry['digest']}"}}


def _blob(kind: str, content: bytes, blobs: dict[str, bytes]) -> dict[str, Any]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    blobs[digest] = content
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": len(content)}


def _place(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

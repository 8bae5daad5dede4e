"""What an image is made of: a tree of documents and blobs, each known by the SHA-256 of its bytes.

Everything that is read, from a registry or an archive, goes through `verified` or `document`: nothing is passed on
that is not what its digest says.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from hedgerow.errors import HedgerowError

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = (OCI_INDEX, DOCKER_LIST)
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
LARGEST_DOCUMENT = 4 * 1024 * 1024
"""Bytes of a manifest: what the distribution specification asks every registry to take, and no more."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

Refuse = Callable[[str], HedgerowError]
"""Makes the error of a place from what is wrong there: a registry's is another one than an archive's."""


@dataclass(frozen=True)
class Descriptor:
    """A pointer to content: what it is, its digest and its size in bytes."""

    media_type: str
    digest: str
    size: int


@dataclass(frozen=True)
class Document:
    """A manifest or an index, byte for byte, and what it points to."""

    descriptor: Descriptor
    content: bytes
    children: tuple[Descriptor, ...]
    blobs: tuple[Descriptor, ...]


class Source(Protocol):
    """Where the content of one image is read from."""

    def document(self, digest: str) -> Document:
        """Return a manifest or an index. Raises HedgerowError where it is not there, or not what its digest says."""
        ...

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a blob's bytes; raises HedgerowError at the end when they are not what the digest says."""
        ...


@dataclass(frozen=True)
class Tree:
    """An image whole: `documents` with children before their parents, and each blob once."""

    documents: tuple[Document, ...]
    blobs: tuple[Descriptor, ...]

    @property
    def top(self) -> Descriptor:
        """The image itself."""
        return self.documents[-1].descriptor

    @property
    def size(self) -> int:
        """Bytes of everything."""
        return sum(each.descriptor.size for each in self.documents) + sum(blob.size for blob in self.blobs)


def tree(source: Source, digest: str) -> Tree:
    """Return everything that an image holds: of an index every platform, so that its digest stays the same."""
    documents: dict[str, Document] = {}
    blobs: dict[str, Descriptor] = {}

    def walk(at: str) -> None:
        found = source.document(at)
        for child in found.children:
            if child.digest not in documents:
                walk(child.digest)
        blobs.update({blob.digest: blob for blob in found.blobs})
        documents[at] = found

    walk(digest)
    return Tree(tuple(documents.values()), tuple(blobs.values()))


def digest_of(content: bytes) -> str:
    """Return the name of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def document(content: bytes, digest: str, refuse: Refuse, media_type: str = "") -> Document:
    """Return what a manifest's bytes say. Raises the place's error where they are not those of the digest."""
    found = digest_of(content)
    if found != digest:
        raise refuse(f"{digest} was asked for, and the content is {found}")
    try:
        said = json.loads(content)
        kind = said.get("mediaType") or media_type or (OCI_INDEX if "manifests" in said else OCI_MANIFEST)
        here = Descriptor(kind, digest, len(content))
        if kind in INDEXES:
            return Document(here, content, tuple(map(_descriptor, said["manifests"])), ())
        if kind in MANIFESTS:
            return Document(here, content, (), tuple(map(_descriptor, (said["config"], *said["layers"]))))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise refuse(f"{digest} is no image manifest") from None
    raise refuse(f"{digest} is of a kind that is not supported: {kind}")


def verified(chunks: Iterable[bytes], descriptor: Descriptor, refuse: Refuse) -> Iterator[bytes]:
    """Pass bytes on. Raises the place's error when they are more, fewer or others than the descriptor says."""
    seen, size = hashlib.sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if size > descriptor.size:
            raise refuse(f"{descriptor.digest} is longer than its {descriptor.size} bytes")
        seen.update(chunk)
        yield chunk
    found = f"sha256:{seen.hexdigest()}"
    if found != descriptor.digest:
        raise refuse(f"{descriptor.digest} was asked for, and the content is {found}")


def _descriptor(said: dict[str, Any]) -> Descriptor:
    digest, size = said["digest"], said["size"]
    if not (isinstance(digest, str) and DIGEST.fullmatch(digest) and isinstance(size, int) and size >= 0):
        raise ValueError(digest)
    return Descriptor(str(said.get("mediaType", "")), digest, size)

"""Files that a service mounts out of the image of another: where a host has them (docs/decisions/0012). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hedgerow.service_rows import FromImage, Service

FOLDER = "/var/lib/hedgerow/from-images"


def images(rows: Iterable[Service]) -> Iterator[str]:
    """Yield the keys of the images that these services run or take files out of."""
    kept = list(rows)
    yield from (row.image for row in kept)
    yield from (each.image for row in kept for each in row.from_images)


def mounts(row: Service, references: Mapping[str, str]) -> list[dict[str, str]]:
    """Return where a host has what a service takes out of images, and where the service sees it."""
    return [{"source": _place(each, references[each.image]), "target": each.target} for each in row.from_images]


def files(rows: Iterable[Service], references: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what a host is to have out of images for these services, each once."""
    wanted = dict.fromkeys(
        (references[each.image], each.path, each.unversioned) for row in rows for each in row.from_images
    )
    return [{"reference": reference, "path": path, "unversioned": plain} for reference, path, plain in wanted]


def _place(each: FromImage, reference: str) -> str:
    digest = reference.rpartition(":")[2]
    return f"{FOLDER}/{digest}{'/unversioned' if each.unversioned else ''}{each.path}"

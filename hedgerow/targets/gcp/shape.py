"""What Google shows, in the shape of what is wanted: the rest of a row is Google's own, or somebody else's. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

PREFIX = re.compile(r"^https://(www|compute)\.googleapis\.com/compute/v1/")
VERSION = re.compile(r"(/cryptoKeys/[^/]+)/cryptoKeyVersions/\d+$")


def linked(text: str) -> str:
    """Return a link as a path that begins with the project, and a key without the version that was used."""
    return VERSION.sub(r"\1", PREFIX.sub("", text))


def shaped(found: Any, wanted: Any) -> Any:
    """Return of `found` what `wanted` speaks of. What Google leaves out is the same as no, none and nothing."""
    if found is None and wanted in (False, "", 0):
        return wanted
    if isinstance(wanted, Mapping):
        held = found if isinstance(found, Mapping) else {}
        return {name: shaped(held.get(name), one) for name, one in wanted.items()}
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        rows = list(found or [])
        if len(rows) == len(wanted) and all(isinstance(one, Mapping) for one in wanted):
            return [shaped(row, one) for row, one in zip(rows, wanted, strict=True)]
        return [linked(row) if isinstance(row, str) else row for row in rows]
    return linked(found) if isinstance(found, str) else found

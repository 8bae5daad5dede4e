"""How rules read the plain values of a declaration: what is of a wrong type is not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hedgerow.declaration.words import Path, Wrong, shown


def at(value: Any, *path: str) -> Any:
    """Return what lies at a path of keys, None where nothing does."""
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def rows_of(value: Any, *path: str) -> list[tuple[Path, dict[str, Any]]]:
    """Return the mappings in a list, each with its path."""
    found = at(value, *path)
    if not isinstance(found, list):
        return []
    return [((*path, index), row) for index, row in enumerate(found) if isinstance(row, dict)]


def texts(value: Any) -> list[str]:
    """Return the texts in a list."""
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def twice(rows: list[tuple[Path, dict[str, Any]]], key: str, what: str) -> Iterator[Wrong]:
    """Report every row whose value another has already, at the second one."""
    seen: set[str] = set()
    for path, row in rows:
        text = row.get(key)
        if isinstance(text, str) and text.lower() in seen:
            yield Wrong((*path, key), f"{shown(text)} is {what} already", "Each is named once: correct or remove one.")
        elif isinstance(text, str):
            seen.add(text.lower())

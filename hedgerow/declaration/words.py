"""How values are refused, and how they are shown to the person who wrote them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
"""A place in a declaration: ("target", "hosts", 0, "address")."""

LONGEST_SHOWN = 60


class RefusedError(ValueError):
    """A value says something that cannot be, with the way to write it instead."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


@dataclass(frozen=True)
class Wrong:
    """One thing wrong at one path; `line` where that path alone would point to another place."""

    path: Path
    message: str
    fix: str
    line: int = 0


def shown(value: Any) -> str:
    """Return a value as a message may repeat it: short, on one line, and never key material."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    if "PRIVATE KEY" in text:
        return "(a private key, not repeated here)"
    if len(text) > LONGEST_SHOWN:
        text = text[: LONGEST_SHOWN - 3] + "..."
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) else text


def key_of(path: Path) -> str:
    """Write a path as people read it: target.hosts[0].address."""
    key = ""
    for part in path:
        key += f"[{part}]" if isinstance(part, int) else f".{part}"
    return key.removeprefix(".") or "(file)"


def one_of(words: Iterable[str]) -> str:
    """Join words as a sentence offers them: a, b or c."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def meant(word: str, known: Iterable[str]) -> str:
    """Return the known word that this one is most likely a slip of, or ""."""
    return next(iter(difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)), "")

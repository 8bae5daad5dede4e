"""The technical requirements that the Security Rule comes to for such a stack, as checks/requirements.yml has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parent.parent / "checks" / "requirements.yml"
KEYS = frozenset({"id", "title", "controls", "tests", "attested", "missing"})


@dataclass(frozen=True)
class Requirement:
    """One requirement, and what answers it.

    `controls` are ids of the catalog, `tests` files that prove what is an act of the installer's and no state of a
    host, `attested` paragraphs for which only the operator can speak. `missing` says what none of these answers, and
    why: "" where nothing is missing.
    """

    id: str
    title: str
    controls: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    attested: tuple[str, ...] = ()
    missing: str = ""

    @property
    def answer(self) -> str:
        """How far it is answered, in a word: answered, partly, attested (by the operator's word alone), missing."""
        if self.controls or self.tests:
            return "partly" if self.missing else "answered"
        return "attested" if self.attested else "missing"

    def as_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return {**asdict(self), "answer": self.answer}


@cache
def requirements() -> tuple[Requirement, ...]:
    """Return every requirement, in the order of the file."""
    return read(FILE.read_text(encoding="utf-8"))


def answered_by(control_id: str) -> tuple[Requirement, ...]:
    """Return the requirements that a control answers, whole or in part."""
    return tuple(each for each in requirements() if control_id in each.controls)


def read(text: str) -> tuple[Requirement, ...]:
    """Return the requirements that a text states. Raises ValueError, with every one that is not whole."""
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    rows = yaml.load(text, Loader=loader)  # noqa: S506 - a SafeLoader in both cases
    if wrong := list(_wrong(rows)):
        raise ValueError("; ".join(wrong))
    return tuple(
        Requirement(
            row["id"],
            row["title"],
            tuple(row.get("controls", ())),
            tuple(row.get("tests", ())),
            tuple(row.get("attested", ())),
            row.get("missing", ""),
        )
        for row in rows
    )


def _wrong(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with rows: a requirement that nothing is said about is a gap that nobody sees."""
    seen: set[str] = set()
    for row in rows:
        name = row.get("id", "?")
        if strange := row.keys() - KEYS:
            yield f"{name}: unknown {', '.join(sorted(strange))}"
        if name in seen:
            yield f"{name}: listed twice"
        if not row.get("title"):
            yield f"{name}: no title"
        if not any(row.get(key) for key in ("controls", "tests", "attested", "missing")):
            yield f"{name}: neither answered nor said why not"
        seen.add(name)

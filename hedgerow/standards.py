"""What the Security Rule asks (45 CFR 164.308, .310, .312, .314, .316) by paragraph, as checks/standards.yml has it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parent.parent / "checks" / "standards.yml"
KINDS = ("standard", "required", "addressable")
WAYS = ("controls", "attestation")


@dataclass(frozen=True)
class Standard:
    """One standard or implementation specification.

    `kind` is one of KINDS: the last two are specifications. `asks` is our paraphrase. `answered_by` lists out of WAYS
    what can answer it; where it has both, each answers a part. `by_agreement`: a declared business associate agreement
    is an attestation of it. The references are NIST's own crosswalk.
    """

    paragraph: str
    kind: str
    title: str
    asks: str
    answered_by: tuple[str, ...]
    by_agreement: bool = False
    nist_800_66r2: str = ""
    nist_800_53r5: tuple[str, ...] = ()

    @property
    def section(self) -> str:
        """The section of the rule: 164.308."""
        return self.paragraph.partition("(")[0]


@cache
def standards() -> tuple[Standard, ...]:
    """Return every standard and specification, in the order of the rule."""
    return read(FILE.read_text(encoding="utf-8"))


@cache
def paragraphs() -> frozenset[str]:
    """Return the paragraphs that a control or an attestation may name."""
    return frozenset(standard.paragraph for standard in standards())


def read(text: str) -> tuple[Standard, ...]:
    """Return the standards that a text states. Raises ValueError, naming the paragraph, where one is not whole."""
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    rows = yaml.load(text, Loader=loader)["standards"]  # noqa: S506 - a SafeLoader in both cases
    found = tuple(_standard(row) for row in rows)
    twice = sorted({each.paragraph for each in found if [one.paragraph for one in found].count(each.paragraph) > 1})
    if twice:
        raise ValueError(f"listed twice: {', '.join(twice)}")
    return found


def _standard(row: dict[str, Any]) -> Standard:
    ways = tuple(row["answered_by"])
    if row["kind"] not in KINDS or not ways or not set(ways) <= set(WAYS):
        raise ValueError(f"{row['paragraph']}: kind is one of {KINDS}, answered_by lists out of {WAYS}")
    return Standard(
        paragraph=row["paragraph"],
        kind=row["kind"],
        title=row["title"],
        asks=row["asks"],
        answered_by=ways,
        by_agreement=row.get("agreements", False),
        nist_800_66r2=row.get("nist_800_66r2", ""),
        nist_800_53r5=tuple(row.get("nist_800_53r5", ())),
    )

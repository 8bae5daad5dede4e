"""Profiles, as checks/profiles.yml has them: by which of the controls a deployment is judged, and by which numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from hedgerow.catalog import Catalog

FILE = Path(__file__).resolve().parent.parent / "checks" / "profiles.yml"
DEFAULT = "hipaa"
KEYS = frozenset({"name", "title", "controls", "also", "demands", "password_length"})
PASSWORD_LENGTH = 14


@dataclass(frozen=True)
class Profile:
    """One profile. `controls` is None where it holds all; `demands` are keys of deploy.yml it needs, with why.

    `password_length` is the least number of characters of a password on a host.
    """

    name: str
    title: str
    controls: frozenset[str] | None
    demands: Mapping[str, str] = field(default_factory=dict)
    password_length: int = PASSWORD_LENGTH

    def outside(self, catalog: Catalog) -> dict[str, str]:
        """Return the controls that are not asked under this profile, each with the reason as a finding says it.

        One that no reason excuses is part of every profile: else a profile would be the waiver that it forbids.
        """
        if self.controls is None:
            return {}
        inside = self.controls | catalog.never_waived.keys()
        reason = f"outside of the profile {self.name}: not asked"
        return {control.id: reason for control in catalog.controls if control.id not in inside}


@cache
def profiles() -> dict[str, Profile]:
    """Return every profile by its name."""
    return {each.name: each for each in read(FILE.read_text(encoding="utf-8"))}


def profile(name: str) -> Profile:
    """Return one profile. Raises KeyError; a declaration names only those that there are."""
    return profiles()[name]


def read(text: str) -> tuple[Profile, ...]:
    """Return the profiles that a text states. Raises ValueError for one that is not whole."""
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: dict[str, Profile] = {}
    for row in yaml.load(text, Loader=loader):  # noqa: S506 - a SafeLoader in both cases
        found[row["name"]] = _profile(row, found)
    return tuple(found.values())


def _profile(row: dict[str, Any], before: Mapping[str, Profile]) -> Profile:
    if strange := row.keys() - KEYS:
        raise ValueError(f"{row['name']}: unknown {', '.join(sorted(strange))}")
    if row["name"] in before:
        raise ValueError(f"{row['name']}: listed twice")
    return Profile(
        name=row["name"],
        title=row["title"],
        controls=None if row["controls"] == "all" else frozenset((*row["controls"], *_part(row, before))),
        demands=row.get("demands", {}),
        password_length=row.get("password_length", PASSWORD_LENGTH),
    )


def _part(row: dict[str, Any], before: Mapping[str, Profile]) -> Collection[str]:
    if "also" not in row:
        return ()
    if row["also"] not in before:
        raise ValueError(f"{row['name']}: {row['also']} does not stand above it")
    part = before[row["also"]].controls
    if part is None:
        raise ValueError(f"{row['name']}: {row['also']} holds all controls, so this one would too")
    return part

"""The releases of PostHog that are carried: a folder each, with its table of services and where that was read.

Upstream publishes no releases. Each of ours is a commit of upstream's, named for its month (and .2, .3 where a month
has several). A release and a lock of its images say together what runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from hedgerow.errors import CallError

FOLDER = Path(__file__).with_name("releases")
FIRST = "2026-11"
"""What a deployment or an image lock is of that names no release: it is older than the names."""
NAME = re.compile(r"\d{4}-\d{2}(\.[1-9]\d*)?")


@dataclass(frozen=True)
class Release:
    """One release: its name, upstream's commit and the day on which it was read, and its table of services."""

    name: str
    upstream: str
    read: str
    table: Path


def names(folder: Path | None = None) -> tuple[str, ...]:
    """Return the names of all releases, the oldest first."""
    found = [path.parent.name for path in (folder or FOLDER).glob("*/services.yml")]
    return tuple(sorted((name for name in found if NAME.fullmatch(name)), key=age))


def find(name: str | None = None, folder: Path | None = None) -> Release:
    """Return a release, by default the newest. Raises CallError, with the list, where there is none of that name."""
    carried = names(folder)
    if name is not None and name not in carried:
        raise CallError(f'there is no release "{name}"', listed(carried))
    place = (folder or FOLDER) / (name or carried[-1])
    facts = yaml.safe_load((place / "release.yml").read_text(encoding="utf-8"))
    return Release(place.name, str(facts["upstream"]), str(facts["read"]), place / "services.yml")


def listed(carried: Sequence[str]) -> str:
    """Say which releases there are."""
    return f"There are: {', '.join(carried)}. Without the key it is the newest."


def age(name: str) -> tuple[int, ...]:
    """Return what releases are ordered by."""
    return tuple(map(int, re.split(r"[-.]", name)))

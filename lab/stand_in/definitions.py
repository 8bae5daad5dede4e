"""Which events, properties and people rows of the event log tell of (rust/property-defs-rs/src/types.rs). Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

LONGEST_NAME = 400
MOST_PROPERTIES = 10000  # of one event; upstream skips it then (UPDATE_COUNT_SKIP_THRESHOLD)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?")


@dataclass
class Definitions:
    """What was seen: events as project and name, properties the same with their type."""

    events: set[tuple[int, str]] = field(default_factory=set)
    properties: dict[tuple[int, str], str | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.events or self.properties)


def seen_in(values: Iterable[bytes | None]) -> Definitions:
    """Return what these messages tell of; what is no row is passed over."""
    found = Definitions()
    for value in values:
        try:
            row = json.loads(value or b"")
            team, name, properties = int(row["team_id"]), str(row["event"]), json.loads(row["properties"])
        except (ValueError, KeyError, TypeError):
            continue
        if not isinstance(properties, dict) or len(properties) > MOST_PROPERTIES or _too_long(name):
            continue
        found.events.add((team, name))
        for key, said in properties.items():
            if not _too_long(key) and found.properties.get((team, key)) is None:
                found.properties[team, key] = kind_of(said)
    return found


def people_in(rows: list[tuple[str, dict[str, Any]]]) -> list[tuple[int, str, dict[str, Any]]]:
    """Return the people of rows, each once: project, distinct id, and what events set of her."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for _, each in rows:
        wanted = json.loads(each["properties"]).get("$set")
        found.setdefault((each["team_id"], each["distinct_id"]), {}).update(wanted if isinstance(wanted, dict) else {})
    return [(*who, properties) for who, properties in found.items()]


def kind_of(value: object) -> str | None:
    """Return upstream's name for a value's type (PropertyType); None where there is none yet."""
    if isinstance(value, bool) or value in ("true", "false"):
        return "Boolean"
    if isinstance(value, int | float):
        return "Numeric"
    if isinstance(value, str):
        return "DateTime" if DAY.fullmatch(value) else "String"
    return None


def _too_long(name: str) -> bool:
    return len(name) > LONGEST_NAME or "\0" in name

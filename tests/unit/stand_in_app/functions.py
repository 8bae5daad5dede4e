"""The table of destinations and transformations, in memory, with the interface of the stand-in's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Row = dict[str, Any]
BEGAN = datetime(2026, 11, 25, tzinfo=UTC)
EMPTY: Row = {
    "name": "", "description": "", "type": "", "template_id": None, "hog": "", "enabled": False, "deleted": False,
    "inputs": None, "filters": None, "execution_order": None,
}  # fmt: skip


class Functions:
    """Rows by their id; each is made a second after the one before."""

    def __init__(self) -> None:
        self.kept: dict[str, Row] = {}

    def functions(self, team: int) -> list[Row]:
        return [dict(row) for row in self.kept.values() if row["team_id"] == team and not row["deleted"]]

    def function(self, team: int, which: str) -> Row | None:
        return next((row for row in self.functions(team) if row["id"] == which), None)

    def add_function(self, team: int, values: Mapping[str, Any]) -> str:
        name = f"f{len(self.kept) + 1}"
        made = {"id": name, "team_id": team, "created_at": BEGAN + timedelta(seconds=len(self.kept))}
        self.kept[name] = {**EMPTY, **made, **values}
        return name

    def change_function(self, team: int, which: str, values: Mapping[str, Any]) -> None:
        assert self.kept[which]["team_id"] == team
        self.kept[which].update(values)

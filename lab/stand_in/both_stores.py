"""PostgreSQL and the analytics store in one: events and recordings are where upstream has them."""

from __future__ import annotations

from datetime import datetime

from stand_in.analytics import Analytics
from stand_in.records import Row, Wanted
from stand_in.settings import Settings
from stand_in.store import Store


class StoreWithAnalytics(Store):
    """The tables, with events and recordings in the analytics store."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.analytics = Analytics(settings)

    def prepare(self) -> None:
        """Make the tables that are missing, in both."""
        super().prepare()
        self.analytics.prepare()

    def events(self, team: int, wanted: Wanted) -> list[Row]:
        """Return a project's events, the newest first."""
        return self.analytics.events(team, wanted)

    def recording(self, team: int, session: str) -> Row | None:
        """Return what is known of a recorded session."""
        blocks = self.analytics.blocks(team, session)
        if not blocks:
            return None
        begins, ends = (
            datetime.fromisoformat(blocks[at][f"{name}_timestamp"]) for at, name in ((0, "first"), (-1, "last"))
        )
        return {"distinct_id": blocks[0]["distinct_id"], "start_time": begins, "end_time": ends}

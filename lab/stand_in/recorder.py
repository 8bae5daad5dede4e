"""Moves recordings on, in upstream's order: the object is stored, its rows are in the log, then it
counts as read.

Whatever stops in between is done again, and a block is there twice rather than not at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from stand_in.blocks import batch, key_of
from stand_in.event_log import Outgoing
from stand_in.objects import Objects

ROWS = "clickhouse_session_replay_events"


class Recorder:
    """Moves what was read on."""

    def __init__(self, objects: Objects, log: Outgoing) -> None:
        self.objects, self.log = objects, log

    def keep(self, values: Sequence[bytes | None], teams: Mapping[str, int]) -> None:
        """Store messages, then tell of them. Raises ObjectsError, LogError: then nothing of it counts as read."""
        where = self.objects.where
        made = batch(values, teams, where.bucket, key_of(where.prefix, datetime.now(UTC), secrets.token_hex(8)))
        if made.rows:
            self.objects.put(made.key, made.body)
            self.log.put(ROWS, made.rows)

"""Days, times of day and moments. Each function returns the value or raises RefusedError."""

from __future__ import annotations

import datetime
import re

from hedgerow.declaration.words import RefusedError, shown


def day(text: str) -> datetime.date:
    """Read a date in the one order that nobody misreads (ISO 8601)."""
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return datetime.date.fromisoformat(text)
    except ValueError:
        pass
    raise RefusedError(f"{shown(text)} is no date", "Write year-month-day: 2026-02-28.")


def clock(text: str) -> str:
    """Read a time of day on the host, which keeps UTC."""
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise RefusedError(f"{shown(text)} is no time of day", 'Write hours and minutes, UTC: "03:30".')
    return text


def moment(text: str) -> datetime.datetime:
    """Read a moment that says its zone; without one nobody knows which it is."""
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise RefusedError(f"{shown(text)} is no moment", "Write day, time and Z for UTC: 2026-02-28T14:30:00Z.")
    return found

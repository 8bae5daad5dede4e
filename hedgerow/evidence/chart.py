"""What did not hold, run by run, as the numbers a drawing needs. What passes is no news, and would hide one failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hedgerow.evidence import Past

STACKED = ("fail", "error", "waived")
WIDTH, HEIGHT = 600, 96
GAP = 0.25
"""Of a run's share of the width, between its bar and the next."""


@dataclass(frozen=True)
class Bar:
    """One run: its parts from below upwards, each a status with its number, top and height."""

    started: str
    x: float
    width: float
    parts: tuple[tuple[str, int, float, float], ...]
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Chart:
    """The runs, the oldest first, and the number that the highest bar stands for; 0 where nothing ever failed."""

    bars: tuple[Bar, ...]
    highest: int


def chart(runs: Sequence[Past]) -> Chart:
    """Return the drawing of these runs."""
    highest = max((sum(run.summary.get(status, 0) for status in STACKED) for run in runs), default=0)
    share = WIDTH / max(len(runs), 12)
    bars = tuple(
        Bar(
            run.started,
            round(number * share, 1),
            round(share * (1 - GAP), 1),
            _parts(run.summary, highest),
            {status: run.summary.get(status, 0) for status in (*STACKED, "pass")},
        )
        for number, run in enumerate(runs)
    )
    return Chart(bars, highest)


def _parts(summary: Mapping[str, int], highest: int) -> tuple[tuple[str, int, float, float], ...]:
    parts, top = [], float(HEIGHT)
    for status in STACKED:
        count = summary.get(status, 0)
        height = round(count / highest * HEIGHT, 1) if count else 0.0
        top = round(top - height, 1)
        if count:
            parts.append((status, count, top, height))
    return tuple(parts)

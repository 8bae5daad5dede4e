"""Evidence as one self-contained HTML page: no server, no network, readable on a screen, a phone and paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hedgerow.drift import KINDS
from hedgerow.evidence import NOT_A_CERTIFICATE, STAND_IN_NOTICE, Accepted, Evidence, Past
from hedgerow.evidence.cards import ORDER, Card, cards
from hedgerow.evidence.chart import HEIGHT, WIDTH, chart
from hedgerow.evidence.network import BOX_HEIGHT, BOX_WIDTH, COLUMNS, GAP, picture
from hedgerow.findings import summary

WORDS = {
    "fail": ("fails", "fail"),
    "error": ("could not be asked", "could not be asked"),
    "waived": ("waived", "waived"),
    "not-exercised": ("not exercised here", "not exercised here"),
    "attested": ("attested", "attested"),
    "pass": ("holds", "hold"),
}
MOST_CHANGES = 100
"""Changes of one kind that the page lists: after an upgrade of many hosts there are thousands."""


@dataclass(frozen=True)
class Standing:
    """A waiver with what it means on the day of the run: how many findings it excuses, and the days it has left."""

    waiver: Accepted
    excuses: int
    days: int


def render(evidence: Evidence) -> str:
    """Return the page, the same bytes for the same evidence."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    every = cards(evidence)
    counts = summary(evidence.findings)
    now = Past(evidence.started, counts)
    return environment.get_template("report.html.j2").render(
        evidence=evidence,
        verdict=verdict(counts),
        counts=[(status, counts[status], WORDS[status][counts[status] != 1]) for status in ORDER],
        urgent=_by_status(every, ("fail", "error")),
        sections=[(status, _by_status(every, (status,))) for status in ORDER],
        paragraphs=paragraphs(every),
        waivers=[_standing(evidence, waiver) for waiver in evidence.waivers],
        known={card.control for card in every},
        kinds=KINDS,
        most=MOST_CHANGES,
        chart=chart([*evidence.past, now]),
        map=picture(evidence.network, evidence.findings) if evidence.network else None,
        columns=COLUMNS,
        box=(BOX_WIDTH, BOX_HEIGHT, BOX_WIDTH + GAP),
        width=WIDTH,
        height=HEIGHT,
        words=WORDS,
        stand_in_notice=STAND_IN_NOTICE,
        not_a_certificate=NOT_A_CERTIFICATE,
    )


def verdict(counts: dict[str, int]) -> tuple[str, str]:
    """Return the status that decides, and one sentence a security lead can act on."""
    if counts["fail"]:
        return "fail", f"{counts['fail']} finding{'s' * (counts['fail'] != 1)} failed. Read these first."
    if counts["error"]:
        return (
            "error",
            f"{counts['error']} question{'s' * (counts['error'] != 1)} could not be asked: nothing is known there.",
        )
    if not counts["pass"]:
        return "error", "No control was seen to hold."
    if counts["waived"]:
        return "waived", f"Every control that could be exercised holds, but for {counts['waived']} waived."
    return "pass", "Every control that could be exercised holds."


def paragraphs(every: Sequence[Card]) -> list[tuple[str, str, list[Card]]]:
    """Return each HIPAA paragraph with its worst status and its controls, in the order of the rule."""
    found: dict[str, list[Card]] = {}
    for card in every:
        for paragraph in card.hipaa:
            found.setdefault(paragraph, []).append(card)
    return [(name, min((c.status for c in rows), key=ORDER.index), rows) for name, rows in sorted(found.items())]


def _by_status(every: Sequence[Card], statuses: Sequence[str]) -> list[Card]:
    return sorted((card for card in every if card.status in statuses), key=lambda card: ORDER.index(card.status))


def _standing(evidence: Evidence, waiver: Accepted) -> Standing:
    days = (date.fromisoformat(waiver.until) - date.fromisoformat(evidence.started[:10])).days
    return Standing(waiver, evidence.waived(waiver), days)

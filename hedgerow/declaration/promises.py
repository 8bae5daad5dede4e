"""Rules about what people have put their name to: agreements, attestations, waivers."""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from hedgerow.declaration.lookups import rows_of, twice
from hedgerow.declaration.words import Wrong, meant, shown

ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def waivers_differ(value: dict[str, Any]) -> Iterator[Wrong]:
    """A control is waived once, so that one reason and one end count."""
    yield from twice(rows_of(value, "waivers"), "control", "waived above")


def attestations_differ(value: dict[str, Any]) -> Iterator[Wrong]:
    """A paragraph is attested once, so that one name and one date count."""
    yield from twice(rows_of(value, "attestations"), "paragraph", "attested above")


def signed_in_the_past(value: dict[str, Any], today: datetime.date) -> Iterator[Wrong]:
    """An agreement is one that was signed."""
    yield from _in_the_past(value, "agreements", "signed", today, "Write the day on which it was signed.")


def attested_in_the_past(value: dict[str, Any], today: datetime.date) -> Iterator[Wrong]:
    """Nobody's word is good for a day that has not come."""
    yield from _in_the_past(value, "attestations", "date", today, "Write the day on which the person said so.")


def _in_the_past(value: dict[str, Any], rows: str, key: str, today: datetime.date, fix: str) -> Iterator[Wrong]:
    for path, row in rows_of(value, rows):
        day = row.get(key)  # ISO dates sort as text; what is no date is reported by its own field
        if isinstance(day, str) and day > today.isoformat():
            yield Wrong((*path, key), f"{day} has not come yet", fix)


def sealed_in_the_past(value: dict[str, Any], now: datetime.datetime) -> Iterator[Wrong]:
    """A use before the key was sealed is no alarm, so a moment that has not come would silence all of them."""
    for path, row in rows_of(value, "access", "administrators"):
        try:
            sealed = datetime.datetime.fromisoformat(row.get("sealed"))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue  # what is no moment is reported by its own field
        if sealed.tzinfo is not None and sealed > now:
            yield Wrong((*path, "sealed"), f"{row['sealed']} has not come yet", "Write when the key was sealed.")


def waived_controls_exist(value: dict[str, Any], known: Collection[str]) -> Iterator[Wrong]:
    """A waiver for a control that is not there would wait for nothing."""
    for path, row in rows_of(value, "waivers"):
        name = row.get("control")
        if isinstance(name, str) and "." in name and name not in known:
            guess = meant(name, known)
            fix = f"Did you mean {guess}?" if guess else "The ids are in checks/controls.yml."
            yield Wrong((*path, "control"), f"there is no control {shown(name)}", fix)


def waivers_have_not_ended(value: dict[str, Any], today: datetime.date) -> Iterator[Wrong]:
    """A waiver that is over is decided anew by a person, or goes."""
    for path, row in rows_of(value, "waivers"):
        until = row.get("until")
        if isinstance(until, str) and ISO_DAY.fullmatch(until) and until < today.isoformat():
            fix = "Mend what it excused and remove it, or have whoever accepts it write a new day."
            yield Wrong((*path, "until"), f"this waiver ended on {until}", fix)


def waived_controls_may_be(value: dict[str, Any], never: Mapping[str, str]) -> Iterator[Wrong]:
    """Some controls are not for anybody to accept the failure of; the catalog says which, and why."""
    for path, row in rows_of(value, "waivers"):
        name = row.get("control")
        if isinstance(name, str) and name in never:
            yield Wrong((*path, "control"), f"{name} cannot be waived", f"{never[name]} Remove this waiver.")

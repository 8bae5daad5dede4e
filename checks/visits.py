"""Fixtures of the edge's checks: who looks at it, and what it answered; each request is made once in a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checks.door import SECONDS, Door
from checks.nftables import within
from hedgerow.checking import CouldNotAsk, NotExercised
from hedgerow.outside import KNOCK_SECONDS, OPEN


class Visits:
    """Requests made from one address, each once in a run."""

    def __init__(self, door: Door, source: str) -> None:
        self.door = door
        self.source = source
        self._made: dict[str, object] = {}

    def showing(self, caller_file: str) -> Visits:
        """Return visits from the same address, with another client certificate, or with none ("")."""
        return Visits(replace(self.door, caller_file=caller_file), self.source)

    def ask(self, finding, request, *, plain=False):
        """Return the reply to a request and record the question. Raises CouldNotAsk where nobody answers the door."""
        asked = f"{'http' if plain else 'https'} {request} from {self.source}"
        finding.asked(asked)
        if asked not in self._made:
            way = self.door.ask_plainly if plain else self.door.ask
            try:
                self._made[asked] = way(request, self.source)
            except OSError as reason:
                raise CouldNotAsk(f"{asked}: {reason}") from reason
        return self._made[asked]


@pytest.fixture(scope="session")
def door(sheet, outside):
    return Door.of(sheet, outside)


@pytest.fixture(scope="session")
def visits(door, declared, outside):
    """Return visits from the controller. Raises NotExercised where the declaration lets it nowhere."""
    if not within(outside.controller, (*declared.interface_from, *declared.ingest_from)):
        raise NotExercised(f"this controller ({outside.controller}) is on neither allow-list of the edge")
    return Visits(door, outside.controller)


@pytest.fixture(scope="session")
def stranger(door, declared, outside):
    """Return visits from an address that is on no list, or None where not even a connection is to be had from it.

    Where the declaration lets everybody in to send events, a slow answer is waited for.
    """
    address = outside.as_stranger()
    let_in = within(address, (*declared.interface_from, *declared.ingest_from))
    seen = outside.knock_all({address: [443], outside.controller: [443]}, SECONDS if let_in else KNOCK_SECONDS)
    if seen[address][443] != OPEN and seen[outside.controller][443] != OPEN:
        raise CouldNotAsk("port 443 answers neither us nor a stranger")
    return Visits(door, address) if seen[address][443] == OPEN else None

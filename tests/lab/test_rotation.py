"""Every secret and certificate replaced while events come in: what was acknowledged is found."""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from hedgerow import proof, rotation
from hedgerow.secrets import Vault
from hedgerow.smoke import steps
from hedgerow.smoke.client import Client, RefusedError
from hedgerow.smoke.steps import Journey
from tests.conftest import Lab

pytestmark = [pytest.mark.lab, pytest.mark.long]


MOST = 1000  # as many as the API gives at once


@dataclass
class Sender:
    """Sends an event at a time until it is told to stop; `kept` are those that were acknowledged."""

    client: Client
    token: str
    name: str
    kept: list[str] = field(default_factory=list)
    refused: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stop.is_set():
            mark = str(uuid.uuid4())
            event = {
                "uuid": mark,
                "event": self.name,
                "distinct_id": "rotation",
                "timestamp": datetime.now(UTC).isoformat(),
                "properties": {"hedgerow_smoke": mark},
            }
            try:
                answer = self.client.ask("POST", "/batch/", {"api_key": self.token, "batch": [event]}, seconds=10)
            except RefusedError:
                self.refused += 1
            else:
                self.kept += [mark] * (answer.status == 200)
                self.refused += answer.status != 200
            time.sleep(0.2)


def test_nothing_acknowledged_is_lost_while_everything_is_rotated(lab: Lab) -> None:
    sheet = proof.smoke_sheet(lab.work, lab.site)
    trip = Journey(sheet, steps.journey(sheet, "rotation").client, f"rotation{time.time():.0f}")
    page, _ = steps.page(trip)
    session, _ = steps.sign_in(trip, page)
    project, _ = steps.project(trip, session)
    vault = Vault.of(lab.deployment)
    before = vault.read(lab.deployment.secrets)
    sender = Sender(trip.alone(), project.token, trip.name)
    thread = threading.Thread(target=sender.run)
    thread.start()
    try:
        answer = lab.installer("rotate", lab.name, "all", "--json")
    finally:
        sender.stop.set()
        thread.join()
    assert answer.code == 0, answer.out[-3000:] + answer.err[-3000:]
    after = vault.read(lab.deployment.secrets)
    for name in rotation.names(before):
        same = value(before, name) == value(after, name)
        assert same is bool(rotation.why_kept(name)), name
    print(f"{len(sender.kept)} events acknowledged meanwhile, {sender.refused} refused")
    assert 30 < len(sender.kept) < MOST, f"hardly anything was taken, and {sender.refused} refused"

    # The session ended with the key that signed it.
    again = Journey(sheet, steps.journey(sheet, "after").client, trip.name)
    session, _ = steps.sign_in(again, steps.page(again)[0])
    key, _ = steps.make_key(again, steps.project(again, session)[0])
    try:
        asked = f"events/?{urlencode({'event': trip.name, 'distinct_id': 'rotation', 'limit': MOST})}"
        steps.patiently(again, key, asked, lambda rows: lost(sender, rows))
    finally:
        steps.drop_key(again, key)
    repeated = lab.installer("install", lab.name, "--json", "--yes")
    assert repeated.json["hosts"]["hedge-1"]["changed"] == 0, "a second run changes nothing"


def lost(sender: Sender, rows: list[dict[str, object]]) -> str:
    """Say what was acknowledged and is not there; one whose acknowledgement was lost may be there as well."""
    gone = {*sender.kept} - {row["id"] for row in rows}
    return f"{len(gone)} of {len(sender.kept)} acknowledged events are lost" if gone else ""


def value(tree: dict[str, object], name: str) -> object:
    found: object = tree
    for part in name.split("."):
        assert isinstance(found, dict)
        found = found[part]
    return found

"""No room for events: refused at the edge before anything is lost, and taken again once there is room."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from hedgerow import proof
from hedgerow.smoke import steps
from hedgerow.smoke.client import Answer, Client
from hedgerow.smoke.steps import Journey
from tests.conftest import Lab

pytestmark = pytest.mark.lab

SECONDS = 30
# A disk far smaller than the reserve, where one of the watched paths is; what journald has open stays below it.
FILL = "mount -t tmpfs -o size=32m,mode=2750,gid=$(getent group systemd-journal | cut -d: -f3) tmpfs /var/log/journal"
FREE = "umount /var/log/journal"


@pytest.fixture
def full(lab: Lab) -> Iterator[None]:
    """Have no room, and room again however the test ends."""
    yield
    lab.run(lab.host, f"while mountpoint -q /var/log/journal; do {FREE} -l; done")


def event(client: Client, path: str = "/batch/") -> Answer:
    return client.ask("POST", path, {})


def until(client: Client, refused: bool) -> float:
    """Wait until events are refused, or no longer; return the seconds it took."""
    started = time.monotonic()
    while (event(client).status == 503) is not refused:
        assert time.monotonic() - started < SECONDS, f"still {'accepted' if refused else 'refused'}"
        time.sleep(0.5)
    return time.monotonic() - started


def test_events_are_refused_before_the_disk_is_full(lab: Lab, full: None) -> None:
    sheet = proof.smoke_sheet(lab.work, lab.site)
    client = steps.journey(sheet, "full").client
    trip = Journey(sheet, client, f"full{time.time():.0f}")
    page, _ = steps.page(trip)
    session, _ = steps.sign_in(trip, page)
    project, _ = steps.project(trip, session)
    key, _ = steps.make_key(trip, project)
    try:
        kept, _ = steps.send(trip, project)

        assert lab.run(lab.host, FILL).returncode == 0
        until(trip.alone(), refused=True)
        for path in ("/batch/", "/e/", "/i/v0/e/", "/s/"):
            answer = event(trip.alone(), path)
            assert (answer.status, answer.headers.get("retry-after")) == (503, "60"), path
            assert "strict-transport-security" in answer.headers, "the headers of every answer, also of this one"
        # Whoever looks is served as ever, what was acknowledged before is there, and flags are answered.
        assert steps.page(trip)[0].status == 200
        steps.read_back(trip, key, kept)
        assert event(trip.alone(), "/flags/").status != 503
        # A converge in the meantime changes nothing, and lets nothing through.
        converged = lab.converge(tags=["edge"]).raise_for_failure()
        assert [change.task for change in converged.changes] == []
        assert event(trip.alone()).status == 503
        told = lab.installer("status", lab.name, "--json")
        assert told.code == 1, "something is not well"
        seen = told.json["hosts"][0]
        assert seen["refusing_events"] is True
        assert seen["days_left"] == 0
        assert [one["what"] for one in seen["unwell"]] == ["disk"]
        assert [found.status for found in lab.verify(["edge.back-pressure"])] == ["pass"]

        assert lab.run(lab.host, FREE).returncode == 0
        until(trip.alone(), refused=False)
        later = replace(trip, name=f"{trip.name}-later")
        again, _ = steps.send(later, project)
        steps.read_back(later, key, again)
    finally:
        steps.drop_key(trip, key)
    said = lab.run(lab.host, "journalctl -q -o cat -u hedgerow-pressure.service --since=-5min").stdout
    assert "events are refused" in said
    assert "events are accepted again" in said

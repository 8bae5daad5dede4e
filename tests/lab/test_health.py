"""A host that is not well says so, once it is sure, and says when it is over; and silence is noticed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hedgerow import proof
from hedgerow.smoke import steady
from tests.conftest import Lab
from tests.lab.receiver import ADDRESS, receiving

pytestmark = pytest.mark.lab
CONTROLS = ["alerts.watching", "alerts.delivered"]
CHANNELS = "/etc/hedgerow/health/channels.json"
LOOK = "systemctl start hedgerow-health.service && systemctl start hedgerow-alerts.service"
SECRET = "patient-4711"
UNIT = "probe-of-the-tests.service"
# The unit is to fail, and systemd-run, which waits for it, says so.
FAIL = f"systemd-run --quiet --wait --unit={UNIT} sh -c 'echo {SECRET}; exit 3' || true"
OVER = f"systemctl reset-failed {UNIT}"


@pytest.fixture
def told(lab: Lab) -> Iterator[Lab]:
    """The shared host, which tells the tests' own receiver; as declared again in the end."""
    setting = json.dumps({"webhook": {"url": f"https://{ADDRESS}/hook"}})
    try:
        done = lab.run(lab.host, f"systemctl stop hedgerow-health.timer; echo '{setting}' >{CHANNELS}")
        assert done.returncode == 0, done.stderr
        yield lab
    finally:
        lab.run(lab.host, OVER)
        lab.converge(tags=CONTROLS).raise_for_failure()
    assert [found.control for found in lab.verify(CONTROLS) if found.status in ("fail", "error")] == []


def look(lab: Lab) -> None:
    done = lab.run(lab.host, LOOK)
    assert done.returncode == 0, done.stderr


def test_what_begins_and_ends_is_told_and_what_nobody_takes_is_seen(told: Lab, tmp_path: Path) -> None:
    with receiving(told.deployment, tmp_path, 443) as came:
        look(told)
        assert [one["kind"] for body in came for one in body["alerts"]] == ["test"], came
        told.run(told.host, FAIL)
        look(told)
        assert len(came) == 1, "one look is no alarm"
        look(told)
        told.run(told.host, OVER)
        look(told)
    sent = [(one["kind"], one["what"], one["text"]) for body in came[1:] for one in body["alerts"]]
    assert sent == [("begins", UNIT, "it has failed (exit-code)"), ("ends", UNIT, "it is well again")]
    assert {(body["deployment"], body["host"]) for body in came} == {(told.name, told.host.name)}
    assert SECRET not in json.dumps(came), "words of a log left the host"

    told.run(told.host, FAIL)
    look(told)
    look(told)
    answer = told.installer("status", told.name, "--json")
    unwell = {one["what"]: one["reason"] for one in answer.json["hosts"][0]["unwell"]}
    assert answer.code == 1
    assert SECRET in unwell[UNIT], "an operator sees what it said"
    assert "1 alerts wait" in unwell["alerts by webhook"]


def test_events_that_wait_for_too_long_to_be_stored_are_told(told: Lab, tmp_path: Path) -> None:
    """Two seconds are too long here, so that nobody waits for ten minutes; who stores events is stopped."""
    asked, unit = "/etc/hedgerow/health/question.json", "hedgerow-ingestion-general.service"
    route = steady.route(proof.smoke_sheet(told.work, told.site))
    before = told.installer("status", told.name, "--json").json["hosts"][0]
    assert before["events_waiting"] is not None, "the event log could not be asked"
    with receiving(told.deployment, tmp_path, 443) as came:
        told.run(told.host, f'sed -i \'s/"seconds": 600/"seconds": 2/\' {asked}; systemctl stop {unit}')
        try:
            sending = steady.Steady(route)
            time.sleep(5)
            sending.stop()
            time.sleep(5)
            look(told)
            look(told)
            waiting = told.installer("status", told.name, "--json").json["hosts"][0]["events_waiting"]
            assert waiting >= sending.tally.sent > 0
        finally:
            told.run(told.host, f"systemctl start {unit}")
        for _ in range(20):
            time.sleep(3)
            look(told)
            kinds = {one["what"]: one["kind"] for body in came for one in body["alerts"]}
            if kinds.get("ingestion") == "ends":
                break
    sent = [(one["kind"], one["text"]) for body in came for one in body["alerts"] if one["what"] == "ingestion"]
    assert [kind for kind, _ in sent] == ["begins", "ends"], came
    assert "events wait for ingestion-general since more than" in sent[0][1]
    assert route.token not in json.dumps(came)

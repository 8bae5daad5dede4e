"""A host that is not well says so, once it is sure, and says when it is over; and silence is noticed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

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

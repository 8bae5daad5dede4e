"""The smoke test's own recording: sent, found, played, and each way in which that can fail told apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from hedgerow import smoke
from hedgerow.smoke import recording
from hedgerow.smoke.client import Answer, Client
from hedgerow.smoke.steps import Journey, Key, NotTriedError, Project, StepFailedError

PROJECT, KEY = Project(7, "phc_a"), Key("k", 7, "phx_k")
SERVICES = ("replay-capture", "ingestion-sessionreplay", "recording-api")


class Deployment:
    """Takes a recording in and gives it out again; `wrong` says what it does otherwise."""

    def __init__(self, **wrong: Any) -> None:
        self.wrong = wrong
        self.lines: list[str] = []
        self.asked = 0

    def ask(self, method: str, path: str, value: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        bare, _, query = path.partition("?")
        if (method, bare) == ("GET", "/api/projects/7/"):
            return self._answer({"session_recording_opt_in": self.wrong.get("opted_in", True)})
        if (method, bare) == ("POST", "/s/"):
            (event,) = value
            self.lines = [json.dumps(["w", item]) for item in event["properties"]["$snapshot_data"]]
            return Answer(self.wrong.get("taken", 200), {}, b"", "")
        assert bare.startswith("/api/projects/7/session_recordings/")
        assert bare.endswith("/snapshots/")
        assert (headers or {})["Authorization"] == "Bearer phx_k"
        self.asked += 1
        if "source=" in query:
            lines = self.wrong.get("lines", self.lines)
            return Answer(self.wrong.get("played", 200), {}, "\n".join(lines).encode(), "")
        known = self.asked > self.wrong.get("later", 0)
        return self._answer({"sources": [{"source": "blob_v2", "blob_key": "0"}] if known else []})

    def _answer(self, value: object) -> Answer:
        return Answer(200, {}, json.dumps(value).encode(), "")


def take(monkeypatch: pytest.MonkeyPatch, **wrong: Any) -> str:
    deployment = Deployment(**wrong)
    monkeypatch.setattr(Client, "ask", lambda self, *args, **more: deployment.ask(*args, **more))
    sheet = smoke.SmokeSheet("a.example", "192.0.2.7", "jane@acme.example", "hidden", timeout=0.5, services=SERVICES)
    trip = Journey(sheet, Client("a.example", "192.0.2.7", 443, None), "run-1")
    recorded, _ = recording.record(trip, PROJECT)
    return recording.play(trip, KEY, recorded)[1]


def test_a_recording_comes_back_and_its_way_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said = take(monkeypatch, later=2)
    assert said.startswith("2 lines after")
    assert [hop for hop in SERVICES if hop in said] == list(SERVICES)
    assert "object storage" in said


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"taken": 503}, "POST /s/: 503"),
        ({"later": 99}, "nobody knows the recording"),
        ({"played": 503}, "of blob_v2: 503"),
        ({"lines": []}, "not what was recorded"),
        ({"lines": ['["w", {"type": 5, "data": {"payload": {"run": "another"}}}]']}, "not what was recorded"),
    ],
)
def test_what_fails_on_the_way_is_told(monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(StepFailedError, match=words):
        take(monkeypatch, **wrong)


def test_a_project_that_records_nobody_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotTriedError, match="session_recording_opt_in"):
        take(monkeypatch, opted_in=False)


@pytest.mark.parametrize(("services", "replays"), [(SERVICES, True), (SERVICES[:2], False), ((), False)])
def test_it_is_tried_where_all_of_its_services_run(services: tuple[str, ...], replays: bool) -> None:
    sheet = smoke.SmokeSheet("a.example", "192.0.2.7", "jane@acme.example", "hidden", services=services)
    assert sheet.replays is replays

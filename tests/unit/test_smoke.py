"""The smoke test's judgement, over a deployment that is a dictionary."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hedgerow import smoke
from hedgerow.smoke import steps
from hedgerow.smoke.client import Answer, Client, RefusedError, UntrustedError
from hedgerow.smoke.send import Parcel, Receipt

HOST = "analytics.acme.example"
STRANGER = "198.51.100.66"
JSON = {"content-type": "application/json"}


def answer(status: int, value: object = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, {**JSON, **named}, json.dumps(value).encode(), "TLSv1.3")


@dataclass
class Deployment:
    """A deployment that behaves; `wrong` replaces answers, by method, path and, for a stranger, a leading "!"."""

    wrong: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    stored: list[dict[str, Any]] = field(default_factory=list)
    arrive: int = 10
    signed_in: bool = False

    def respond(self, method: str, path: str, headers: Mapping[str, str], source: str) -> Answer:
        bare = path.partition("?")[0]
        name = f"{'!' if source else ''}{method} {bare}"
        self.asked.append(name)
        found = next((value for key, value in self.wrong.items() if name.startswith(key)), None)
        if isinstance(found, Exception):
            raise found
        return found or self.behave(method, bare, headers, source)

    def behave(self, method: str, path: str, headers: Mapping[str, str], source: str) -> Answer:  # noqa: PLR0911, PLR0912 (a page an answer)
        bearer = headers.get("Authorization", "").removeprefix("Bearer ")
        if source:
            return answer(403)
        match method, path:
            case "GET", "/login":
                return answer(200, None, content_type="text/html", x_hedgerow_stand_in="1")
            case "GET", "/_health":
                return answer(200)
            case "POST", "/api/login/":
                self.signed_in = True
                return answer(200, {"success": True})
            case "POST", "/logout":
                self.signed_in = False
                return answer(302)
            case "GET", "/api/projects/@current/":
                return (
                    answer(200, {"id": 7, "api_token": "phc_a", "name": "Default"}) if self.signed_in else answer(401)
                )
            case "GET", "/api/projects/7/events/":
                return answer(200, {"results": self.stored}) if bearer in self.keys.values() else answer(401)
            case "GET", "/api/projects/7/persons/":
                rows = [
                    {"distinct_ids": [f"hedgerow-smoke-{each['properties']['hedgerow_run']}"]} for each in self.stored
                ]
                return answer(200, {"results": rows[:1]}) if bearer in self.keys.values() else answer(401)
            case "GET", "/array/phc_a/config":
                return answer(200, {"token": "phc_a", "sessionRecording": False})
            case "GET", "/array/phc_hedgerow_smoke_nobody/config":
                return answer(404)
            case "GET", "/api/personal_api_keys/":
                old = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
                return answer(200, [{"id": name, "label": steps.LABEL, "created_at": old} for name in self.keys])
            case "POST", "/api/personal_api_keys/":
                self.keys["new"] = "phx_new"
                return answer(201, {"id": "new", "value": "phx_new"})
            case "DELETE", _:
                self.keys.pop(path.rstrip("/").rpartition("/")[2])
                return answer(204)
        raise AssertionError(f"nobody asks {method} {path}")

    def receive(self, parcel: Parcel, _: Path | None) -> Receipt:
        assert parcel.token == "phc_a"
        self.stored = [{"id": str(n), "properties": {"hedgerow_run": parcel.run}} for n in range(self.arrive)]
        return Receipt(tuple(str(n) for n in range(parcel.count)))


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Deployment:
    fake = Deployment()

    def ask(self: Client, method: str, path: str, value: object = None, headers: Any = None, **more: Any) -> Answer:
        found = fake.respond(method, path, headers or {}, more.get("source", ""))
        if path in ("/api/login/", "/api/login/token/"):
            self.cookies["sessionid"] = "s"
        return found

    def ask_plainly(self: Client, method: str, path: str, port: int) -> Answer:
        name = f"plain {method} {path}"
        found = fake.wrong.get(name, answer(301, location=f"https://{HOST}{path}"))
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(Client, "ask", ask)
    monkeypatch.setattr(Client, "ask_plainly", ask_plainly)
    monkeypatch.setattr(steps, "send_parcel", fake.receive)
    return fake


def sheet(**changed: Any) -> smoke.SmokeSheet:
    given = {"domain": HOST, "address": "192.0.2.7", "email": "jane@acme.example", "password": "hidden"}
    return smoke.SmokeSheet(**{**given, "stranger": STRANGER, "ingest_restricted": True, "timeout": 0.2, **changed})


def statuses(report: smoke.SmokeReport) -> dict[str, str]:
    return {step.name: step.status for step in report.steps}


def test_a_deployment_that_behaves_is_ok_and_left_as_it_was(deployment: Deployment) -> None:
    report = smoke.run(sheet())
    assert set(statuses(report).values()) == {"ok"}
    assert (report.ok, report.stand_in) == (True, True)
    assert (deployment.keys, deployment.signed_in) == ({}, False)


def test_a_report_is_plain_values_without_a_secret(deployment: Deployment) -> None:
    text = json.dumps(smoke.run(sheet()).as_json())
    assert json.loads(text)["ok"] is True
    assert not any(secret in text + repr(sheet()) for secret in ("hidden", "phx_", "phc_"))


WRONG = [
    ("page over verified TLS", {"GET /login": answer(502)}),
    ("page over verified TLS", {"GET /login": UntrustedError("self-signed certificate")}),
    ("page over verified TLS", {"GET /login": RefusedError("connection refused")}),
    ("health", {"GET /_health": answer(503)}),
    ("plain HTTP is redirected or refused", {"plain GET /login": answer(200)}),
    ("plain HTTP is redirected or refused", {"plain POST /batch/": answer(200)}),
    ("plain HTTP is redirected or refused", {"plain GET /login": answer(301, location="http://elsewhere.example/")}),
    (
        "plain HTTP is redirected or refused",
        {"plain GET /login": answer(301, location=f"https://{HOST}.evil.example/")},
    ),
    ("plain HTTP is redirected or refused", {"plain GET /login": answer(502)}),
    (
        "the API refuses whoever is not signed in",
        {"GET /api/projects/@current/": answer(200, {"id": 7, "api_token": "phc_a"})},
    ),
    ("sign in", {"POST /api/login/": answer(400, {"detail": "Invalid email or password."})}),
    ("sign in", {"POST /api/login/": answer(401, {"code": "2fa_required"})}),
    ("personal API key", {"POST /api/personal_api_keys/": answer(403)}),
    ("personal API key", {"POST /api/personal_api_keys/": answer(201, ["unknown shape"])}),
    ("events are read back", {"GET /api/projects/7/events/": answer(403)}),
    ("a person is known by the events", {"GET /api/projects/7/persons/": answer(503)}),
    ("a person is known by the events", {"GET /api/projects/7/persons/": answer(200, {"results": []})}),
    ("a page's SDK gets its remote config", {"GET /array/phc_a/config": answer(404)}),
    ("a page's SDK gets its remote config", {"GET /array/phc_a/config": answer(200, ["unknown shape"])}),
    ("a page's SDK gets its remote config", {"GET /array/phc_hedgerow_smoke_nobody/config": answer(200, {})}),
    ("personal API key is deleted", {"DELETE": answer(500)}),
    ("sign out", {"POST /logout": answer(403)}),
    ("a stranger is refused: interface", {"!GET /login": answer(200)}),
    ("a stranger is refused: interface", {"!GET /login": answer(302)}),
    ("a stranger is refused: interface", {"!GET /login": UntrustedError("expired")}),
    ("a stranger is refused: capture", {"!POST /batch/": answer(401)}),
    ("a stranger is refused: capture", {"!POST /batch/": answer(200)}),
]


@pytest.mark.parametrize(("step", "wrong"), WRONG)
def test_what_goes_wrong_is_told_at_its_step(deployment: Deployment, step: str, wrong: dict[str, Any]) -> None:
    deployment.wrong = wrong
    report = smoke.run(sheet())
    assert statuses(report)[step] == "failed"
    assert not report.ok


CODED = {"POST /api/login/": answer(401, {"code": "2fa_required"})}
USED = answer(400, {"code": "2fa_invalid", "detail": "Invalid authentication code"})


def test_an_account_with_a_second_factor_gives_its_code(deployment: Deployment) -> None:
    deployment.wrong = {"POST /api/login/token/": answer(200, {"success": True}), **CODED}
    deployment.signed_in = True  # the fake service signs in by password alone
    report = smoke.run(sheet(second_factor=lambda: "GEZDGNBVGY3TQOJQ"))
    [step] = [step for step in report.steps if step.name == "sign in"]
    assert (step.status, step.detail) == ("ok", "as jane@acme.example, with a second factor")
    assert "GEZDGNBVGY3TQOJQ" not in json.dumps(report.as_json())


def test_a_used_code_is_followed_by_the_next_and_by_no_third(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(steps.time, "sleep", waited.append)
    deployment.wrong = {"POST /api/login/token/": USED, **CODED}
    report = smoke.run(sheet(second_factor=lambda: "GEZDGNBVGY3TQOJQ"))
    assert statuses(report)["sign in"] == "failed"
    assert deployment.asked.count("POST /api/login/token/") == 2
    assert 1 <= waited[0] <= 31


def test_a_factor_that_nobody_knows_of_is_said_so(deployment: Deployment) -> None:
    deployment.wrong = CODED
    [step] = [step for step in smoke.run(sheet(second_factor=lambda: "")).steps if step.name == "sign in"]
    assert (step.status, "Hedgerow did not set up" in step.detail) == ("failed", True)


RIGHT = [
    {"plain GET /login": RefusedError("refused"), "plain POST /batch/": answer(403)},
    {"!GET /login": RefusedError("connection reset"), "!POST /batch/": answer(404)},
]


@pytest.mark.parametrize("right", RIGHT)
def test_there_is_more_than_one_way_to_refuse(deployment: Deployment, right: dict[str, Any]) -> None:
    deployment.wrong = right
    assert smoke.run(sheet()).ok


def test_silence_is_no_refusal_when_nobody_is_answered(deployment: Deployment) -> None:
    gone = RefusedError("timed out")
    trip = steps.Journey(sheet(), Client(HOST, "192.0.2.7"), "run")
    deployment.wrong = {"!GET /login": gone, "GET /login": gone}
    with pytest.raises(RefusedError):
        steps.stranger_at_interface(trip, answer(200))


def test_events_that_do_not_arrive_in_time_are_counted(deployment: Deployment) -> None:
    deployment.arrive = 9
    report = smoke.run(sheet())
    [step] = [step for step in report.steps if step.name == "events are read back"]
    assert step.status == "failed"
    assert re.fullmatch(r"9 of 10 after \d+ s", step.detail)
    assert deployment.keys == {}


def test_what_needs_a_step_that_failed_is_not_tried_and_never_ok(deployment: Deployment) -> None:
    deployment.wrong = {"GET /login": answer(502)}
    found = statuses(smoke.run(sheet()))
    assert found.pop("page over verified TLS") == "failed"
    assert set(found.values()) == {"not-tried"}


@pytest.mark.parametrize(
    ("changed", "interface", "capture"),
    [
        ({}, "ok", "ok"),
        ({"stranger": ""}, "not-tried", "not-tried"),
        ({"ingest_restricted": False}, "ok", "not-tried"),
        ({"interface_restricted": False}, "not-tried", "ok"),
    ],
)
def test_a_stranger_that_cannot_knock_is_not_called_refused(
    deployment: Deployment, changed: dict[str, Any], interface: str, capture: str
) -> None:
    report = smoke.run(sheet(**changed))
    found = statuses(report)
    assert found["a stranger is refused: interface"] == interface
    assert found["a stranger is refused: capture"] == capture
    assert report.ok


def test_a_key_that_a_killed_run_left_is_removed(deployment: Deployment) -> None:
    deployment.keys["old"] = "phx_old"
    assert smoke.run(sheet()).ok
    assert deployment.keys == {}


def test_an_interrupted_run_takes_its_key_with_it(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> Receipt:
        raise KeyboardInterrupt

    monkeypatch.setattr(steps, "send_parcel", interrupted)
    with pytest.raises(KeyboardInterrupt):
        smoke.run(sheet())
    assert deployment.keys == {}

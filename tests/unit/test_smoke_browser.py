"""The browser's part of the smoke test: its judgement, what it hears, and where it keeps the SDK. No browser runs."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from hedgerow.errors import UnreachableError
from hedgerow.smoke.browser import sdk, steps
from hedgerow.smoke.browser.devtools import BrowserError, DevTools
from hedgerow.smoke.browser.visit import SITE, Exchange, Visit, Watch
from hedgerow.smoke.client import Answer, Client
from hedgerow.smoke.steps import Journey, Key, NotTriedError, Project, StepFailedError
from hedgerow.smoke.values import SmokeSheet

ALL = ("web", "worker", "capture", "replay-capture", "feature-flags")
SENT = [
    {"id": "1", "event": "hedgerow smoke", "person": "hedgerow-browser-r"},
    {"id": "2", "event": "$identify", "person": "hedgerow-browser-r-known"},
    {"id": "3", "event": "hedgerow smoke", "person": "hedgerow-browser-r-known"},
]
PAGE = {"version": "1.2.3", "sent": SENT, "flags": {"names": [], "failed": False}, "session": "s-1", "records": True}
WELL = (
    Exchange("GET", "/array/phc_a/config", 200, tls="TLS 1.3"),
    Exchange("OPTIONS", "/e/", 200),
    Exchange("POST", "/e/", 200, tls="TLS 1.3"),
    Exchange("POST", "/flags/", 200),
    Exchange("POST", "/s/", 200),
)
KEY = Key("k", 7, "phx_a")


def trip(services: tuple[str, ...] = ALL) -> Journey:
    sheet = SmokeSheet(
        domain="analytics.acme.example", address="192.0.2.7", email="jane@acme.example", password="x",
        services=services, browser_sdk=Path("/sdk.js"), timeout=0.2,
    )  # fmt: skip
    return Journey(sheet, Client(sheet.domain, sheet.address), "r")


def seen(*exchanges: Exchange, **page: Any) -> Visit:
    config = page.pop("config", {"sessionRecording": {"endpoint": "/s/"}})
    return Visit({**PAGE, **page}, exchanges or WELL, config)


def instead(path: str, status: int = 0, failure: str = "") -> tuple[Exchange, ...]:
    return tuple(Exchange(each.method, each.path, status, failure) if each.path == path else each for each in WELL)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The deployment's answers by the beginning of a path."""
    answers: dict[str, Any] = {}

    def ask(self: Client, method: str, path: str, value: object = None, headers: Any = None, **_: Any) -> Answer:
        return next(found for start, found in answers.items() if path.startswith(start))

    monkeypatch.setattr(Client, "ask", ask)
    return answers


def answer(status: int, value: object = None, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): text for name, text in headers.items()}, json.dumps(value).encode())


VISITS = {
    "an answer that is none": (instead("/e/", 0, "net::ERR_CERT_AUTHORITY_INVALID"), {}, "ERR_CERT_AUTHORITY_INVALID"),
    "a refusal": (instead("/e/", 403), {}, "POST /e/: 403"),
    "a page of another site shut out": (
        instead("/e/", 0, "net::ERR_FAILED MissingAllowOriginHeader"),
        {},
        "MissingAllow",
    ),
    "no request": (WELL[:2], {}, "asked for nothing"),
    "an event that was not captured": (WELL, {"sent": SENT[:2]}, "the SDK sent hedgerow smoke, \\$identify"),
}


@pytest.mark.parametrize("case", VISITS)
def test_a_visit_that_sends_nothing_fails_with_the_browser_s_word(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exchanges, page, says = VISITS[case]
    monkeypatch.setattr(steps, "visit", lambda *_: seen(*exchanges, **page))
    with pytest.raises(StepFailedError, match=says):
        steps.go(trip(), Project(7, "phc_a"))


def test_a_visit_that_works_says_version_and_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "visit", lambda *_: seen())
    assert steps.go(trip(), Project(7, "phc_a"))[1] == "posthog-js 1.2.3, 5 requests over TLS 1.3"


def test_a_browser_that_goes_away_is_a_failed_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> Visit:
        raise BrowserError("the browser has gone")

    monkeypatch.setattr(steps, "visit", gone)
    with pytest.raises(StepFailedError, match="has gone"):
        steps.go(trip(), Project(7, "phc_a"))


@pytest.mark.parametrize(("step", "service"), [("flags", "feature-flags"), ("replay", "replay-capture")])
def test_what_is_not_deployed_is_not_tried_and_never_ok(step: str, service: str) -> None:
    rest = tuple(name for name in ALL if name != service)
    given = (trip(rest), KEY, seen(), True) if step == "replay" else (trip(rest), seen())
    with pytest.raises(NotTriedError, match=service):
        getattr(steps, step)(*given)


def test_remote_config_is_said_without_the_token() -> None:
    assert steps.config(trip(), seen())[1] == "GET /array/TOKEN/config: 200"


@pytest.mark.parametrize(
    ("exchanges", "says"),
    [
        (instead("/array/phc_a/config", 404), "GET /array/TOKEN/config: 404"),
        (instead("/array/phc_a/config"), "GET /array/TOKEN/config: no answer"),
        (WELL[1:], "the SDK asked for nothing of the kind"),
    ],
)
def test_remote_config_that_does_not_come_fails(exchanges: tuple[Exchange, ...], says: str) -> None:
    with pytest.raises(StepFailedError, match=says):
        steps.config(trip(), seen(*exchanges))


FLAGS: dict[str, tuple[tuple[Exchange, ...], Any, str]] = {
    "refused": (instead("/flags/", 401), PAGE["flags"], "POST /flags/: 401"),
    "not asked": (WELL[:3], PAGE["flags"], "asked for nothing"),
    "an answer the SDK cannot use": (WELL, {"names": [], "failed": True}, "took no flags"),
    "no word of the SDK": (WELL, None, "took no flags"),
}


@pytest.mark.parametrize("case", FLAGS)
def test_flags_that_did_not_come_fail(case: str) -> None:
    exchanges, told, says = FLAGS[case]
    with pytest.raises(StepFailedError, match=says):
        steps.flags(trip(), seen(*exchanges, flags=told))


def test_flags_that_are_on_are_named() -> None:
    assert steps.flags(trip(), seen(flags={"names": ["beta"], "failed": False}))[1] == "POST /flags/: 200; on: beta"


def test_a_recording_is_ok_once_the_api_knows_it(api: dict[str, Any]) -> None:
    api["/api/projects/7/session_recordings/s-1/"] = answer(200, {"id": "s-1"})
    assert "the API knows the session" in steps.replay(trip(), KEY, seen(), True)[1]


def test_a_recording_that_never_arrives_fails(api: dict[str, Any]) -> None:
    api["/api/projects/7/session_recordings/s-1/"] = answer(404)
    with pytest.raises(StepFailedError, match="does not know it in time"):
        steps.replay(trip(), KEY, seen(), True)


def test_a_recording_that_is_refused_fails() -> None:
    with pytest.raises(StepFailedError, match="POST /s/: 413"):
        steps.replay(trip(), KEY, seen(*instead("/s/", 413)), True)


def test_a_project_that_records_nobody_is_no_fault() -> None:
    with pytest.raises(NotTriedError, match="does not record"):
        steps.replay(trip(), KEY, seen(*WELL[:4], records=False, config={"sessionRecording": False}), True)


def test_a_project_that_should_record_and_does_not_fails() -> None:
    with pytest.raises(StepFailedError, match="did not begin"):
        steps.replay(trip(), KEY, seen(*WELL[:4], records=False), True)


def test_a_remote_config_that_is_none_fails() -> None:
    with pytest.raises(StepFailedError, match="says nothing of sessionRecording"):
        steps.config(trip(), seen(config={}))


PREFLIGHTS = [
    (answer(200, None, access_control_allow_origin=SITE, access_control_allow_headers="content-type"), ""),
    (answer(204, None, access_control_allow_origin="*", access_control_allow_headers="Content-Type"), ""),
    (answer(403), "OPTIONS /e/: 403"),
    (answer(200), "origin none"),
    (answer(200, None, access_control_allow_origin=SITE, access_control_allow_headers="x-other"), "x-other"),
    (answer(200, None, access_control_allow_origin=SITE), "none"),
]


@pytest.mark.parametrize(("said", "fault"), PREFLIGHTS)
def test_other_sites_are_let_in_by_origin_and_header(api: dict[str, Any], said: Answer, fault: str) -> None:
    api["/"] = said
    if fault:
        with pytest.raises(StepFailedError, match=fault):
            steps.preflight(trip(), object())
    else:
        assert steps.preflight(trip(("web", "capture")), object())[1] == f"OPTIONS /e/: {said.status}"


def test_every_event_is_looked_for_under_its_person(api: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(steps, "arrived", lambda _trip, _key, query, ids: asked.append((dict(query), ids)) or 0.0)
    assert steps.events_arrive(trip(), KEY, seen())[1].startswith("all 3, $identify among them")
    assert [ids for _, ids in asked] == [{"1"}, {"2"}, {"3"}]
    assert asked[1][0] == {"event": "$identify", "distinct_id": "hedgerow-browser-r-known"}


def test_what_leaves_the_page_is_written_down_and_the_site_itself_is_not() -> None:
    watch = Watch(b"sdk")
    for number, url in enumerate((f"{SITE}/sdk.js", "https://analytics.acme.example/e/?ip=0", "https://x.example/s/")):
        request = {"url": url, "method": "POST"}
        watch.hear({"method": "Network.requestWillBeSent", "params": {"requestId": str(number), "request": request}})
    watch.hear({
        "method": "Network.responseReceived",
        "params": {"requestId": "1", "response": {"status": 200, "securityDetails": {"protocol": "TLS 1.3"}}},
    })  # fmt: skip
    watch.hear({"method": "Network.loadingFinished", "params": {"requestId": "1"}})
    watch.hear({
        "method": "Network.loadingFailed",
        "params": {"requestId": "2", "errorText": "net::ERR_FAILED", "corsErrorStatus": {"corsError": "NoOrigin"}},
    })  # fmt: skip
    assert list(watch.exchanges.values()) == [
        Exchange("POST", "/e/", 200, tls="TLS 1.3"),
        Exchange("POST", "/s/", 0, "net::ERR_FAILED NoOrigin"),
    ]
    assert not watch.waiting


class Pipe:
    """The browser's end of the pipe."""

    def __init__(self) -> None:
        self.reads, ours = os.pipe()
        theirs, self.writes = os.pipe()
        self.heard: list[Any] = []
        self.tools = DevTools(theirs, ours, self.heard.append)

    def say(self, *messages: Any) -> None:
        threading.Thread(target=self._say, args=(messages,)).start()

    def _say(self, messages: tuple[Any, ...]) -> None:
        os.read(self.reads, 65536)
        for message in messages:
            os.write(self.writes, json.dumps(message).encode() + b"\0")


def test_events_are_heard_while_an_answer_is_waited_for() -> None:
    pipe = Pipe()
    pipe.say({"method": "Network.x"}, {"id": 1, "result": {"targetId": "t"}}, {"method": "Network.y"})
    assert pipe.tools.call("Target.createTarget") == {"targetId": "t"}
    pipe.tools.listen(0.2, lambda: len(pipe.heard) == 2)
    assert [each["method"] for each in pipe.heard] == ["Network.x", "Network.y"]


def test_a_refusal_silence_and_an_end_are_told_apart() -> None:
    pipe = Pipe()
    pipe.say({"id": 1, "error": {"message": "no such target"}})
    with pytest.raises(BrowserError, match="no such target"):
        pipe.tools.call("Target.x")
    with pytest.raises(BrowserError, match="no answer"):
        pipe.tools.call("Target.x", seconds=0.05)
    os.close(pipe.writes)
    with pytest.raises(BrowserError, match="has gone"):
        pipe.tools.call("Target.x")


def npm(monkeypatch: pytest.MonkeyPatch, code: int, calls: list[Any]) -> None:
    def run(command: list[str], cwd: str, **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        script = Path(cwd) / sdk.SCRIPT
        script.parent.mkdir(parents=True)
        script.write_text("sdk")
        return subprocess.CompletedProcess(command, code, "", "EINTEGRITY sha512-...")

    monkeypatch.setattr(sdk.subprocess, "run", run)


def test_the_sdk_is_fetched_once_and_no_script_of_a_package_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[Any] = []
    npm(monkeypatch, 0, calls)
    first, second = (sdk.provide(lambda _: None, tmp_path / "kept") for _ in range(2))
    assert (first, first.read_text()) == (second, "sdk")
    [command] = calls
    assert command[:3] == ["npm", "ci", "--ignore-scripts"]


def test_another_hash_than_the_pinned_one_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    npm(monkeypatch, 1, [])
    with pytest.raises(UnreachableError, match="EINTEGRITY"):
        sdk.provide(lambda _: None, tmp_path)
    assert not list(tmp_path.iterdir())


def test_every_package_is_pinned_by_hash_and_no_registry_is_named() -> None:
    lock = json.loads((sdk.PINS / "package-lock.json").read_text())
    wanted = json.loads((sdk.PINS / "package.json").read_text())["dependencies"]
    packages = {name: row for name, row in lock["packages"].items() if name}
    assert wanted == {"posthog-js": packages["node_modules/posthog-js"]["version"]}
    assert all(row["integrity"].startswith("sha512-") for row in packages.values())
    assert not [name for name, row in packages.items() if "resolved" in row]


@pytest.mark.parametrize(
    ("environment", "root", "folder"),
    [
        ({"HEDGEROW_CACHE": "/c"}, False, "/c/browser-sdk"),
        ({}, True, "/var/cache/hedgerow/browser-sdk"),
        ({"XDG_CACHE_HOME": "/x"}, False, "/x/hedgerow/browser-sdk"),
    ],
)
def test_the_sdk_is_kept_where_its_user_may_write(environment: dict[str, str], root: bool, folder: str) -> None:
    assert str(sdk.cache_folder(environment, root)) == folder

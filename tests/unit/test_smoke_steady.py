"""Events that keep coming: what counts as sent, what is sent again, and what becomes of those that are not found."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hedgerow import pki, smoke
from hedgerow.smoke import steady, steps
from hedgerow.smoke.client import Answer, Client, RefusedError
from hedgerow.smoke.steady import Route, Steady
from hedgerow.smoke.steps import Key, NotTriedError, StepFailedError
from tests.unit.test_smoke import Deployment, sheet
from tests.unit.test_smoke import deployment as deployment  # noqa: PLC0414 - a fixture

HOST = "analytics.acme.example"


@dataclass
class Edge:
    """An edge that answers the next events with `answers`, and every other with 200; `taken` are their ids."""

    port: int
    ca_file: Path
    answers: list[int] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)

    def route(self) -> Route:
        return Route(HOST, "127.0.0.1", self.port, str(self.ca_file), "phc_a", "run1")


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[Edge]:
    now = datetime.now(UTC)
    authority = pki.new_authority("acme", now)
    pair = pki.issue(authority, (HOST,), now)
    for name, content in (("ca.crt", authority.certificate), ("s.crt", pair.certificate), ("s.key", pair.key)):
        (tmp_path / name).write_text(content)
    found = Edge(0, tmp_path / "ca.crt")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            (event,) = said["batch"]
            assert (said["api_key"], event["distinct_id"]) == ("phc_a", "hedgerow-steady-run1")
            found.tried.append(event["uuid"])
            status = found.answers.pop(0) if found.answers else 200
            found.taken += [event["uuid"]] * (status == 200)
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "s.crt", tmp_path / "s.key")
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    found.port = listening.server_address[1]
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield found
    listening.shutdown()


def until(what: Any) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_is_refused_is_sent_again_and_counts_once(edge: Edge) -> None:
    edge.answers = [503, 429, 200]
    going = Steady(edge.route())
    until(lambda: len(edge.taken) >= 3)
    going.stop()
    going.stop()
    assert {name for name, _ in going.sent} == {*edge.taken}
    assert len(edge.taken) == going.tally.sent >= 3
    assert (going.tally.refused, going.tally.dropped) == (2, 0)
    assert edge.tried[0] == edge.tried[1] == edge.tried[2], "the same event each time"
    assert going.tally.longest_wait > 0.4


def test_what_an_sdk_would_not_send_again_is_an_event_lost(edge: Edge) -> None:
    edge.answers = [401]
    going = Steady(edge.route())
    until(lambda: edge.taken)
    going.stop()
    assert (going.tally.dropped, going.tally.refused) == (1, 0)
    assert edge.tried[0] not in edge.taken


def test_it_ends_with_whoever_began_it(edge: Edge) -> None:
    going = Steady(edge.route())
    assert going._sender is not None
    until(lambda: edge.taken)
    assert going._sender.stdin is not None
    going._sender.stdin.close()  # as the kernel does for one that is killed
    assert going._sender.wait(30) == 0


def looking(monkeypatch: pytest.MonkeyPatch, sent: int, found: int, **tally: Any) -> Any:
    """Look for events of which so many come out, and return what the step says."""
    going = Steady(None)
    going._route = Route(HOST, "192.0.2.7", 443, "", "phc_a", "run1")
    going.sent = tuple((str(number), datetime(2026, 3, 1, 12, tzinfo=UTC)) for number in range(sent))
    going.tally = steady.Tally(sent=sent, **tally)
    rows = [{"id": str(number)} for number in range(found)]

    def read(*_: object) -> Answer:
        return Answer(200, {}, json.dumps({"results": rows}).encode())

    monkeypatch.setattr(steps, "read", read)
    trip = steps.journey(sheet(timeout=0.1), "x")
    return going.look(trip, Key("k", 7, "phx"))


def test_all_that_was_sent_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    tally, words = looking(monkeypatch, 900, 900, refused=4, longest_wait=12.3)
    assert (tally.sent, tally.found) == (900, 900)
    assert words == "900 sent, 900 found; 4 refused and sent again, the longest wait 12 s"


@pytest.mark.parametrize(
    ("sent", "found", "tally", "said"),
    [
        (10, 9, {}, "10 sent, 9 found.*lost: 9"),
        (10, 10, {"dropped": 1, "said": "401 no"}, "1 dropped; lost: 401 no"),
        (10, 0, {}, "10 of 10 are not there"),
        (0, 0, {"said": "503"}, "the edge took none: 503"),
    ],
)
def test_one_that_is_lost_fails_the_smoke_test(
    monkeypatch: pytest.MonkeyPatch, sent: int, found: int, tally: dict[str, Any], said: str
) -> None:
    with pytest.raises(StepFailedError, match=said):
        looking(monkeypatch, sent, found, **tally)


def test_where_nobody_can_sign_in_it_says_so_and_sends_none(deployment: Deployment) -> None:
    deployment.wrong = {"GET /login": RefusedError("connection refused")}
    going = steady.begin(sheet())
    assert "connection refused" in going.why
    with pytest.raises(NotTriedError, match="connection refused"):
        going.look(steps.journey(sheet(), "x"), Key("k", 7, "phx"))


def test_a_smoke_test_ends_the_sending_and_takes_the_step(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.wrong = {"GET /login": RefusedError("connection refused")}
    going = steady.begin(sheet())
    deployment.wrong = {}
    report = smoke.run(sheet(), meanwhile=going)
    (step,) = [step for step in report.steps if step.name == smoke.MEANWHILE]
    assert (step.status, report.ok) == ("not-tried", True)
    assert "connection refused" in step.detail
    assert isinstance(steps.journey(sheet(), "x").client, Client)

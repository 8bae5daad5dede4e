"""Destinations of the stand-in: which events are for which, what is sent, to whom, and what is told of it."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from stand_in.asgi import Request
from stand_in.cdp_api import Api, handler
from stand_in.delivery import DeliveryError, deliver
from stand_in.destinations import is_for, jobs, metric, url_fault
from stand_in.hog_functions import HogFunctions

from hedgerow import pki
from tests.unit.stand_in_app.functions import Functions

URL = "https://hooks.acme.example/in"
ROW = {"uuid": "u1", "event": "visit", "team_id": 7, "distinct_id": "jane", "timestamp": "2026-11-25 10:00:00"}


def destination(**values: Any) -> dict[str, Any]:
    return {"id": "f1", "team_id": 7, "enabled": True, "filters": None, "inputs": {"url": {"value": URL}}, **values}


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (destination(), True),
        (destination(filters={"events": [{"id": "visit"}]}), True),
        (destination(filters={"events": [{"id": "leave"}]}), False),
        (destination(filters={"events": []}), True),
        (destination(enabled=False), False),
        (destination(team_id=8), False),
    ],
)
def test_a_destination_gets_its_own_events(function: dict[str, Any], wanted: bool) -> None:
    assert is_for(function, ROW) is wanted


def test_an_event_and_a_destination_make_a_job() -> None:
    row = {**ROW, "properties": '{"page": "/"}'}
    values = [json.dumps(row).encode(), b"nothing", None, b"[]", b"{}"]
    [made] = jobs([destination(), destination(id="f2", team_id=8)], values)
    assert (made["team_id"], made["function_id"], made["event"]) == (7, "f1", "u1")
    assert made["parameters"]["url"] == URL
    assert made["parameters"]["body"]["event"]["properties"] == {"page": "/"}
    assert made["parameters"]["body"]["project"] == {"id": 7}


@pytest.mark.parametrize("url", [None, "", "hooks", "http://hooks.acme.example/", "ftp://a/", {"a": 1}])
def test_only_https_is_a_destination(url: object) -> None:
    assert url_fault(url)
    assert not url_fault(URL)


def test_how_a_delivery_ended_is_a_row_of_upstreams_metrics() -> None:
    row = metric(7, "f1", "failed", 2)
    told = (row["app_source_id"], row["metric_name"], row["metric_kind"], row["count"])
    assert told == ("f1", "failed", "failure", 2)


class Receiver(BaseHTTPRequestHandler):
    """Takes what is posted, and says what its path asks it to."""

    taken: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.taken.append(json.loads(body))
        self.send_response(int(self.path.strip("/")))
        self.send_header("location", "https://localhost/200")
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Be quiet."""


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """Yield the port of a receiver on `localhost` that speaks TLS, and the CA that vouches for it."""
    now = datetime.now(UTC)
    authority = pki.new_authority("acme", now)
    pair = pki.issue(authority, ("localhost",), now)
    for name, text in (("ca.crt", authority.certificate), ("a.crt", pair.certificate), ("a.key", pair.key)):
        (tmp_path / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "a.crt", tmp_path / "a.key")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Receiver.taken.clear()
    yield server.server_address[1], tmp_path / "ca.crt"
    server.shutdown()
    server.server_close()


def test_it_is_delivered_to_the_name_that_was_verified(receiver: tuple[int, Path]) -> None:
    port, ca = receiver
    assert deliver(f"https://localhost:{port}/200", {"a": 1}, str(ca)) == 200
    assert Receiver.taken == [{"a": 1}]
    with pytest.raises(DeliveryError, match="IP address mismatch"):
        deliver(f"https://127.0.0.1:{port}/200", {"a": 2}, str(ca))
    assert Receiver.taken == [{"a": 1}]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_is_not_taken_is_told_and_no_redirect_followed(receiver: tuple[int, Path], status: int) -> None:
    port, ca = receiver
    with pytest.raises(DeliveryError, match=f"status {status}"):
        deliver(f"https://localhost:{port}/{status}", {}, str(ca))
    assert len(Receiver.taken) == 1


def tables() -> Functions:
    """Return a table with one destination, f1 of project 7."""
    made = Functions()
    made.add_function(7, {"type": "destination", "enabled": True, "inputs": {"url": {"value": URL}}})
    return made


def asked(path: str, body: Any = None, method: str = "POST", *, alive: bool = True, ca: str = "") -> tuple[int, Any]:
    answer = handler(Api(tables(), ca), lambda: alive)  # type: ignore[arg-type]
    reply = answer(Request(method, path, body=json.dumps(body).encode()))
    return reply.status, json.loads(reply.body) if reply.kind == "application/json" else reply.body


def test_trying_out_sends_nothing_unless_it_is_told_to(receiver: tuple[int, Path]) -> None:
    path, body = "/api/projects/7/hog_functions/f1/invocations", {"globals": {"event": ROW}}
    status, told = asked(path, body)
    assert (status, told["status"], told["logs"][0]["message"]) == (200, "success", f"would post to {URL}")
    assert Receiver.taken == []
    status, told = asked(path, {**body, "mock_async_functions": False}, ca=str(receiver[1]))
    assert (status, told["status"]) == (200, "error"), "there is no such name"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/projects/7/hog_functions/f9/invocations", {"globals": {"event": ROW}}, 404),
        ("/api/projects/8/hog_functions/f1/invocations", {"globals": {"event": ROW}}, 404),
        ("/api/projects/7/hog_functions/f1/invocations", {}, 400),
        ("/api/projects/x/hog_functions/f1/invocations", {"globals": {"event": ROW}}, 400),
        ("/public/webhooks/abc", {}, 404),
        ("/public/m/pixel", {}, 404),
        ("/elsewhere", {}, 404),
    ],
)
def test_what_is_not_there_is_refused(path: str, body: Any, status: int) -> None:
    assert asked(path, body)[0] == status


def test_it_is_as_well_as_what_it_needs() -> None:
    assert asked("/_health", method="GET") == (200, {"status": "ok"})
    assert asked("/_health", method="GET", alive=False)[0] == 503


class Caller:
    team = 7


class OfWeb:
    """The part of web's API that is asked who somebody is."""

    def caller(self, _request: Request, scope: str) -> Caller:
        assert scope in ("hog_function:read", "hog_function:write")
        return Caller()

    def team_fault(self, _caller: Caller, which: str) -> bool:
        return which not in ("@current", "7")


def test_a_destination_is_made_with_a_url_that_is_one() -> None:
    kept = Functions()
    functions = HogFunctions(OfWeb(), kept, "http://127.0.0.1:1")  # type: ignore[arg-type]

    def create(which: str = "7", url: str = URL) -> int:
        body = {"name": "Hook", "enabled": True, "inputs": {"url": {"value": url}}}
        return functions.create(Request("POST", "/", body=json.dumps(body).encode()), which).status

    assert [create(), create(url="http://a.example/"), create("8")] == [201, 400, 404]
    assert [(row["team_id"], row["type"], row["enabled"]) for row in kept.kept.values()] == [(7, "destination", True)]
    assert functions.invoke(Request("POST", "/"), "7", "f1").status == 503, "nobody delivers there"
    assert HogFunctions(OfWeb(), kept, "").create(Request("POST", "/"), "7").status == 404  # type: ignore[arg-type]

"""Live events: whose token is taken, and who is sent what."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from stand_in import tokens
from stand_in.event_log import envelope
from stand_in.ingest import Event
from stand_in.settings import SettingsError
from stand_in.stream import Stream, as_sse
from stand_in.stream_pages import application
from stand_in.stream_settings import Topics, read_topics

SECRET = "k" * 50
NOW = 1_800_000_000.0
FUTURE = 9e9
CLAIMS = {"team_id": 1, "api_token": "phc_a"}
FILE = """
consumers:
  event: {enabled: true, brokers: "127.0.0.1:9092", topic: in, security_protocol: PLAINTEXT, group_id: livestream}
mmdb: {path: some.mmdb}
"""


def event(name: str = "visit", who: str = "jane") -> Event:
    return Event("phc_a", "u1", name, who, {"page": "/"}, "2026-11-25T10:00:00+00:00")


def test_a_token_says_what_was_signed() -> None:
    token = tokens.sign(CLAIMS, SECRET, tokens.LIVESTREAM, NOW + 60)
    assert tokens.read(token, SECRET, tokens.LIVESTREAM, NOW)["api_token"] == "phc_a"


def test_a_token_is_as_others_write_them() -> None:
    """The example of RFC 7515, A.1, but for its key: header and claims are base64url without padding."""
    head, body, signature = tokens.sign({}, SECRET, "a", 1).split(".")
    assert head == "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
    assert body == "eyJhdWQiOiJhIiwiZXhwIjoxfQ"
    assert len(signature) == 43


GOOD = tokens.sign(CLAIMS, SECRET, tokens.LIVESTREAM, NOW + 60)
UNSIGNED = "eyJhbGciOiJub25lIn0." + GOOD.split(".")[1] + "."
REFUSED = [
    (tokens.sign(CLAIMS, "x" * 50, tokens.LIVESTREAM, NOW + 60), "signature"),
    (tokens.sign(CLAIMS, SECRET, "posthog:unsubscribe", NOW + 60), "audience"),
    (tokens.sign(CLAIMS, SECRET, tokens.LIVESTREAM, NOW - 1), "expired"),
    (UNSIGNED, "signing method"),
    (GOOD[:-4] + "AAAA", "signature"),
    ("a.b.c", "malformed"),
    ("", "malformed"),
]


@pytest.mark.parametrize(("token", "words"), REFUSED)
def test_another_token_is_refused(token: str, words: str) -> None:
    with pytest.raises(tokens.TokenError, match=words):
        tokens.read(token, SECRET, tokens.LIVESTREAM, NOW)


def test_events_go_to_those_who_want_them() -> None:
    stream = Stream()
    everything, visits = stream.join(CLAIMS, {}), stream.join(CLAIMS, {"eventType": "visit,leave"})
    john, other = stream.join(CLAIMS, {"distinctId": "john"}), stream.join({"api_token": "phc_b"}, {})
    gone = stream.join(CLAIMS, {})
    stream.leave(gone)
    stream.put(
        [json.dumps(envelope(each)).encode() for each in (event(), event(name="buy", who="john"))] + [b"x", None]
    )
    sizes = [each.waiting.qsize() for each in (everything, visits, john, other, gone)]
    assert sizes == [2, 1, 1, 0, 0]
    assert (stream.active("phc_a"), stream.active("phc_b")) == (2, 0)
    assert json.loads(as_sse(everything.waiting.get()).decode().removeprefix("data: "))["event"] == "visit"


def test_one_who_does_not_read_does_not_hold_up_the_others() -> None:
    stream = Stream()
    slow = stream.join(CLAIMS, {})
    stream.put([json.dumps(envelope(event())).encode()] * 1100)
    assert slow.waiting.qsize() == 1000


def asked(path: str, authorization: str = "", stream: Stream | None = None, alive: bool = True) -> list[dict[str, Any]]:
    """Return what is sent until the one who asks goes away, which is at once after the first event."""
    sent: list[dict[str, Any]] = []
    stream = stream or Stream()

    async def run() -> None:
        left = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)
            if message.get("body", b"").startswith(b": here"):
                stream.put([json.dumps(envelope(event())).encode()])
            if message.get("body", b"").startswith(b"data:"):
                left.set()

        scope = {
            "type": "http",
            "path": path,
            "query_string": b"",
            "headers": [(b"authorization", authorization.encode())],
        }
        await asyncio.wait_for(application(stream, SECRET, lambda: alive)(scope, receive, send), 5)

    asyncio.run(run())
    return sent


def test_who_has_a_token_is_sent_events_as_they_come() -> None:
    stream = Stream()
    sent = asked("/events", f"Bearer {tokens.sign(CLAIMS, SECRET, tokens.LIVESTREAM, FUTURE)}", stream)
    assert sent[0]["status"] == 200
    assert (b"content-type", b"text/event-stream") in sent[0]["headers"]
    assert b'"distinct_id": "jane"' in sent[-1]["body"]
    assert not stream.subscribers, "who has gone is sent nothing more"


@pytest.mark.parametrize(
    "given", ["", "Bearer x.y.z", "Basic a", f"Bearer {tokens.sign(CLAIMS, SECRET, 'else', FUTURE)}"]
)
@pytest.mark.parametrize("path", ["/events", "/stats"])
def test_nobody_else_is(path: str, given: str) -> None:
    assert asked(path, given)[0]["status"] == 401


def test_it_is_well_while_the_event_log_is() -> None:
    assert [asked("/", alive=alive)[0]["status"] for alive in (True, False)] == [200, 503]
    assert asked("/debug")[0]["status"] == 404


def test_its_file_says_where_events_are() -> None:
    assert read_topics(FILE) == Topics("127.0.0.1:9092", "in", "livestream")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("127.0.0.1:9092", "192.0.2.1:9092", "not on the own loopback"),
        ("PLAINTEXT", "SSL", "shows no client"),
        ("some.mmdb", "''", "mmdb.path"),
        ("topic: in, ", "", "topic"),
        ("mmdb:", "jwt: {secret: x}\nmmdb:", "a secret in a file"),
        ("consumers:", "kafka:", "consumers"),
        ("mmdb:", "][", "Error"),
    ],
)
def test_another_file_is_refused(old: str, new: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_topics(FILE.replace(old, new))

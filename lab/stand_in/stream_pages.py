"""What livestream says over HTTP, as an ASGI application: an answer that goes on while events come in."""

from __future__ import annotations

import asyncio
import json
import queue
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from stand_in import HEADERS, tokens
from stand_in.stream import Stream, as_sse

QUIET = 15.0


def application(stream: Stream, secret: str, alive: Callable[[], bool]) -> Callable[..., Any]:
    """Return the ASGI application. Its paths are upstream's (livestream/main.go)."""

    async def run(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/":
            await _whole(send, 200 if alive() else 503, b"livestream (stand-in)", "text/plain")
            return
        if scope["path"] not in ("/events", "/stats"):
            await _whole(send, 404, b'{"message":"Not Found"}')
            return
        given = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
        try:
            if not given.startswith("Bearer "):
                raise tokens.TokenError("authorization header is required")
            claims = tokens.read(given.removeprefix("Bearer "), secret, tokens.LIVESTREAM, time.time())
        except tokens.TokenError as error:
            await _whole(send, 401, json.dumps({"message": str(error)}).encode())
            return
        if scope["path"] == "/stats":
            await _whole(send, 200, json.dumps({"users_on_product": stream.active(claims["api_token"])}).encode())
            return
        await _events(stream, claims, scope, receive, send)

    return run


async def _events(
    stream: Stream, claims: dict[str, Any], scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]
) -> None:
    """Send what comes in until she goes away."""
    subscriber = stream.join(claims, dict(parse_qsl(scope["query_string"].decode("latin-1"))))
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await _start(send, 200, "text/event-stream", ("cache-control", "no-cache"))
        await send({"type": "http.response.body", "body": b": here\n\n", "more_body": True})
        told = time.monotonic()
        while not gone.done():
            try:
                event = subscriber.waiting.get_nowait()
            except queue.Empty:
                if time.monotonic() - told > QUIET:
                    await send({"type": "http.response.body", "body": b": still here\n\n", "more_body": True})
                    told = time.monotonic()
                await asyncio.wait({gone}, timeout=0.1)
                continue
            await send({"type": "http.response.body", "body": as_sse(event), "more_body": True})
            told = time.monotonic()
    finally:
        stream.leave(subscriber)
        gone.cancel()


async def _gone(receive: Callable[..., Any]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _whole(send: Callable[..., Any], status: int, body: bytes, kind: str = "application/json") -> None:
    await _start(send, status, kind, ("content-length", str(len(body))))
    await send({"type": "http.response.body", "body": body})


async def _start(send: Callable[..., Any], status: int, kind: str, *headers: tuple[str, str]) -> None:
    said = (("content-type", kind), *HEADERS, *headers)
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in said]
    await send({"type": "http.response.start", "status": status, "headers": pairs})

"""The thin layer between an ASGI server and plain functions: one request in, one reply out."""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

from stand_in import HEADERS

LARGEST_BODY = 20 * 1024 * 1024  # upstream's BATCH_BODY_SIZE


@dataclass(frozen=True)
class Request:
    """One request, whole. `headers` have lower-case names; of repeated ones the last counts. `peer` is an address."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: str = ""

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies; none at all where the header cannot be read."""
        try:
            return {name: morsel.value for name, morsel in SimpleCookie(self.headers.get("cookie", "")).items()}
        except CookieError:
            return {}

    def fields(self) -> dict[str, Any]:
        """Return the fields of a JSON object or a form. Raises ValueError for any other body."""
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return dict(parse_qsl(self.body.decode()))
        value = json.loads(self.body or b"{}")
        if not isinstance(value, dict):
            raise ValueError("not an object")
        return value


@dataclass(frozen=True)
class Reply:
    """One reply; `headers` may repeat a name (Set-Cookie)."""

    status: int
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()

    def adding(self, *headers: tuple[str, str]) -> Reply:
        """Return the reply with more headers."""
        return replace(self, headers=(*self.headers, *headers))


def text(status: int, words: str) -> Reply:
    """Reply in plain words."""
    return Reply(status, words.encode())


def as_json(status: int, value: object) -> Reply:
    """Reply in JSON."""
    return Reply(status, json.dumps(value).encode(), "application/json")


Handler = Callable[[Request], Reply]


def application(handle: Handler) -> Callable[..., Awaitable[None]]:
    """Return the ASGI application that answers with `handle`, a blocking function, in a thread each."""

    async def run(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] != "http":
            return
        body = await _read(receive)
        reply = (
            text(413, "maximum size exceeded") if body is None else await asyncio.to_thread(safely, handle, scope, body)
        )
        headers = (("content-type", reply.kind), ("content-length", str(len(reply.body))), *HEADERS, *reply.headers)
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            }
        )
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})

    return run


async def _read(receive: Callable[..., Any]) -> bytes | None:
    """Return the body, or None where it is longer than anybody may send."""
    parts, size = [], 0
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_BODY:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


def safely(handle: Handler, scope: Mapping[str, Any], body: bytes) -> Reply:
    """Answer a request; what goes wrong inside is told to the log and not to the client."""
    request = Request(
        method=scope["method"],
        path=scope["path"],
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"))),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
        peer=(scope.get("client") or ("",))[0],
    )
    try:
        return handle(request)
    except Exception as error:  # a server answers; the path may carry nothing private, the query might
        print(f"stand-in: {request.method} {request.path}: {type(error).__name__}", file=sys.stderr)
        traceback.print_tb(error.__traceback__)
        return text(500, "the stand-in failed; its log says where")

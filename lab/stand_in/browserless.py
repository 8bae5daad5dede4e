"""`browserless`: a browser for whoever has the token. Ours opens a page and draws nothing of it: one white pixel."""

from __future__ import annotations

import hmac
import ssl
import struct
import zlib
from http.client import HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from stand_in.asgi import Handler, Reply, Request, as_json, text
from stand_in.optional_settings import OptionalSettings

SECONDS = 10.0


def run(settings: OptionalSettings) -> None:
    """Serve until SIGTERM."""
    from stand_in.serving import serve  # noqa: PLC0415 - what it answers can be tried without a server

    host = (settings.environment or {}).get("HOST", "127.0.0.1")
    serve(handler(settings.token, settings.base.ca_file), f"{host}:3000")


def handler(token: str, ca_file: str) -> Handler:
    """Return what answers requests, of those who have the token alone."""

    def answer(request: Request) -> Reply:
        given = request.query.get("token") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), token.encode()):
            return text(401, "Bad or missing authentication.")
        if request.path.rstrip("/") == "/json/version":
            return as_json(200, {"Browser": "HedgerowStandIn/1", "Protocol-Version": "1.3"})
        if (request.method, request.path.rstrip("/")) == ("POST", "/screenshot"):
            return screenshot(request, ca_file)
        return text(404, "Not Found")

    return answer


def screenshot(request: Request, ca_file: str) -> Reply:
    """POST /screenshot {"url": ...}: a picture, where the page answers over verified TLS."""
    try:
        url = urlsplit(str(request.fields()["url"]))
        port = url.port or 443
    except (ValueError, KeyError):
        return text(400, "POST body is not valid.")
    if url.scheme != "https" or not url.hostname:
        return text(400, "the stand-in opens https pages alone")
    context = ssl.create_default_context(cafile=ca_file)
    connection = HTTPSConnection(url.hostname, port, timeout=SECONDS, context=context)
    try:
        connection.request("GET", (url.path or "/") + (f"?{url.query}" if url.query else ""))
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return text(502, f"{type(error).__name__}")
    finally:
        connection.close()
    if status >= 400:
        return text(502, f"the page answered {status}")
    return Reply(200, pixel(), "image/png")


def pixel() -> bytes:
    """Return a PNG of one white pixel."""
    header = struct.pack("!IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\x00\xff")), (b"IEND", b""))
    chunks = (
        struct.pack("!I", len(body)) + kind + body + struct.pack("!I", zlib.crc32(kind + body)) for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)

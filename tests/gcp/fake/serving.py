"""The proxy: CONNECT, TLS ended here, and requests answered one after another on each connection.

A request that comes without CONNECT is a test's own:
GET /state, GET /calls, POST /reset, POST /fault, POST /withhold, POST /forget.
"""

from __future__ import annotations

import json
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from . import answering
from .identity import Identity
from .world import KINDS, Fault, World

LARGEST = 64 * 2**20


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1 and nowhere else."""

    daemon_threads = True
    request_queue_size = 128  # five would wait at most by itself, and a sixth that comes at the same time be lost

    def __init__(self, world: World, identity: Identity, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.world, self.identity = world, identity

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away; everything else is a fault of ours, and is shown."""
        import sys  # noqa: PLC0415 (only here)

        if not isinstance(sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 600
    server: Server
    host = ""

    def do_CONNECT(self) -> None:
        """Become the host that is asked for."""
        self.send_response(200, "Connection established")
        self.end_headers()
        self.wfile.flush()
        self.host = self.path.partition(":")[0]
        try:
            self.connection = self.server.identity.tls.wrap_socket(self.connection, server_side=True)
        except (ssl.SSLError, OSError):
            self.close_connection = True
            return
        self.request = self.connection
        self.rfile = self.connection.makefile("rb", self.rbufsize)
        self.wfile = self.connection.makefile("wb", self.wbufsize)
        self.close_connection = False

    def _any(self) -> None:
        length = self.headers.get("content-length")
        if self.headers.get("transfer-encoding"):
            raw = self._chunks()
        else:
            raw = self.rfile.read(min(int(length or 0), LARGEST))
        if not self.host:
            self._control(raw)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        url = f"https://{self.host}{self.path}"
        found = answering.answer(self.server.world, self.server.identity, self.command, url, headers, raw)
        if found.lost:
            self.close_connection = True
            self.connection.close()
            return
        self._send(found)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _any  # noqa: N815 (the base class's names)

    def _chunks(self) -> bytes:
        found = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _control(self, raw: bytes) -> None:
        world = self.server.world
        given = json.loads(raw) if raw else {}
        made: Any = {}
        with world.lock:
            match self.command, urlsplit(self.path).path:
                case "POST", "/reset":
                    answering.begin(world, **given)
                case "POST", "/fault" if given.get("kind") in KINDS:
                    world.faults.append(Fault(**given))
                case "POST", "/withhold":
                    world.withheld.update(given)
                case "POST", "/forget":
                    world.calls.clear()
                    world.faults.clear()
                case "GET", "/state":
                    made = world.shown()
                case "GET", "/calls":
                    made = world.called()
                case _:
                    self._send(answering.Answer(404, b"{}"))
                    return
        self._send(answering.Answer(200, json.dumps(made).encode()))

    def _send(self, found: answering.Answer) -> None:
        self.send_response(found.status)
        for name, value in found.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(found.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(found.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log: what was asked is in /calls."""

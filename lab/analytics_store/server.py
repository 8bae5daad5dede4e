"""The sockets: HTTPS by the files of config.d, and plain HTTP only where they leave it open."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_INET6, socket
from types import FrameType
from typing import Any

from analytics_store import HEADERS
from analytics_store.answering import Answer, Request, answer
from analytics_store.config import Config
from analytics_store.consumer import Consumer
from analytics_store.engine import Engine

LARGEST = 64 * 1024 * 1024
PATIENCE = 30.0


class Listener(ThreadingHTTPServer):
    """One port. A handshake happens in the connection's own thread: a silent client holds up nobody."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], context: ssl.SSLContext | None, config: Config, engine: Engine
    ) -> None:
        self.address_family = AF_INET6 if ":" in address[0] else self.address_family
        self.context, self.config, self.engine = context, config, engine
        super().__init__(address, Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, where the port is TLS, then talk."""
        request.settimeout(PATIENCE)
        if self.context is None:
            return super().finish_request(request, client_address)
        try:
            with self.context.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)
        except (OSError, ssl.SSLError) as error:
            print(f"analytics-store: {client_address[0]}: {type(error).__name__}", file=sys.stderr)
        return None

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:
        """Tell the log which kind of thing went wrong, and nothing of what was sent."""
        print(f"analytics-store: {client_address[0]}: {sys.exc_info()[0]}", file=sys.stderr)


class Handler(BaseHTTPRequestHandler):
    """One connection's requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is sent in two parts, and 40 ms is twenty times what most of them take
    server: Listener

    def do_GET(self) -> None:
        """Answer."""
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding"):
            body = self._chunks()
        elif length.isdecimal() and int(length) <= LARGEST:
            body = self.rfile.read(int(length))
        else:
            body = None
        if body is None:
            self.close_connection = True
            self._send(Answer(413, b"the body is too large\n"))
            return
        began = time.monotonic()
        request = Request(
            self.command,
            self.path,
            {key.lower(): value for key, value in self.headers.items()},
            body,
            self.client_address[0].partition("%")[0],
        )
        reply = answer(request, self.server.config.users, self.server.engine)
        self._send(reply)
        if reply.said:
            print(f"analytics-store: {request.peer} {reply.said} {reply.status} {time.monotonic() - began:.3f}s")

    do_POST = do_HEAD = do_PUT = do_DELETE = do_OPTIONS = do_GET  # noqa: N815 - the library's names

    def _chunks(self) -> bytes | None:
        parts, size = [], 0
        while True:
            count = int(self.rfile.readline(64).split(b";")[0].strip() or b"0", 16)
            size += count
            if size > LARGEST:
                return None
            parts.append(self.rfile.read(count))
            self.rfile.readline(8)
            if count == 0:
                return b"".join(parts)

    def _send(self, reply: Answer) -> None:
        self.send_response_only(reply.status)
        for name, value in (*HEADERS, *reply.headers, ("Content-Length", str(len(reply.body)))):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)


def run(config: Config) -> None:
    """Serve until SIGTERM."""
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    os.umask(0o077)
    with tempfile.TemporaryDirectory() as scratch:
        engine = Engine(config, Path(scratch))
        ports: list[tuple[int, ssl.SSLContext | None]] = []
        if config.https_port:
            ports.append((config.https_port, secure(config)))
        if config.http_port:
            ports.append((config.http_port, None))
        listeners = [
            Listener((host, port), context, config, engine) for port, context in ports for host in config.listen
        ]
        for listener in listeners:
            threading.Thread(target=listener.serve_forever, daemon=True).start()
        consumer = Consumer(config, engine) if config.brokers else None
        print(f"analytics-store: stand-in with the engine {engine.version}, ready on {[port for port, _ in ports]}")
        for port in config.unopened:
            print(f"analytics-store: {port} is set; the stand-in does not speak its protocol and leaves it closed")
        if consumer:
            consumer.run(stop)
        stop.wait()
        for listener in listeners:
            listener.shutdown()
        with contextlib.suppress(Exception):  # SIGKILL would come next, and the data is on disk already
            engine.close()


def secure(config: Config) -> ssl.SSLContext:
    """Return the server's side of TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(config.certificate, config.key)
    if config.client_certificates:
        context.load_verify_locations(config.authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context

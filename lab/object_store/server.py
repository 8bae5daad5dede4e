"""The socket: TLS alone, a thread for each connection, a request whole before it is answered."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl, unquote

from object_store.answering import Reply, answer, checked, fault
from object_store.config import Identities, Places, buckets, oldest_tls
from object_store.signing import IN_CHUNKS, Asked, FaultError, who
from object_store.store import Store

LARGEST = 128 * 1024 * 1024
SECONDS = 60.0


def run(places: Places, identities: Identities) -> None:
    """Serve until SIGTERM. The real one's health question makes its buckets; here they are made first."""
    os.umask(0o077)
    # `made` before the signal: whoever stops it early must find it able to stop.
    made = server(places, identities)

    def end(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=made.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    print(f"object-store: stand-in, ready on {places.port} TLS with {len(identities)} identities")
    made.serve_forever()


def server(places: Places, identities: Identities) -> ThreadingHTTPServer:
    """Return the server, bound and not yet serving."""
    store = Store(places.data, buckets(identities))
    return _Server((places.address, places.port), places, identities, store)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], places: Places, identities: Identities, store: Store) -> None:
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        oldest = oldest_tls(places.security)
        self.context.minimum_version = oldest
        if oldest < ssl.TLSVersion.TLSv1_2:
            self.context.set_ciphers("DEFAULT:@SECLEVEL=0")  # OpenSSL's own floor; Go's library has none
        self.context.load_cert_chain(places.certificate, places.key)
        self.identities, self.store = identities, store
        super().__init__(address, _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread: a slow handshake holds up nobody else."""
        request.settimeout(SECONDS)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with self.context.wrap_socket(request, server_side=True) as secure:
                self.RequestHandlerClass(secure, client_address, self)
        except ssl.SSLError as error:
            print(f"object-store: {client_address[0]}: {error.reason}", file=sys.stderr)
        except OSError:
            return  # the client went


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    server_version, sys_version = "hedgerow-stand-in", ""

    def __getattr__(self, name: str) -> Any:
        """Answer every method alike: the base class looks for do_GET, do_PUT and so on."""
        if name.startswith("do_"):
            return self._respond
        raise AttributeError(name)

    def log_message(self, format: str, *_arguments: Any) -> None:
        """Say nothing: a presigned link is a secret while it lasts."""

    def _respond(self) -> None:
        path, _, query = self.path.partition("?")
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            lower = name.lower()
            headers[lower] = f"{headers[lower]},{value}" if lower in headers else value
        asked = Asked(self.command, unquote(path), parse_qsl(query, keep_blank_values=True), headers)
        try:
            # First the body, also a stranger's: what is not read when a connection ends takes the answer with it.
            body = self._body(asked)
            identity = who(asked, self.server.identities, datetime.now(UTC))
            checked(asked, body)
            reply = answer(self.server.store, identity, asked, body)
        except FaultError as error:
            self.close_connection = True  # of a body that was not read, nothing may be taken for the next request
            reply = fault(error.status, error.code)
        except OSError as error:
            print(f"object-store: {error.strerror}", file=sys.stderr)
            self.close_connection = True
            reply = fault(503 if error.errno == 28 else 500, "SlowDown" if error.errno == 28 else "InternalError")
        self._send(reply)

    def _body(self, asked: Asked) -> bytes:
        if asked.headers.get("transfer-encoding", "").lower() == "chunked":
            body = b"".join(self._chunks())
        else:
            body = self._exactly(_number(asked.headers.get("content-length", "0"), 10))
        return unchunked(body) if asked.headers.get("x-amz-content-sha256") == IN_CHUNKS else body

    def _chunks(self) -> Iterator[bytes]:
        """Yield the chunks of a body (RFC 9112, 7.1), without its trailers."""
        total = 0
        while size := _number(self.rfile.readline(100).split(b";")[0].strip().decode("latin-1"), 16):
            total += size
            _number(str(total), 10)
            yield self._exactly(size)
            self.rfile.readline(3)
        while self.rfile.readline(1000).strip():
            pass

    def _exactly(self, size: int) -> bytes:
        body = self.rfile.read(size)
        if len(body) != size:
            raise FaultError(400, "IncompleteBody")
        return body

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)


def _number(text: str, base: int) -> int:
    try:
        size = int(text, base)
    except ValueError:
        raise FaultError(411, "MissingContentLength") from None
    if not 0 <= size <= LARGEST:
        raise FaultError(400, "EntityTooLarge")
    return size


def unchunked(body: bytes) -> bytes:
    """Return what is in `aws-chunked` chunks; the checksum behind them is the client's affair, TLS guards the way."""
    parts, at = [], 0
    while True:
        end = body.find(b"\r\n", at)
        try:
            size = int(body[at:end].split(b";")[0], 16) if end >= 0 else -1
        except ValueError:
            size = -1
        if size < 0 or end + 2 + size > len(body):
            raise FaultError(400, "IncompleteBody")
        if size == 0:
            return b"".join(parts)
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 4 + size


def ask(places: Places) -> int:
    """Return 0 when it answers in its own container, as who it should be, and refuses whoever does not sign."""
    try:
        context = ssl.create_default_context(cafile=str(places.ca))
        connection = HTTPSConnection(places.name, places.port, timeout=5, context=context)
        connection.request("GET", "/")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        print(f"object-store: {error}", file=sys.stderr)
        return 1
    print(f"object-store: {status}", file=sys.stderr)
    return 0 if status == 403 else 1

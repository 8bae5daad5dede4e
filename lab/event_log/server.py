"""The sockets: a thread for each connection, TLS by redpanda.yaml, plain only where it says so."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import struct
import sys
import threading
from pathlib import Path
from types import FrameType

from event_log.answers import HangUpError
from event_log.broker import Broker, Session
from event_log.config import Config, Listener
from event_log.rights import Rights
from event_log.store import Store
from event_log.wire import WireError

LARGEST, LARGEST_STRANGERS = 64 * 1024 * 1024, 64 * 1024
IDLE = 600.0
HANDSHAKE = 10.0


def run(config: Config) -> None:
    """Serve until SIGTERM."""
    os.umask(0o077)
    data = Path(config.data)
    broker = Broker(config, Store(data), Rights(data, config.superusers, config.authorization))

    def end(_signal: int, _frame: FrameType | None) -> None:
        broker.stopping.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    for listener in config.listeners:
        context = secure(listener)
        door = socket.create_server((listener.address, listener.port), backlog=128)
        threading.Thread(target=_welcome, args=(door, context, listener, broker), daemon=True).start()
    ports = ", ".join(
        f"{row.port}{' TLS' if row.cert else ''}{' SASL' if row.sasl else ''}" for row in config.listeners
    )
    print(f"event-log: stand-in, ready on {ports} with {len(broker.store.topics)} topics")
    broker.stopping.wait()


def secure(listener: Listener) -> ssl.SSLContext | None:
    """Return the server's side of TLS, or None for a plain listener."""
    if not listener.cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(listener.cert, listener.key)
    if listener.client_certificates:
        context.load_verify_locations(listener.truststore)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _welcome(door: socket.socket, context: ssl.SSLContext | None, listener: Listener, broker: Broker) -> None:
    while True:
        connection, peer = door.accept()
        arguments = (connection, str(peer[0]), context, listener, broker)
        threading.Thread(target=_serve, args=arguments, daemon=True).start()


def _serve(
    connection: socket.socket, peer: str, context: ssl.SSLContext | None, listener: Listener, broker: Broker
) -> None:
    session = Session(listener)
    try:
        with connection:
            connection.settimeout(HANDSHAKE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is None:
                _talk(connection, session, broker)
            else:
                with context.wrap_socket(connection, server_side=True) as wrapped:
                    if listener.mtls:
                        session.user = _shown(wrapped)
                    _talk(wrapped, session, broker)
    except (HangUpError, WireError) as error:
        print(f"event-log: {peer} {session.user or '-'}: hung up: {error}", file=sys.stderr)
    except ssl.SSLError as error:
        print(f"event-log: {peer}: {error.reason}", file=sys.stderr)
    except OSError:
        return  # the client went


def _shown(connection: ssl.SSLSocket) -> str:
    """Return the common name of the certificate that a client showed, "" where it showed none."""
    subject = (connection.getpeercert() or {}).get("subject", ())
    return next((str(value) for part in subject for name, value in part if name == "commonName"), "")  # type: ignore[misc]


def _talk(connection: socket.socket, session: Session, broker: Broker) -> None:
    connection.settimeout(IDLE)
    while True:
        head = _exactly(connection, 4)
        if head is None:
            return
        (length,) = struct.unpack(">i", head)
        known = session.signed_in or not session.listener.sasl
        if not 8 <= length <= (LARGEST if known else LARGEST_STRANGERS):
            raise WireError(f"a request of {length} bytes")
        request = _exactly(connection, length)
        if request is None:
            return
        try:
            reply = broker.answer(request, session)
        except HangUpError as error:
            if error.last:
                connection.sendall(struct.pack(">i", len(error.last)) + error.last)
            raise
        if reply is not None:
            connection.sendall(struct.pack(">i", len(reply)) + reply)


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        more = connection.recv(min(count - len(parts), 1 << 20))
        if not more:
            return None
        parts += more
    return bytes(parts)

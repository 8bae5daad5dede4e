"""The health command: asks the broker in its own container which versions it speaks, as every client begins."""

from __future__ import annotations

import socket
import ssl
import struct
import sys

from event_log.config import Config

ASKED = struct.pack(">ihhih", 10, 18, 0, 1, -1)  # ApiVersions, version 0, correlation 1, no client id


def ask(config: Config) -> int:
    """Return 0 when the broker answers; else say why not and return 1."""
    listener = config.listeners[0]
    try:
        with socket.create_connection(("127.0.0.1", listener.port), timeout=5) as plain:
            if not listener.cert:
                return _answered(plain)
            # Its own container, by address: the name in the certificate is its clients' business, and they check it.
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(plain) as secure:
                # Whoever must show a certificate and does not is told so. Nothing is sent before that: what a server
                # has not read when it closes turns its last words into a reset (RFC 9293, 3.10.7).
                return int(bool(secure.recv(1))) if listener.client_certificates else _answered(secure)
    except ssl.SSLError as error:
        # That it asks for a certificate is an answer.
        if listener.client_certificates and "CERTIFICATE_REQUIRED" in (error.reason or ""):
            return 0
        print(f"event-log: {error.reason}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"event-log: {error}", file=sys.stderr)
        return 1


def _answered(connection: socket.socket) -> int:
    connection.sendall(ASKED)
    reply = connection.recv(4096)
    if reply[4:8] == struct.pack(">i", 1):
        return 0
    print("event-log: no answer", file=sys.stderr)
    return 1

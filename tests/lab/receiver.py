"""A destination of the tests: an HTTPS server on an address of its own, which takes what is posted to it."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hedgerow import pki
from hedgerow.deployment import Deployment
from hedgerow.secrets import Vault

ADDRESS, PORT = "203.0.113.80", 8443
"""Of a network that is nobody's (RFC 5737): the controller takes the address, and is the lab hosts' way there."""


@contextmanager
def receiving(deployment: Deployment, folder: Path, port: int = PORT) -> Iterator[list[Any]]:
    """Take what is posted, vouched for by the deployment's CA; yield what came, which grows."""
    authority = pki.Pair(
        (deployment.authority / "ca.crt").read_text(),
        Vault.of(deployment).decrypt((deployment.authority / "ca.key.vault").read_text()),
    )
    pair = pki.issue(authority, (ADDRESS,), datetime.now(UTC))
    certificate, key = folder / "receiver.crt", folder / "receiver.key"
    certificate.write_text(pair.certificate)
    key.write_text(pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    came: list[Any] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            """Nobody reads it."""

    with _address():
        server = ThreadingHTTPServer((ADDRESS, port), Receiver)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield came
        finally:
            server.shutdown()
            server.server_close()


@contextmanager
def _address() -> Iterator[None]:
    subprocess.run(["ip", "address", "replace", f"{ADDRESS}/32", "dev", "lo"], check=True, timeout=10)
    try:
        yield
    finally:
        subprocess.run(["ip", "address", "delete", f"{ADDRESS}/32", "dev", "lo"], check=True, timeout=10)

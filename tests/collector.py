"""A log collector of the tests: RFC 5425 on an address of its own, which asks hosts for their certificate."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from hedgerow import pki

NAME, PORT = "logs.acme.example", 6514


class Collector:
    """It listens from `start` to `stop`, as often as one likes.

    `came` holds what it was told: the name in the host's certificate, and the message. `authority` is the CA whose
    certificates are let in; it may come to be later, and until then nobody is.
    """

    def __init__(self, folder: Path, address: str, authority: Path) -> None:
        self.came: list[tuple[str, str]] = []
        self._address, self._authority = address, authority
        self._certificate, self._key = folder / "collector.crt", folder / "collector.key"
        self._server: socket.socket | None = None
        self._talks: list[socket.socket] = []
        now = datetime.now(UTC)
        own = pki.new_authority("collector", now)
        pair = pki.issue(own, (NAME,), now)
        for path, text in (
            (folder / "collector-ca.pem", own.certificate),
            (self._certificate, pair.certificate),
            (self._key, pair.key),
        ):
            path.write_text(text)

    def start(self) -> None:
        self._server = socket.create_server((self._address, PORT))
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def stop(self) -> None:
        for one in filter(None, (self._server, *self._talks)):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._server, self._talks = None, []

    def count(self, words: str) -> int:
        """Return how many messages had these words."""
        return sum(words in message for _, message in self.came)

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self._certificate, self._key)
        # Whoever leaves in the middle of a message, or was never let in, has said nothing.
        with contextlib.suppress(OSError, ValueError), connection:
            context.load_verify_locations(self._authority)
            with context.wrap_socket(connection, server_side=True) as talk, talk.makefile("rb") as stream:
                self._talks.append(talk)
                subject = dict(row for part in (talk.getpeercert() or {}).get("subject", ()) for row in part)
                while length := _length(stream):
                    message = stream.read(length).decode(errors="replace")
                    self.came.append((str(subject.get("commonName")), message))


@contextmanager
def collecting(folder: Path, address: str, authority: Path) -> Iterator[Collector]:
    """Have a collector listen at an address that is the controller's for as long; its CA lies in the folder."""
    collector = Collector(folder, address, authority)
    subprocess.run(["ip", "address", "replace", f"{address}/32", "dev", "lo"], check=True, timeout=10)
    try:
        collector.start()
        yield collector
    finally:
        collector.stop()
        subprocess.run(["ip", "address", "delete", f"{address}/32", "dev", "lo"], check=True, timeout=10)


def _length(stream: BinaryIO) -> int:
    """Return the length that precedes a message (RFC 6587, 3.4.1), 0 where nothing comes any more."""
    digits = b""
    while (one := stream.read(1)) not in (b"", b" "):
        digits += one
    return int(digits or 0)

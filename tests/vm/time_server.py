"""A time server for hosts of the lab, which may have no other: it answers with this machine's clock (RFC 5905, 7.3)."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

SINCE_1900 = 2_208_988_800
HEADER = "!BBbbIII"
SERVER, SYNCHRONISED, STRATUM, PRECISION = 4, 0, 2, -20
PORT = 123


def answer(question: bytes, now: float) -> bytes:
    """Return the answer to a client's packet, all times but its own being `now`."""
    version, poll = question[0] >> 3 & 7, question[2]
    first = SYNCHRONISED << 6 | version << 3 | SERVER
    stamp = struct.pack("!II", int(now) + SINCE_1900, int(now % 1 * 2**32))
    header = struct.pack(HEADER, first, STRATUM, poll, PRECISION, 0, 16, 0x7F000001)
    return header + stamp + question[40:48] + stamp + stamp


@contextlib.contextmanager
def serving(address: str) -> Iterator[None]:
    """Answer at an address until the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, PORT))
        server.settimeout(0.5)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    question, client = server.recvfrom(512)
                    if len(question) >= 48:
                        server.sendto(answer(question, time.time()), client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

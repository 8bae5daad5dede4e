"""A Tang server for hosts of the lab: the distribution's program, a process a connection, as systemd would run it."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

PROGRAM, MAKE_KEYS = "/usr/libexec/tangd", "/usr/libexec/tangd-keygen"
NEEDED = {PROGRAM: "tang", "jose": "jose"}
PORT = 7500


def make_keys(folder: Path) -> str:
    """Make a server's keys in a folder, once, and return the thumbprint of the one that it signs with."""
    if not folder.exists():
        folder.mkdir()
        subprocess.run([MAKE_KEYS, str(folder)], check=True, capture_output=True)
    (signing,) = [path for path in folder.glob("*.jwk") if "verify" in json.loads(path.read_text())["key_ops"]]
    told = subprocess.run(
        ["jose", "jwk", "thp", "-a", "S256", "-i", str(signing)], check=True, capture_output=True, text=True
    )
    return told.stdout.strip()


@contextlib.contextmanager
def serving(address: str, keys: Path) -> Iterator[None]:
    """Answer at an address until the block ends."""
    with socket.create_server((address, PORT)) as server:
        server.settimeout(0.5)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    client, _ = server.accept()
                    with client:
                        client.setblocking(True)
                        subprocess.Popen([PROGRAM, str(keys)], stdin=client, stdout=client, stderr=subprocess.DEVNULL)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

"""What counts as a word to a client without TLS, asked of servers on the loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "checks/on_host/doors.py"


def said(answer: bytes | None) -> str:
    """Return what doors.py makes of a server's answer; None closes the door altogether."""
    text = SOURCE.read_text()
    program = text[: text.index("\nfound = {}")] + "\nprint(json.dumps(said('127.0.0.1', int(sys.argv[1]), 'hello')))\n"
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        if answer is None:
            door.close()

        def serve() -> None:
            try:
                connection, _ = door.accept()
            except OSError:
                return
            with connection:
                connection.recv(100)
                connection.sendall(answer or b"")

        threading.Thread(target=serve, daemon=True).start()
        done = subprocess.run(
            [sys.executable, "-c", program, str(port)], capture_output=True, text=True, timeout=20, check=True
        )
    return str(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, ""),
        (b"", ""),
        (b"\x15\x03\x03\x00\x02\x02\x46", ""),
        (b"HTTP/1.0 400 Bad Request\r\n", "HTTP/1.0 400"),
        (b"\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00", "10 bytes"),
    ],
    ids=["no door", "closed", "an alert", "an answer in words", "an answer in bytes"],
)
def test_only_silence_and_an_alert_are_no_answer(answer: bytes | None, words: str) -> None:
    found = said(answer)
    assert words in found if words else found == ""

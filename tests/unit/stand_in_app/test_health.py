"""The health command: every service has its question, and only a good answer is one."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from stand_in import health, optional_settings
from stand_in.settings import NEEDS

LAB = Path(health.__file__).resolve().parent.parent


def test_every_service_has_a_question_and_there_is_none_for_others() -> None:
    assert sorted(health.SERVICES) == sorted((*NEEDS, *optional_settings.NEEDS))


@pytest.mark.parametrize("service", health.QUESTIONS)
def test_who_does_not_answer_is_not_well(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "QUESTIONS", {service: (1, health.QUESTIONS[service][1])})
    assert health.ask(service, {}) == 1


def answering(answer: bytes) -> tuple[int, list[bytes]]:
    """Return a port that answers one question so, and what was asked there."""
    server, asked = socket.create_server(("127.0.0.1", 0)), []

    def answer_once() -> None:
        with server, server.accept()[0] as connection:
            asked.append(connection.recv(4096))
            connection.sendall(answer)

    threading.Thread(target=answer_once, daemon=True).start()
    return server.getsockname()[1], asked


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\nno database", "stand-in web: 503 no database\n"),
        (b"HTTP/1.1 2000 Odd\r\n\r\n", "stand-in web: 2000 \n"),
        (b"SSH-2.0-OpenSSH 200\r\n", "stand-in web: no answer of HTTP's\n"),
        (b"", "stand-in web: no answer of HTTP's\n"),
    ],
)
def test_only_a_good_answer_is_one(answer: bytes, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    port, asked = answering(answer)
    assert health.ask("web", {"ADDRESS": f"0.0.0.0:{port}"}) == (1 if said else 0)
    assert capsys.readouterr().err == said
    assert asked[0].startswith(b"GET /_health HTTP/1.1\r\n")


def test_a_token_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    port, asked = answering(b"HTTP/1.1 200 OK\r\n\r\n")
    monkeypatch.setattr(health, "QUESTIONS", {"browserless": (port, "/json/version")})
    assert health.ask("browserless", {"TOKEN": "a-word-of-the-test"}) == 0
    assert b"\r\nAuthorization: Bearer a-word-of-the-test\r\n" in asked[0]


def test_a_heart_that_stopped_is_not_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "HEARTBEAT", str(tmp_path / "heartbeat"))
    assert health.ask("worker", {}) == 1
    health.beat()
    assert health.ask("worker", {}) == 0
    monkeypatch.setattr(health, "STALE", -1.0)
    assert health.ask("worker", {}) == 1


def test_a_question_imports_no_library_for_http() -> None:
    asked = "import sys; from stand_in.__main__ import main; main(['health', 'web']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", asked], capture_output=True, text=True, check=True, cwd=LAB)
    assert not {"http.client", "ssl", "email", "dataclasses", "urllib.parse"} & set(done.stdout.split())

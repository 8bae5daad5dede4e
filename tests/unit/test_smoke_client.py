"""The smoke test's client and its sender, over a small real TLS server on this machine."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hedgerow import pki, smoke
from hedgerow.smoke import send as send_module
from hedgerow.smoke import steps
from hedgerow.smoke.client import Answer, Client, RefusedError, UntrustedError
from hedgerow.smoke.send import Parcel, Receipt

HOST = "analytics.acme.example"
STRANGER = "198.51.100.66"


@dataclass(frozen=True)
class Server:
    """A server on this machine with a certificate for HOST; `heard` is what it was told."""

    port: int
    ca_file: Path
    heard: list[tuple[str, str, bytes]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, now = tmp_path_factory.mktemp("tls"), datetime.now(UTC)
    authority = pki.new_authority("acme", now)
    pair = pki.issue(authority, (HOST,), now)
    for name, content in (("ca.crt", authority.certificate), ("s.crt", pair.certificate), ("s.key", pair.key)):
        (folder / name).write_text(content)
    heard: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            heard.append((self.headers["Host"], self.path, body))
            self.send_response(200)
            self.send_header("Set-Cookie", "sessionid=abc; Secure; HttpOnly")
            self.end_headers()
            self.wfile.write(b'{"status": "Ok"}')

        do_GET = do_POST  # noqa: N815 - the standard library's name

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "s.crt", folder / "s.key")
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield Server(listening.server_address[1], folder / "ca.crt", heard)
    listening.shutdown()


def test_the_client_asks_an_address_for_a_name_and_keeps_its_cookies(server: Server) -> None:
    client = Client(HOST, "127.0.0.1", server.port, server.ca_file)
    assert client.ask("GET", "/login").tls == "TLSv1.3"
    assert server.heard[-1][:2] == (f"{HOST}:{server.port}", "/login")
    assert client.cookies == {"sessionid": "abc"}


@pytest.mark.parametrize(
    ("domain", "trusted", "words"),
    [("elsewhere.example", True, "Hostname mismatch"), (HOST, False, "unable to get local issuer")],
)
def test_a_certificate_that_does_not_hold_ends_it(server: Server, domain: str, trusted: bool, words: str) -> None:
    client = Client(domain, "127.0.0.1", server.port, server.ca_file if trusted else None)
    with pytest.raises(UntrustedError, match=words):
        client.ask("GET", "/login")


def test_nobody_there_is_a_refusal() -> None:
    with pytest.raises(RefusedError):
        Client(HOST, "127.0.0.1", 1).ask("GET", "/login")


def test_an_address_that_is_not_ours_cannot_knock(server: Server) -> None:
    given = smoke.SmokeSheet(HOST, "127.0.0.1", "jane@acme.example", "hidden", stranger=STRANGER)
    trip = steps.Journey(given, Client(HOST, "127.0.0.1", server.port, server.ca_file), "run")
    with pytest.raises(steps.NotTriedError, match=f"{STRANGER} is not an address of this machine"):
        steps.stranger_at_interface(trip, Answer(200, {}, b""))


def test_the_official_sdk_sends_to_the_address_under_the_name(server: Server) -> None:
    server.heard.clear()
    receipt = send_module.send(Parcel(HOST, "127.0.0.1", server.port, "phc_a", "run", 3), server.ca_file)
    assert (len(receipt.ids), receipt.complaints) == (3, ())
    assert [path for _, path, _ in server.heard] == ["/batch/", "/batch/"]
    alone, batch = (body for _, _, body in server.heard)
    assert json.loads(alone)["batch"][0]["event"] == send_module.EVENT
    assert batch.startswith(b"\x1f\x8b")


def test_the_official_sdk_trusts_no_other_certificate(server: Server) -> None:
    other = pki.new_authority("other", datetime.now(UTC)).certificate
    bundle = server.ca_file.with_name("other.crt")
    bundle.write_text(other)
    receipt = send_module.send(Parcel(HOST, "127.0.0.1", server.port, "phc_a", "run", 2), bundle)
    assert any("certificate verify failed" in words for words in receipt.complaints)


def test_the_token_is_in_no_argument_and_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def run(argv: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
        seen.update(argv=argv, **more)
        return subprocess.CompletedProcess(argv, 0, json.dumps({"ids": ["1"], "complaints": []}), "")

    monkeypatch.setenv("POSTHOG_CAPTURE_MODE", "v1")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.acme.example:3128")
    monkeypatch.setattr(send_module.subprocess, "run", run)
    receipt = send_module.send(Parcel(HOST, "192.0.2.7", 443, "phc_secret", "run", 1), Path("/ca.crt"))
    assert receipt == Receipt(("1",))
    assert "phc_secret" not in str(seen["argv"]) + str(seen["env"])
    assert "phc_secret" in seen["input"]
    assert set(seen["env"]) == {"PATH", "PYTHONPATH", "LANG", "REQUESTS_CA_BUNDLE"}

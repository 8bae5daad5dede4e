"""What turns unreleased features on, told from the sign-in page and from what the application was started with."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from stand_in import pages
from stand_in.settings import Settings

from checks import test_posthog as checks
from checks.on_host import program
from checks.started import FORCED_FLAGS
from checks.test_edge_tls import directives, holds_to_its_origin
from tests.unit.told import DECLARED, outcome

# The lines of upstream's head.html, as its template engine writes them.
CONTEXT = r'<script>window.POSTHOG_APP_CONTEXT = JSON.parse("\u007B\u0022anonymous\u0022: true\u007D");</script>'
CLIENT = (
    '<script nonce="a">\n        window.JS_POSTHOG_API_KEY = "k";\n'
    r'        window.JS_POSTHOG_HOST = "https://vendor.example\u002Din";'
    "</script>"
)
OFF = Settings(redis_url="", opted_out=True)


@contextmanager
def serving(body: bytes) -> Iterator[str]:
    """A page at a loopback address; the URL of its server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("body", "ours", "client", "host"),
    [
        (CONTEXT, True, False, ""),
        (CLIENT + CONTEXT, True, True, "https://vendor.example-in"),
        ("<p>Bad gateway</p>", False, False, ""),
        (pages.sign_in("c", OFF).body.decode(), True, False, ""),
        (pages.sign_in("c", replace(OFF, opted_out=False)).body.decode(), True, True, "https://vendor.example"),
    ],
    ids=["off", "on", "another page", "the stand-in, off", "the stand-in, on"],
)
def test_the_page_tells_whether_it_brings_the_vendors_client(body: str, ours: bool, client: bool, host: str) -> None:
    with serving(body.encode()) as url:
        asked = ["/bin/sh", "-c", program("sign_in_page", url, "analytics.acme.example")]
        told = json.loads(subprocess.run(asked, capture_output=True, check=True, timeout=20).stdout)
    assert told == {"ours": ours, "client": client, "host": host}


def test_forced_flags_are_on_the_stand_ins_page() -> None:
    body = pages.sign_in("c", replace(OFF, forced_flags=("</script>",))).body.decode()
    assert r"persisted_feature_flags\": [\"<\/script>\"]" in body


@pytest.mark.parametrize(
    ("page", "forced", "status", "reason"),
    [
        ({}, "", "pass", ""),
        ({"client": True, "host": "https://vendor.example"}, "", "fail", "each browser asks https://vendor.example"),
        ({}, "half-built-thing", "fail", "forced on"),
        ({"ours": False}, "", "error", "not the application's page"),
    ],
)
def test_what_is_seen_decides(page: dict[str, object], forced: str, status: str, reason: str) -> None:
    started = {
        "hedgerow-web": {"settings": {"ALLOWED_HOSTS": "a"}},
        "hedgerow-worker": {"settings": {"ALLOWED_HOSTS": "a", FORCED_FLAGS: forced}},
    }
    answer = json.dumps({"ours": True, "client": False, "host": "", **page})

    def ask(host, finding):  # type: ignore[no-untyped-def]  # as the checks are
        checks.test_no_unreleased_feature_is_on(finding, host, DECLARED, "http://10.90.1.2:8000", started)

    seen, why = outcome(ask, {"persisted": answer, "JS_POSTHOG_API_KEY": answer})
    assert (seen, reason in why) == (status, True), why


GOOD = "default-src 'self'; object-src 'none'; frame-ancestors 'self'; connect-src 'self'; script-src 'self' blob:"


@pytest.mark.parametrize(
    ("policy", "holds"),
    [
        (GOOD, True),
        (GOOD.replace("connect-src 'self'; ", ""), True),
        (GOOD.replace("connect-src 'self'", "connect-src 'self' https:"), False),
        (GOOD.replace("script-src 'self'", "script-src 'self' https://cdn.example"), False),
        (GOOD.replace("default-src 'self'", "default-src *"), False),
        (GOOD.replace("object-src 'none'; ", ""), False),
        (f"connect-src *; {GOOD}", False),
        ("", False),
    ],
)
def test_a_page_holds_to_its_origin(policy: str, holds: bool) -> None:
    assert holds_to_its_origin(directives(policy)) is holds

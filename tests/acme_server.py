"""An ACME server of the tests: pebble, by which makers of clients prove theirs, and a name server that it asks."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from hedgerow import pki, prerequisites

PORT, MANAGEMENT, NAMES = 14000, 15000, 8053
PROGRAMS = {"pebble": "pebble", "pebble-challtestsrv": "pebble"}
VALID_SECONDS = 90 * 86_400
SECONDS = 20


@contextlib.contextmanager
def serving(folder: Path, controller: str, host: str) -> Iterator[Path]:
    """Have an ACME server listen at the controller's address; every name it looks up is at `host`.

    Yields the file of CAs: the one of the server itself, and the one that it issues from, made anew at each start.
    """
    prerequisites.provide(PROGRAMS, yes=True, say=print)
    now = datetime.now(UTC)
    own = pki.new_authority("the tests' ACME server", now)
    pair = pki.issue(own, (controller, "127.0.0.1"), now)
    files = {"server.crt": pair.certificate, "server.key": pair.key, "own.pem": own.certificate}
    for name, text in files.items():
        (folder / name).write_text(text)
    settings = {
        "listenAddress": f"{controller}:{PORT}",
        "managementListenAddress": f"127.0.0.1:{MANAGEMENT}",
        "certificate": str(folder / "server.crt"),
        "privateKey": str(folder / "server.key"),
        "httpPort": 80,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
        "certificateValidityPeriod": VALID_SECONDS,
    }
    config = folder / "pebble.json"
    config.write_text(json.dumps({"pebble": settings}))
    names = [
        *("pebble-challtestsrv", "-defaultIPv4", host, "-defaultIPv6", "", "-dns01", f"127.0.0.1:{NAMES}"),
        *("-http01", "", "-https01", "", "-tlsalpn01", "", "-management", f"127.0.0.1:{NAMES + 1}"),
    ]
    server = ["pebble", "-config", str(config), "-dnsserver", f"127.0.0.1:{NAMES}", "-strict", "false"]
    # No wait before it comes to look, so that the tests are fast; all else is as it is by default.
    environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
    started = []
    with contextlib.ExitStack() as stack:
        for line in (names, server):
            log = stack.enter_context((folder / f"{line[0]}.log").open("wb"))
            process = subprocess.Popen(line, stdout=log, stderr=log, env=environment)
            stack.callback(process.wait, timeout=SECONDS)
            stack.callback(process.terminate)
            started.append(process)
        bundle = folder / "acme-ca.pem"
        bundle.write_text(own.certificate + _issuing(folder))
        assert [one.poll() for one in started] == [None, None], [
            path.read_text() for path in folder.glob("pebble*.log")
        ]
        yield bundle


def _issuing(folder: Path) -> str:
    """Return the CA that it issues from, when it is there."""
    context = ssl.create_default_context(cafile=str(folder / "own.pem"))
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(
                f"https://127.0.0.1:{MANAGEMENT}/roots/0", context=context, timeout=5
            ) as answer:
                return answer.read().decode()
        except OSError as reason:
            if time.monotonic() > deadline:
                raise AssertionError(f"pebble: {(folder / 'pebble.log').read_text()[-2000:]}") from reason
            time.sleep(0.2)

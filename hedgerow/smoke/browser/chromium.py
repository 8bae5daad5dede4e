"""A headless Chromium of its own profile, which trusts one more CA and knows one name."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from hedgerow.smoke.browser.devtools import BrowserError, DevTools, Message

FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # The page's site is made up, so the browser cannot tell that it stands as near to the deployment as we do.
    "--disable-features=LocalNetworkAccessChecks",
)
# Chromium reads commands from descriptor 3 and answers on 4; who starts it in between must not lose them.
LAUNCH = "import os, sys; r, w, *line = sys.argv[1:]; os.dup2(int(r), 3); os.dup2(int(w), 4); os.execvp(line[0], line)"
END_SECONDS = 5.0


@contextlib.contextmanager
def browser(domain: str, address: str, ca_file: Path | None, hear: Callable[[Message], None]) -> Iterator[DevTools]:
    """Start a browser for which `domain` is at `address`; end it and remove its profile afterwards.

    Its HOME is a folder of its own: the certificates it trusts besides its own list lie in $HOME/.pki/nssdb. Raises
    BrowserError.
    """
    with tempfile.TemporaryDirectory(prefix="hedgerow-browser-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        if ca_file:
            _trust(home, ca_file)
        process, reads, writes = _start(home, domain, address)
        try:
            yield DevTools(reads, writes, hear)
        finally:
            _end(process, reads, writes)


def _trust(home: Path, ca_file: Path) -> None:
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    for words in (["-N", "--empty-password"], ["-A", "-n", "hedgerow", "-t", "C,,", "-i", str(ca_file)]):
        done = subprocess.run(
            ["certutil", "-d", f"sql:{store}", *words], capture_output=True, text=True, timeout=30, check=False
        )
        if done.returncode:
            raise BrowserError(f"certutil {words[0]}: {done.stderr.strip()}")


def _start(home: Path, domain: str, address: str) -> tuple[subprocess.Popen[bytes], int, int]:
    place = f"[{address}]" if ":" in address else address
    command = [
        shutil.which("chromium") or "chromium",
        *FLAGS,
        # As root there is no other way, and the one page it ever shows is ours with the pinned SDK.
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
        f"--user-data-dir={home / 'profile'}",
        f"--host-resolver-rules=MAP {domain} {place}, MAP * ~NOTFOUND, EXCLUDE {place}",
        "about:blank",
    ]
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)]
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *(str(end) for end in high), *command],
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(home), "LANG": "C.UTF-8", "TMPDIR": str(home)},
            pass_fds=high,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    finally:
        for end in (theirs_in, theirs_out, *high):
            os.close(end)
    return process, ours_in, ours_out


def _end(process: subprocess.Popen[bytes], reads: int, writes: int) -> None:
    os.close(writes)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    # Its own session: whatever of it is left, and nobody else.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(END_SECONDS)
    os.close(reads)

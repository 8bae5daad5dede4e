"""Running a command of the controller's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from hedgerow.errors import UnreachableError

# sudo and cron hand down a PATH without sbin, where ip, nft and friends live.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a command: a fixed path and language, and the caller's proxies."""
    return {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", **proxies(dict(os.environ)), **(extra or {})}


def proxies(given: dict[str, str]) -> dict[str, str]:
    """Return the proxy settings among environment variables, under their lower-case names."""
    found = {name: given.get(name) or given.get(name.upper(), "") for name in PROXIES}
    return {name: value for name, value in found.items() if value}


def run(
    argv: Sequence[str], *, feed: str | None = None, seconds: float = 60, extra: dict[str, str] | None = None
) -> str:
    """Run a command and return its standard output. Raises UnreachableError with what it complained of."""
    status, output, complaint = attempt(argv, feed=feed, seconds=seconds, extra=extra)
    if status != 0:
        told = "\n".join((complaint or output).strip().splitlines()[-8:])
        raise UnreachableError(f"`{' '.join(argv[:4])}` failed (exit code {status}): {told}")
    return output


def attempt(
    argv: Sequence[str], *, feed: str | None = None, seconds: float = 60, extra: dict[str, str] | None = None
) -> tuple[int, str, str]:
    """Run a command and return its exit code, output and complaints. A missing command is code 127."""
    try:
        done = subprocess.run(
            list(argv),
            input=feed,
            stdin=subprocess.DEVNULL if feed is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            env=environment(extra),
            check=False,
        )
    except FileNotFoundError as error:
        return 127, "", str(error)
    except subprocess.TimeoutExpired:
        return 124, "", f"no answer within {seconds:.0f} s"
    return done.returncode, done.stdout, done.stderr

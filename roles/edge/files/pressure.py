#!/usr/bin/python3
# Managed by Hedgerow: the next run undoes what is changed here
"""Have the edge refuse events while what would keep them has no room, before a store stops in the middle of a write.

Measures the free bytes of each path and makes or removes one empty file that nginx looks for at each request that
brings events: no reload, nothing half-done. Between the two marks nothing changes, so it does not flap. When this
program ends, the file stays as it is.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path

SETTINGS = Path("/etc/hedgerow/pressure.json")
FOLDER = Path("/run/hedgerow-pressure")
SECONDS = 5


def decide(refusing: bool, free: dict[str, int], refuse_below: int, accept_above: int) -> tuple[bool, str]:
    """Return whether events are to be refused from now on, and why, from the bytes that are free at each path.

    The fullest path decides. Raises ValueError where there is none: nothing measured is no reason to accept.
    """
    path, least = min(free.items(), key=lambda row: row[1])
    mark = accept_above if refusing else refuse_below
    word = "below" if least < mark else "not below"
    return least < mark, f"{least // 2**20} MiB free at {path}, {word} {mark // 2**20} MiB"


def free_bytes(paths: list[str]) -> dict[str, int]:
    """Return what an account without privileges could still write at each path that is there."""
    found = {}
    for path in paths:
        if Path(path).is_dir():
            disk = os.statvfs(path)
            found[path] = disk.f_bavail * disk.f_frsize
    return found


def look(settings: dict, folder: Path) -> None:
    """Measure once, and have the file there or not."""
    # By this one a verify run sees that the edge looks: it stands for one address of the host's own, always refused.
    (folder / "rehearsal").touch()
    full = folder / "full"
    refusing = full.exists()
    now, why = decide(refusing, free_bytes(settings["paths"]), settings["refuse_below"], settings["accept_above"])
    if now and not refusing:
        full.touch()
        print(f"<2>events are refused: {why}", file=sys.stderr, flush=True)
    elif refusing and not now:
        full.unlink()
        print(f"<5>events are accepted again: {why}", file=sys.stderr, flush=True)


def tell_systemd(words: str) -> None:
    """Send one message to whoever started this (sd_notify(3))."""
    address = os.environ["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(words.encode(), address.replace("@", "\0", 1) if address.startswith("@") else address)


def main() -> None:
    settings = json.loads(SETTINGS.read_text())
    while True:
        look(settings, FOLDER)
        tell_systemd("READY=1\nWATCHDOG=1")
        time.sleep(SECONDS)


if __name__ == "__main__":
    main()

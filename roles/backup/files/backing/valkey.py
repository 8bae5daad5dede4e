"""Valkey's part: its append-only file, copied as the server has written it, and put in the place of another.

That is a base, which the server never changes once it is written, what came since, to which it only appends, and a list
of both. So a copy needs no right in the server: the list is read, what it names is held fast and copied, and where the
list is another one by then, the server has begun a new base, and it is done again.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from backing.base import RefusedError, command
from backing.pieces import packed, unpacked

UNIT = "valkey-server.service"
DATA = Path("/var/lib/valkey")
LIVE, LIST = "appendonlydir", "appendonly.aof.manifest"
ASIDE, FORMER = ".hedgerow-backup", ".hedgerow-before"
INSPECT = "/usr/local/lib/hedgerow/valkey-inspect"
NAME = "valkey"
TRIES, PATIENCE = 20, 300


def back_up(into: Path, data: Path = DATA) -> dict:
    """Write what the server has stored by now, encrypted; return how much that is. Raises RefusedError."""
    aside = data / ASIDE
    try:
        for _ in range(TRIES):
            if copied(data / LIVE, aside):
                break
            time.sleep(1)
        else:
            raise RefusedError(f"Valkey began a new base of its file {TRIES} times while it was copied")
        packed(aside, into, NAME)
        return {"bytes": sum(path.stat().st_size for path in aside.iterdir()), "keys": keys()}
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def copied(live: Path, aside: Path) -> bool:
    """Copy list, base and what came since; False where the server has begun a new base meanwhile."""
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    try:
        told = (live / LIST).read_bytes()
        for name in named(told.decode()):
            # Beside the data, and a second name where nobody appends: no plain copy of it lies on another disk.
            os.link(live / name, aside / name)
        for name in newest(told.decode()):
            appended = live / name
            (aside / name).unlink()
            shutil.copy2(appended, aside / name)
            owner = appended.stat()
            os.chown(aside / name, owner.st_uid, owner.st_gid)
        (aside / LIST).write_bytes(told)
        return (live / LIST).read_bytes() == told
    except FileNotFoundError:
        return False


def named(manifest: str) -> list[str]:
    """Return the files that the list names: `file NAME seq 1 type b`, one a line; history (`h`) is not needed."""
    rows = [line.split() for line in manifest.splitlines() if line and not line.startswith("#")]
    return [row[1] for row in rows if row[5] != "h"]


def newest(manifest: str) -> list[str]:
    """Return the file to which the server appends, as a list of one or none."""
    rows = [line.split() for line in manifest.splitlines() if line and not line.startswith("#")]
    return [row[1] for row in rows if row[5] == "i"][-1:]


def keys() -> int | None:
    """Return how many keys the server holds, None where it cannot be asked just now."""
    said = command("timeout", "20", INSPECT, "INFO", "keyspace", quiet=True)
    lines = [line.partition("keys=")[2].partition(",")[0] for line in said.splitlines() if line.startswith("db")]
    return sum(map(int, lines)) if said.startswith("# Keyspace") else None


def put_back(pieces: list[Path], data: Path = DATA) -> dict:
    """Have the server hold what was packed, and nothing else; return how many keys that is. Raises RefusedError."""
    fresh, former = data / ASIDE, data / FORMER
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    unpacked(pieces, fresh)
    # The number of an account is another on another host.
    owner = data.stat()
    for path in (fresh, *fresh.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)
    command("systemctl", "stop", UNIT)
    shutil.rmtree(former, ignore_errors=True)
    if (data / LIVE).exists():
        (data / LIVE).rename(former)
    fresh.rename(data / LIVE)
    command("systemctl", "reset-failed", UNIT, quiet=True)
    command("systemctl", "start", UNIT)
    end = time.monotonic() + PATIENCE
    while (found := keys()) is None:
        if time.monotonic() > end:
            raise RefusedError("Valkey does not answer with what was put back; restore again")
        time.sleep(1)
    shutil.rmtree(former, ignore_errors=True)
    return {"keys": found}

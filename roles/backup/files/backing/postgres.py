"""PostgreSQL's part: pgBackRest, which encrypts before it writes, and the server's own answers."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from backing.base import RefusedError, command
from backing.places import STANZA, Place

SETTINGS = Path("/etc/pgbackrest/pgbackrest.conf")
STILL_STARTING = 20
PIECE = re.compile(r"[0-9A-F]{24}")
SIZES = "select json_object_agg(datname, pg_database_size(oid)) from pg_database where datallowconn"


def as_postgres(*words: str, quiet: bool = False) -> str:
    # A backup's own session waits for hours while files are copied: no limit on people at the prompt may end it.
    limits = "PGOPTIONS=-c idle_session_timeout=0 -c statement_timeout=0"
    return command("runuser", "-u", "postgres", "--", "env", limits, *words, quiet=quiet)


def pgbackrest(*words: str) -> str:
    return as_postgres("pgbackrest", f"--stanza={STANZA}", *words)


def ask(query: str) -> str:
    """Return PostgreSQL's answer, "" where it does not give one."""
    return as_postgres("psql", "-XAtqwc", query, quiet=True).strip()


def information() -> dict:
    """Return what pgBackRest knows of its repository."""
    return json.loads(pgbackrest("--output=json", "info"))[0]


def written(place: Place, labels: list[str]) -> dict[str, int]:
    """Return the files of backups in the repository, for each label, with their bytes."""
    there = place.shelf.files(f"postgres/backup/{STANZA}")
    folders = tuple(f"postgres/backup/{STANZA}/{label}/" for label in labels)
    return {name: said[0] for name, said in there.items() if name.startswith(folders)}


def sizes() -> dict[str, int]:
    """Return each database's bytes."""
    return json.loads(ask(SIZES) or "{}")


def number(segment: str) -> int:
    """Return which piece of the journal a segment is, whatever its timeline: pieces of 16 MiB, 256 to a turn."""
    return int(segment[8:16], 16) * 256 + int(segment[16:24], 16)


def holes(place: Place, state: dict, last: str) -> int:
    """Return how many pieces of the journal are not at their place, from the newest backup's first to the last."""
    good = [row for row in state.get("backup", ()) if not row.get("error")]
    if not good or not PIECE.match(last):
        return 0
    there = {number(segment) for segment in place.segments().values()}
    return len(set(range(number(good[-1]["archive"]["start"]), number(last) + 1)) - there)


def let_go(settings: Path = SETTINGS, account: str = "postgres") -> None:
    """End a push of the journal that began before the settings were written.

    It hangs at the old place for minutes where the firewall has shut that, and nothing is archived meanwhile.
    PostgreSQL has the piece pushed again at once.
    """
    age = str(max(1, int(time.time() - settings.stat().st_mtime)))  # with 0 pkill would ask nobody's age
    command("pkill", "-TERM", "--older", age, "-u", account, "-f", r"pgbackrest\b.* archive-push", quiet=True)


def recovered(unit: str, name: str) -> None:
    """Wait until PostgreSQL has gone through its journal, however long that takes. Raises RefusedError if it ends."""
    ended = 0
    while ask("select pg_is_in_recovery()") != "f":
        state = command("systemctl", "is-active", unit, quiet=True).strip()
        # A start that was only just asked for is not there yet either.
        ended = ended + 1 if state in ("failed", "inactive") else 0
        if state == "failed" or ended > STILL_STARTING:
            words = "journalctl", "-q", "-t", "postgres", "-n", "12", "-o", "cat", "--no-pager"
            said = command(*words, quiet=True).strip()
            raise RefusedError(f"PostgreSQL does not come up from backup {name}; restore again. It said:\n{said}")
        time.sleep(1)


def put_back(name: str, label: str, at: str, version: str) -> None:
    """Put PostgreSQL back from the backup `label`, to its own end or to a moment. Raises RefusedError."""
    unit, data = f"postgresql@{version}-main.service", Path("/var/lib/postgresql") / version / "main"
    command("systemctl", "stop", unit)
    command("install", "-d", "-m", "700", "-o", "postgres", "-g", "postgres", str(data))
    if not (data / "PG_VERSION").exists():
        command("find", str(data), "-mindepth", "1", "-delete")  # no cluster; pgBackRest would not overwrite what it is
    # To its own end it goes along its own timeline, as pgBackRest sets it: a later restore may have left that one.
    target = ["--type=immediate", "--target-action=promote"]
    if at == "latest":
        target = ["--type=default"]
    elif at:
        target = ["--type=time", f"--target={at}", "--target-action=promote"]
    pgbackrest("restore", "--delta", f"--set={label}", *target)
    command("systemctl", "reset-failed", unit, quiet=True)
    command("systemctl", "start", "--no-block", unit)
    recovered(unit, name)

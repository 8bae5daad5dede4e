#!/usr/bin/python3 -I
"""Makes, lists, proves and restores the backups of this host's stores; each answer is one JSON object.

  backup prepare          have the folders and PostgreSQL's repository, and a backup where there is none, or where
                          pieces of the journal are missing since the newest
  backup run              make one, prove it, and let go of what is older than it is to be kept
  backup list             every backup, the newest first
  backup verify [ID]      read one again, whole (default: the newest); exit 1 where it is not as it was made
  backup look [near]      the newest at a glance: its manifest, the sizes of its files, when it was last read whole;
                          near: where it does not lie on this host, as the last run saw it
  backup reach            when the youngest piece of the journal was written there
  backup give             all that lies there, as an archive on standard output
  backup restore ID [AT [EVENTS [QUEUES]]]
                          prove it, then put PostgreSQL and this host's files back as they were when it ended, or
                          PostgreSQL at a moment (UTC), "" for none; ClickHouse from the backup EVENTS, without what
                          came after the moment; Valkey from the backup QUEUES; where none is named it stays as it is

PostgreSQL's part is made by pgBackRest, which encrypts before it writes; ClickHouse makes its own, and Valkey's
file is copied: OpenSSL encrypts both, as what is on this host alone. Beside them stands a manifest of ours: size and
SHA-256 of every file that a restore reads, under a MAC whose key is not there.
"""

from __future__ import annotations

import fcntl
import json
import sys
from pathlib import Path
from typing import TextIO

# Told to look nowhere else (-I). What Python would keep compiled is a file that nobody placed.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
from backing.base import STATE, RefusedError, read_json  # noqa: E402 - found by the path above
from backing.making import prepare, run  # noqa: E402
from backing.places import Place  # noqa: E402
from backing.reading import give, listed, look, remembered, verify  # noqa: E402
from backing.restoring import restore  # noqa: E402

CONFIG = Path("/etc/hedgerow/backup/config.json")
KEY = Path("/etc/hedgerow/backup/manifest.key")
LOCK = Path("/run/lock/hedgerow-backup")


def told(words: list[str], place: Place, config: dict) -> dict | None:
    """Do what the words say and return the answer; None where they say nothing that is known."""
    newest = next(iter(place.names()), "")
    match words:
        case ["prepare"]:
            answer = prepare(place, config)
        case ["run"]:
            answer = run(place, config)
        case ["list"]:
            answer = listed(place)
        case ["verify"] if newest:
            answer = verify(place, newest)
        case ["look", "near"] if not place.folder:
            answer = remembered()
        case ["look"] | ["look", "near"] | ["verify"]:
            answer = look(place)
        case ["verify", name]:
            answer = verify(place, name)
        case ["reach"]:
            answer = {"youngest": place.youngest()}
        case ["give"]:
            answer = give(place, sys.stdout.buffer)
        case ["restore", name, *more] if len(more) <= 3:
            answer = restore(place, config, name, *(*more, "", "", "")[:3])
        case _:
            answer = None
    return answer


def main(words: list[str]) -> int:
    config = read_json(CONFIG)
    place = Place(config["to"], KEY.read_bytes().strip())
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    with LOCK.open("a") as lock:
        try:
            if words[:1] in (["run"], ["restore"]):
                alone(lock)
            answer = told(words, place, config)
        except RefusedError as refused:
            print(json.dumps({"refused": str(refused)}))
            print(f"hedgerow-backup: {refused}", file=sys.stderr)
            return 1
    if answer is None:
        print(__doc__, file=sys.stderr)
        return 2
    if words != ["give"]:
        print(json.dumps(answer))
    for problem in answer.get("problems", ()):
        print(f"hedgerow-backup: {problem}", file=sys.stderr)
    return 1 if answer.get("problems") else 0


def alone(lock: TextIO) -> None:
    """Keep every other run out until this one ends, however it ends; wait for the one that is at work.

    A restore whose caller was killed goes on here. Who calls again does not want to hear that.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print("hedgerow-backup: waiting for a backup or a restore that is at work", file=sys.stderr, flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

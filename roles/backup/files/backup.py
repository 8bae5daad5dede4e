#!/usr/bin/python3 -I
"""Makes, lists, proves and restores the backups of this host's stores; each answer is one JSON object.

  backup prepare          have the folders and PostgreSQL's repository, and a backup where there is none, or where
                          pieces of the journal are missing since the newest
  backup run              make one, prove it, and let go of what is older than it is to be kept
  backup list             every backup, the newest first
  backup verify [ID]      read one again, whole (default: the newest); exit 1 where it is not as it was made
  backup look             the newest at a glance: its manifest, the sizes of its files, when it was last read whole
  backup restore ID [AT]  prove it, then put PostgreSQL back: as it was when the backup ended, or at a moment (UTC)

PostgreSQL's part is made by pgBackRest, which encrypts before it writes. Beside it stands a manifest of ours: size and
SHA-256 of every file that a restore reads, under a MAC whose key is not at the backup's place.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

CONFIG = Path("/etc/hedgerow/backup/config.json")
KEY = Path("/etc/hedgerow/backup/manifest.key")
STATE = Path("/var/lib/hedgerow/backup")
LOCK = Path("/run/lock/hedgerow-backup")
STANZA = "hedgerow"
FULL_DAYS = 7
STILL_STARTING = 20
SEGMENT = re.compile(r"([0-9A-F]{24})-[0-9a-f]{40}")
PIECE = re.compile(r"[0-9A-F]{24}")
ID = re.compile(r"[0-9]{8}T[0-9]{6}Z")
ENCRYPTED = b"Salted__"


class RefusedError(Exception):
    """It cannot be done; the words say why, and hold no secret."""


def read_json(path: Path) -> dict:
    return json.loads(path.read_text())


def write(path: Path, text: str, mode: int = 0o600) -> None:
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)


def moment() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def command(*words: str, quiet: bool = False) -> str:
    """Run it, and return what it said. Raises RefusedError with its last words."""
    done = subprocess.run(words, cwd="/", capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0 and not quiet:
        said = (done.stderr + done.stdout).strip()[-1500:] or "it said nothing"
        raise RefusedError(f"`{' '.join(words[:6])}` ended with {done.returncode}: {said}")
    return done.stdout


def as_postgres(*words: str, quiet: bool = False) -> str:
    # A backup's own session waits for hours while files are copied: no limit on people at the prompt may end it.
    limits = "PGOPTIONS=-c idle_session_timeout=0 -c statement_timeout=0"
    return command("runuser", "-u", "postgres", "--", "env", limits, *words, quiet=quiet)


def pgbackrest(*words: str) -> str:
    return as_postgres("pgbackrest", f"--stanza={STANZA}", *words)


def ask(query: str) -> str:
    """Return PostgreSQL's answer, "" where it does not give one."""
    return as_postgres("psql", "-XAtqwc", query, quiet=True).strip()


def digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sealed(text: str, key: bytes) -> str:
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def order(segment: str) -> str:
    """Return what orders segments of PostgreSQL's journal, whatever their timeline."""
    return segment[8:24]


class Place:
    """Where backups lie: PostgreSQL's repository, and one folder with a manifest for each backup."""

    def __init__(self, to: Path, key: bytes) -> None:
        self.to, self.key = to, key
        self.repository, self.sets = to / "postgres", to / "sets"

    def names(self) -> list[str]:
        found = [path.name for path in self.sets.iterdir()] if self.sets.is_dir() else []
        return sorted((name for name in found if ID.fullmatch(name)), reverse=True)

    def manifest(self, name: str) -> dict:
        """Return a manifest whose seal holds. Raises RefusedError."""
        folder = self.sets / name
        if not ID.fullmatch(name) or not folder.is_dir():
            raise RefusedError(f"there is no backup {name} in {self.sets}")
        try:
            text, seal = (folder / "manifest.json").read_text(), (folder / "manifest.mac").read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise RefusedError(f"backup {name}: its manifest cannot be read ({error})") from error
        if not hmac.compare_digest(sealed(text, self.key), seal):
            raise RefusedError(f"backup {name}: its manifest was changed, or another deployment made it")
        return json.loads(text)

    def add(self, name: str, manifest: dict) -> None:
        text = json.dumps(manifest, sort_keys=True)
        beside = self.sets / f".{name}"
        beside.mkdir(mode=0o700, exist_ok=True)
        write(beside / "manifest.json", text)
        write(beside / "manifest.mac", sealed(text, self.key) + "\n")
        beside.replace(self.sets / name)

    def drop(self, name: str) -> None:
        for path in (self.sets / name).iterdir():
            path.unlink()
        (self.sets / name).rmdir()

    def segments(self) -> dict[str, str]:
        """Return PostgreSQL's archived journal: path -> segment."""
        found = (self.repository / "archive" / STANZA).rglob("*")
        return {str(path.relative_to(self.to)): match[1] for path in found if (match := SEGMENT.match(path.name))}

    def wrong(self, files: dict[str, list], whole: bool) -> Iterator[str]:
        """Say of each file what is not as it was; without `whole` only what its size tells."""
        for name, (size, sum_) in sorted(files.items()):
            path = self.to / name
            try:
                now = path.stat().st_size
                if now != size:
                    yield f"{name} has {now} bytes and had {size}"
                elif whole and digest(path) != sum_:
                    yield f"{name} has other content than it had"
            except OSError as error:
                yield f"{name} cannot be read ({error.strerror})"

    def problems(self, name: str, whole: bool = True, onwards: bool = False) -> list[str]:
        """Return what is wrong with a backup; `onwards` also with the journal that was archived after it."""
        try:
            manifest = self.manifest(name)
            files = {**manifest["files"], **manifest["journal"]}
            for later in self.names() if onwards else ():
                files |= self.manifest(later)["journal"] if later > name else {}
        except RefusedError as refused:
            return [str(refused)]
        # What ends before the backup began is not needed for it, and goes with older backups.
        start = order(manifest["holds"]["postgres"]["journal_from"])
        needed = {
            path: row
            for path, row in files.items()
            if not (match := SEGMENT.match(Path(path).name)) or order(match[1]) >= start
        }
        return list(self.wrong(needed, whole))


def information() -> dict:
    """Return what pgBackRest knows of its repository."""
    return json.loads(pgbackrest("--output=json", "info"))[0]


def written(place: Place, labels: list[str]) -> list[Path]:
    """Return the files of backups in the repository, for each label."""
    folders = [place.repository / "backup" / STANZA / label for label in labels]
    return [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def made(place: Place, config: dict, started: str, row: dict) -> dict:
    """Return the manifest of a backup that pgBackRest has just made; what older manifests hold is not summed again."""
    known: dict[str, list] = {}
    for name in place.names():
        try:
            older = place.manifest(name)
            known |= {**older["files"], **older["journal"]}
        except RefusedError:
            continue  # its own verify says so; nothing is taken from it

    def rows(paths: list[Path]) -> dict[str, list]:
        found = {}
        for path in paths:
            relative = str(path.relative_to(place.to))
            found[relative] = known.get(relative) or [path.stat().st_size, digest(path)]
        return found

    segments = place.segments()
    needed = {order(row["archive"][end]) for end in ("start", "stop")}
    new = [name for name, segment in segments.items() if name not in known or min(needed) <= order(segment)]
    sizes = ask("select json_object_agg(datname, pg_database_size(oid)) from pg_database where datallowconn")
    return {
        "format": 1,
        "deployment": config["deployment"],
        "host": os.uname().nodename,
        "started": started,
        "finished": moment(),
        "holds": {
            "postgres": {
                "kind": row["type"],
                "label": row["label"],
                "journal_from": row["archive"]["start"],
                "journal_to": row["archive"]["stop"],
                "databases": json.loads(sizes or "{}"),
            }
        },
        "leaves_out": config["leaves_out"],
        "same_disk": place.to.stat().st_dev == Path("/var/lib/postgresql").stat().st_dev,
        "files": rows(written(place, [*(row.get("reference") or ()), row["label"]])),
        "journal": rows([place.to / name for name in new]),
    }


def run(place: Place, config: dict) -> dict:
    """Make a backup. Raises RefusedError, also where what was written cannot be read back as it was."""
    if (STATE / "restoring").exists():
        raise RefusedError("a restore was begun here and has not ended: finish it (restore) before the next backup")
    started = moment()
    full = [row for row in information()["backup"] if row["type"] == "full" and not row.get("error")]
    young = [row for row in full if row["timestamp"]["stop"] > time.time() - FULL_DAYS * 86400 + 3600]
    pgbackrest("backup", f"--type={'incr' if young else 'full'}")
    rows = information()["backup"]
    name = started.replace("-", "").replace(":", "")
    place.add(name, made(place, config, started, rows[-1]))
    kept = {row["label"] for row in rows}
    for other in place.names():
        try:
            gone = place.manifest(other)["holds"]["postgres"]["label"] not in kept
        except RefusedError:
            gone = False  # a person has to look at it
        if gone:
            place.drop(other)
    return verify(place, name)


def verify(place: Place, name: str) -> dict:
    problems = place.problems(name)
    answer = {"id": name, "at": moment(), "problems": problems[:50], "wrong": len(problems)}
    if name == next(iter(place.names()), ""):
        write(STATE / "verified.json", json.dumps(answer))
    return answer


def look(place: Place) -> dict:
    newest = next(iter(place.names()), "")
    if not newest:
        return {"id": "", "problems": [f"there is no backup in {place.sets}"], "read": None}
    try:
        read = read_json(STATE / "verified.json")
    except (OSError, ValueError):
        read = None
    return {"id": newest, "problems": place.problems(newest, whole=False)[:5], "read": read}


def listed(place: Place) -> dict:
    found = []
    for name in place.names():
        try:
            manifest = place.manifest(name)
            size = sum(row[0] for row in manifest["files"].values())
            told = {key: manifest[key] for key in ("started", "finished", "holds", "leaves_out", "same_disk", "host")}
            found.append({"id": name, "bytes": size, "problem": "", **told})
        except RefusedError as refused:
            found.append({"id": name, "problem": str(refused)})
    return {"to": str(place.to), "backups": found}


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


def prepare(place: Place, config: dict) -> dict:
    """Have everything a backup needs. What belongs to another server is left alone, and said."""
    done = []
    wanted = (place.to, "711", "root"), (place.repository, "700", "postgres"), (place.sets, "700", "root")
    for path, mode, owner in wanted:
        if not path.is_dir():
            command("install", "-d", "-m", mode, "-o", owner, "-g", owner, str(path))
            done.append(f"made {path}")
    state = information()
    if state["status"]["code"] == 1:  # no such stanza
        pgbackrest("stanza-create")
        done.append("made PostgreSQL's repository")
        state = information()
    ours = ask("select system_identifier from pg_control_system()")
    if str(state["db"][-1]["system-id"]) != ours:
        # A new host in the place of an old one, or a mistake: either way the next word is a person's.
        return {"done": done, "foreign": True}
    if not place.names():
        command("systemctl", "start", "hedgerow-backup.service")
        done.append("made the first backup")
    elif missing := holes(place, state, ask("select last_archived_wal from pg_stat_archiver")):
        # Nothing brings them back, and behind them no moment can be gone back to: from here on it can again.
        command("systemctl", "start", "hedgerow-backup.service")
        done.append(f"made a backup: {missing} pieces of the journal since the newest were missing")
    return {"done": done, "foreign": False}


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


def restore(place: Place, name: str, at: str, version: str) -> dict:
    """Put PostgreSQL back. Nothing is touched unless all that will be read is as it was made."""
    if problems := place.problems(name, onwards=bool(at)):
        raise RefusedError(f"backup {name} is not as it was made, and nothing was touched: {'; '.join(problems[:5])}")
    label = place.manifest(name)["holds"]["postgres"]["label"]
    unit, data = f"postgresql@{version}-main.service", Path("/var/lib/postgresql") / version / "main"
    # A moment is found by the first commit after it: this is one, for a server that had nothing to do since.
    ask("select pg_current_xact_id()")
    write(STATE / "restoring", name + "\n")
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
    (STATE / "restoring").unlink()
    sizes = ask("select json_object_agg(datname, pg_database_size(oid)) from pg_database where datallowconn")
    return {"id": name, "at": at, "databases": json.loads(sizes or "{}")}


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
        case ["look"] | ["verify"]:
            answer = look(place)
        case ["verify", name]:
            answer = verify(place, name)
        case ["restore", name, *at] if len(at) <= 1:
            answer = restore(place, name, "".join(at), config["postgres_version"])
        case _:
            answer = None
    return answer


def main(words: list[str]) -> int:
    config = read_json(CONFIG)
    place = Place(Path(config["to"]), KEY.read_bytes().strip())
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
    print(json.dumps(answer))
    for problem in answer.get("problems", ()):
        print(f"hedgerow-backup: {problem}", file=sys.stderr)
    return 1 if answer.get("problems") else 0


def alone(lock: TextIO) -> None:
    """Keep every other run out until this one ends, however it ends. Raises RefusedError."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise RefusedError("a backup or a restore is at work just now") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

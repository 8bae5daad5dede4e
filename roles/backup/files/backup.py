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
  backup restore ID [AT [EVENTS]]
                          prove it, then put PostgreSQL and this host's files back as they were when it ended, or
                          PostgreSQL at a moment (UTC), "" for none; ClickHouse from the backup EVENTS, without what
                          came after the moment; where none is named it stays as it is

PostgreSQL's part is made by pgBackRest, which encrypts before it writes; ClickHouse makes its own, which OpenSSL
encrypts, as what is on this host alone. Beside them stands a manifest of ours: size and SHA-256 of every file that a
restore reads, under a MAC whose key is not there.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import sys
import tarfile
import time
from pathlib import Path
from typing import BinaryIO, TextIO

# Told to look nowhere else (-I). What Python would keep compiled is a file that nobody placed.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
from backing import host_files, postgres  # noqa: E402 - found by the path above
from backing.base import STATE, RefusedError, command, digest, moment, read_json, write  # noqa: E402
from backing.clickhouse import ClickHouse  # noqa: E402
from backing.places import ARCHIVE, Place, order  # noqa: E402
from backing.postgres import ask, holes, information, pgbackrest  # noqa: E402

CONFIG = Path("/etc/hedgerow/backup/config.json")
KEY = Path("/etc/hedgerow/backup/manifest.key")
LOCK = Path("/run/lock/hedgerow-backup")
FULL_DAYS = 7
ELSEWHERE = "the seed of the owner's second factor, which was not on this host"


def made(place: Place, config: dict, name: str, row: dict, events: dict) -> dict:
    """Write what is on this host alone; return the manifest. What older ones hold is not summed again."""
    known: dict[str, list] = {}
    for other in place.names():
        try:
            older = place.manifest(other)
            known |= {**older["files"], **older["journal"]}
        except RefusedError:
            continue  # its own verify says so; nothing is taken from it

    def rows(sizes: dict[str, int]) -> dict[str, list]:
        return {path: known.get(path) or [size, place.shelf.digest(path)] for path, size in sizes.items()}

    segments = place.segments()
    needed = {order(row["archive"][end]) for end in ("start", "stop")}
    new = {path for path, segment in segments.items() if path not in known or min(needed) <= order(segment)}
    files = rows(postgres.written(place, [*(row.get("reference") or ()), row["label"]]))
    sealed_up, kept = host_files.packed(config["keeps"])
    if sealed_up:
        (place.begun(name) / host_files.FILE).write_bytes(sealed_up)
    for file in sorted(place.begun(name).iterdir()):
        files[f"sets/{name}/{file.name}"] = [file.stat().st_size, digest(file)]
    if base := events.get("base"):
        # It goes on from that one, and is nothing without it.
        older = place.manifest(base)["files"]
        files |= {path: sum_ for path, sum_ in older.items() if path.startswith(f"sets/{base}/clickhouse.")}
    return {
        "format": 1,
        "deployment": config["deployment"],
        "host": os.uname().nodename,
        "started": f"{name[:4]}-{name[4:6]}-{name[6:11]}:{name[11:13]}:{name[13:]}",
        "finished": moment(),
        "holds": {
            "postgres": {
                "kind": row["type"],
                "label": row["label"],
                "journal_from": row["archive"]["start"],
                "journal_to": row["archive"]["stop"],
                "databases": postgres.sizes(),
            },
            **({"clickhouse": events} if events else {}),
            **({"host": {"files": kept}} if kept else {}),
        },
        "leaves_out": config["leaves_out"] | ({"second factor": ELSEWHERE} if config["keeps"] and not kept else {}),
        "same_disk": bool(place.folder and place.folder.stat().st_dev == Path("/var/lib/postgresql").stat().st_dev),
        "files": files,
        "journal": rows({path: said[0] for path, said in place.shelf.files(ARCHIVE).items() if path in new}),
    }


def run(place: Place, config: dict) -> dict:
    """Make a backup. Raises RefusedError, also where what was written cannot be read back as it was."""
    if (STATE / "restoring").exists():
        raise RefusedError("a restore was begun here and has not ended: finish it (restore) before the next backup")
    name = moment().replace("-", "").replace(":", "")
    place.tidy()
    full = [row for row in information()["backup"] if row["type"] == "full" and not row.get("error")]
    young = [row for row in full if row["timestamp"]["stop"] > time.time() - FULL_DAYS * 86400 + 3600]
    # Events first: a person is in PostgreSQL before her event is in ClickHouse, so that no event is of one unknown.
    events = {}
    if config["clickhouse"]:
        base = full_events(place, young[-1]["label"]) if young else ""
        events = ClickHouse(config["clickhouse"]).back_up(name, base, place.begun(name))
    pgbackrest("backup", f"--type={'incr' if young else 'full'}")
    rows = information()["backup"]
    place.add(name, made(place, config, name, rows[-1], events))
    kept = {row["label"] for row in rows}
    for other in place.names():
        try:
            gone = place.manifest(other)["holds"]["postgres"]["label"] not in kept
        except RefusedError:
            gone = False  # a person has to look at it
        if gone:
            place.drop(other)
    return verify(place, name)


def full_events(place: Place, week: str) -> str:
    """Return the newest full backup of ClickHouse among those of PostgreSQL's full backup `week`; "" where none is.

    Both weeks are one, so that what another goes on from is never let go of before it.
    """
    for name in place.names():
        try:
            holds = place.manifest(name)["holds"]
        except RefusedError:
            continue
        if holds["postgres"]["label"].startswith(week) and holds.get("clickhouse", {}).get("kind") == "full":
            return name
    return ""


def verify(place: Place, name: str) -> dict:
    problems = place.problems(name)
    answer = {"id": name, "at": moment(), "problems": problems[:50], "wrong": len(problems)}
    if name == next(iter(place.names()), ""):
        write(STATE / "verified.json", json.dumps(answer))
    return answer


def look(place: Place) -> dict:
    newest = next(iter(place.names()), "")
    if not newest:
        return {"id": "", "holds": [], "problems": [f"there is no backup in {place.to}"], "read": None}
    try:
        read = read_json(STATE / "verified.json")
    except (OSError, ValueError):
        read = None
    problems = place.problems(newest, whole=False)[:5]
    holds = [] if problems else sorted(place.manifest(newest)["holds"])
    return {"id": newest, "holds": holds, "problems": problems, "read": read}


def remembered() -> dict:
    """Return what the last run saw, for whoever looks every few minutes and has no way to where backups lie."""
    try:
        read = read_json(STATE / "verified.json")
    except (OSError, ValueError):
        return {"id": "", "problems": ["no backup was read back here yet"], "read": None}
    return {"id": read["id"], "problems": read["problems"][:5], "read": read}


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
    return {"to": place.to, "backups": found}


def prepare(place: Place, config: dict) -> dict:
    """Have everything a backup needs. What belongs to another server is left alone, and said."""
    done = []
    to = place.folder
    for path, mode, owner in (
        ((to, "711", "root"), (to / "postgres", "700", "postgres"), (to / "sets", "700", "root")) if to else ()
    ):
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
    elif config["clickhouse"] and "clickhouse" not in look(place)["holds"]:
        command("systemctl", "start", "hedgerow-backup.service")
        done.append("made a backup: the newest held nothing of ClickHouse, or was not as it was made")
    elif missing := holes(place, state, ask("select last_archived_wal from pg_stat_archiver")):
        # Nothing brings them back, and behind them no moment can be gone back to: from here on it can again.
        command("systemctl", "start", "hedgerow-backup.service")
        done.append(f"made a backup: {missing} pieces of the journal since the newest were missing")
    return {"done": done, "foreign": False}


def restore(place: Place, config: dict, name: str, at: str, events: str) -> dict:
    """Put back what a backup holds. Nothing is touched unless all that will be read is as it was made."""
    for each in dict.fromkeys(filter(None, (name, events))):
        if problems := place.problems(each, onwards=bool(at) and each == name):
            raise RefusedError(f"backup {each} is not as it was made; nothing was touched: {'; '.join(problems[:5])}")
    held = place.manifest(events)["holds"].get("clickhouse") if events else None
    if events and not (held and config["clickhouse"]):
        raise RefusedError(f"backup {events} holds nothing of ClickHouse, or it does not run here; nothing was touched")
    holds = place.manifest(name)["holds"]
    # Fetched before anything is touched, where they are not on this host: what was read may not be there twice.
    sets = [name] * ("host" in holds) + ([*filter(None, (held["base"], events))] if held else [])
    parts = [path for path in place.shelf.files("sets") if path.endswith(".enc") and path.split("/")[1] in sets]
    here = place.shelf.at_hand(parts, STATE / "fetched") / "sets"
    files = host_files.opened(here / name / host_files.FILE) if "host" in holds else {}
    # A moment is found by the first commit after it: this is one, for a server that had nothing to do since.
    ask("select pg_current_xact_id()")
    write(STATE / "restoring", name + "\n")
    postgres.put_back(name, holds["postgres"]["label"], at, config["postgres_version"])
    host_files.put_back(files)
    answer = {"id": name, "at": at, "databases": postgres.sizes(), "files": sorted(files)}
    if held:
        store = ClickHouse(config["clickhouse"])
        store.put_back(events, held["base"], here)
        gone = store.cut(at) if at and at != "latest" else {}
        answer["events"] = {"from": events, "rows": store.tables(), "deleted": gone}
    (STATE / "restoring").unlink()
    shutil.rmtree(STATE / "fetched", ignore_errors=True)
    return answer


def give(place: Place, into: BinaryIO) -> dict:
    """Write all that lies there as an archive of tar, so that it can be laid down as a folder elsewhere."""
    folders: set[str] = set()

    def owned(row: tarfile.TarInfo, mode: int) -> tarfile.TarInfo:
        row.uid = row.gid = 0  # whoever lays it down goes by the names
        row.uname = row.gname = "postgres" if row.name.split("/")[0] == "postgres" else "root"
        row.mode = mode
        return row

    with tarfile.open(fileobj=into, mode="w|") as archive:
        for name in sorted(place.shelf.files()):
            try:
                path = place.shelf.at_hand([name], STATE / "given") / name
                with path.open("rb") as content:
                    row = owned(archive.gettarinfo(arcname=name, fileobj=content), 0o600)
                    for above in reversed(Path(name).parents[:-1]):
                        if str(above) not in folders:
                            folders.add(str(above))
                            row_above = tarfile.TarInfo(str(above))
                            row_above.type = tarfile.DIRTYPE
                            archive.addfile(owned(row_above, 0o700))
                    archive.addfile(row, content)
            except OSError as error:
                if error.errno not in (errno.ENOENT, place.shelf.MISSING):
                    raise
                # It went while the others were read; what a restore needs is read whole before it is used.
    shutil.rmtree(STATE / "given", ignore_errors=True)
    return {}


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
        case ["restore", name, *more] if len(more) <= 2:
            at, events = (*more, "", "")[:2]
            answer = restore(place, config, name, at, events)
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
    """Keep every other run out until this one ends, however it ends. Raises RefusedError."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise RefusedError("a backup or a restore is at work just now") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

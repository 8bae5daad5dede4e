"""Making a backup: of each store by its own means, with a manifest over all of it, and read back in the end."""

from __future__ import annotations

import base64
import os
import subprocess
import time
from pathlib import Path

from backing import host_files, postgres, valkey
from backing.base import STATE, RefusedError, command, digest, moment
from backing.clickhouse import ClickHouse
from backing.places import ARCHIVE, Place, order
from backing.postgres import ask, holes, information, pgbackrest
from backing.reading import look, verify

DEPLOYMENT = Path("/etc/hedgerow/backup/deployment.sealed")
UNIT = "hedgerow-backup.service"
FULL_DAYS = 7
ELSEWHERE = "the seed of the owner's second factor, which was not on this host"


def run(place: Place, config: dict) -> dict:
    """Make a backup. Raises RefusedError, also where what was written cannot be read back as it was."""
    if (STATE / "restoring").exists():
        raise RefusedError("a restore was begun here and has not ended: finish it (restore) before the next backup")
    name = moment().replace("-", "").replace(":", "")
    place.tidy()
    full = [row for row in information()["backup"] if row["type"] == "full" and not row.get("error")]
    young = [row for row in full if row["timestamp"]["stop"] > time.time() - FULL_DAYS * 86400 + 3600]
    # Events first: a person is in PostgreSQL before her event is in ClickHouse, so that no event is of one unknown.
    others = {}
    if config["clickhouse"]:
        base = full_events(place, young[-1]["label"]) if young else ""
        others["clickhouse"] = ClickHouse(config["clickhouse"]).back_up(name, base, place.begun(name))
    others["valkey"] = valkey.back_up(place.begun(name))
    if DEPLOYMENT.is_file():
        # Encrypted by the controller, under its vault's key: what opens a backup is in it.
        file = place.begun(name) / "deployment.enc"
        file.write_bytes(base64.b64decode(DEPLOYMENT.read_text()))
        others["deployment"] = {"bytes": file.stat().st_size}
    pgbackrest("backup", f"--type={'incr' if young else 'full'}")
    rows = information()["backup"]
    place.add(name, made(place, config, name, rows[-1], others))
    kept = {row["label"] for row in rows}
    for other in place.names():
        try:
            gone = place.manifest(other)["holds"]["postgres"]["label"] not in kept
        except RefusedError:
            gone = False  # a person has to look at it
        if gone:
            place.drop(other)
    return verify(place, name)


def made(place: Place, config: dict, name: str, row: dict, others: dict[str, dict]) -> dict:
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
    if base := others.get("clickhouse", {}).get("base"):
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
            **others,
            **({"host": {"files": kept}} if kept else {}),
        },
        "leaves_out": config["leaves_out"] | ({"second factor": ELSEWHERE} if config["keeps"] and not kept else {}),
        "same_disk": bool(place.folder and place.folder.stat().st_dev == Path("/var/lib/postgresql").stat().st_dev),
        "files": files,
        "journal": rows({path: said[0] for path, said in place.shelf.files(ARCHIVE).items() if path in new}),
    }


def by_its_unit() -> None:
    """Have the unit make a backup, as the timer does. Raises RefusedError with the unit's own last words."""
    started = subprocess.run(["systemctl", "start", UNIT], capture_output=True, text=True, check=False)
    if started.returncode != 0:
        words = ("journalctl", "-q", "-u", UNIT, "-n", "12", "-o", "cat", "--no-pager")
        # The program's answer, one object, says the same again.
        said = [line for line in command(*words, quiet=True).splitlines() if not line.startswith("{")]
        raise RefusedError("\n".join((f"{UNIT} made no backup:", *(said or started.stderr.splitlines()))))


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
    postgres.let_go()
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
        by_its_unit()
        done.append("made the first backup")
    elif lacking := sorted({"valkey", *(["clickhouse"] if config["clickhouse"] else [])} - set(look(place)["holds"])):
        by_its_unit()
        done.append(f"made a backup: the newest held nothing of {' and '.join(lacking)}, or was not as it was made")
    elif missing := holes(place, state, ask("select last_archived_wal from pg_stat_archiver")):
        # Nothing brings them back, and behind them no moment can be gone back to: from here on it can again.
        by_its_unit()
        done.append(f"made a backup: {missing} pieces of the journal since the newest were missing")
    return {"done": done, "foreign": False}

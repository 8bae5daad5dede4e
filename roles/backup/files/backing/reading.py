"""What is known of backups that were made: read whole, at a glance, listed, or given away as an archive."""

from __future__ import annotations

import errno
import json
import shutil
import tarfile
from pathlib import Path
from typing import BinaryIO

from backing.base import STATE, RefusedError, moment, read_json, write
from backing.places import Place


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

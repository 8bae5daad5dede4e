"""Where backups lie, and whether what lies there is as it was made."""

from __future__ import annotations

import hmac
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from backing.base import STATE, RefusedError, sealed, write
from backing.shelves import Folder, Repository

STANZA = "hedgerow"
# Whole ones alone: while one is written, its name goes on with .pgbackrest.tmp, and a moment later it is gone.
SEGMENT = re.compile(r"([0-9A-F]{24})-[0-9a-f]{40}(\.[a-z0-9]+)?")
ID = re.compile(r"[0-9]{8}T[0-9]{6}Z")
ARCHIVE = f"postgres/archive/{STANZA}"


def order(segment: str) -> str:
    """Return what orders segments of PostgreSQL's journal, whatever their timeline."""
    return segment[8:24]


class Place:
    """Where backups lie: PostgreSQL's repository, and one folder with a manifest for each backup.

    `to` is a folder of this host's, or where pgBackRest's repository is, as it was declared.
    """

    def __init__(self, to: str, key: bytes, shelf: Repository | None = None) -> None:
        self.to, self.key = to, key
        self.shelf = shelf or (Repository() if "://" in to else Folder(Path(to)))
        self.folder = self.shelf.root if isinstance(self.shelf, Folder) else None

    def names(self) -> list[str]:
        """Return the backups that are there, the newest first; one without a seal was never whole."""
        paths = (name.split("/") for name in self.shelf.files("sets"))
        found = {path[1] for path in paths if len(path) == 3 and path[2] == "manifest.mac"}
        return sorted((name for name in found if ID.fullmatch(name)), reverse=True)

    def manifest(self, name: str) -> dict:
        """Return a manifest whose seal holds. Raises RefusedError."""
        if not ID.fullmatch(name):
            raise RefusedError(f"there is no backup {name} in {self.to}")
        try:
            text = self.shelf.read(f"sets/{name}/manifest.json").decode()
            seal = self.shelf.read(f"sets/{name}/manifest.mac").decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise RefusedError(f"backup {name}: its manifest cannot be read in {self.to} ({error})") from error
        if not hmac.compare_digest(sealed(text, self.key), seal):
            raise RefusedError(f"backup {name}: its manifest was changed, or another deployment made it")
        return json.loads(text)

    def add(self, name: str, manifest: dict) -> None:
        text = json.dumps(manifest, sort_keys=True)
        beside = self.begun(name)
        write(beside / "manifest.json", text)
        write(beside / "manifest.mac", sealed(text, self.key) + "\n")
        self.shelf.take(beside, f"sets/{name}")

    def begun(self, name: str) -> Path:
        """Return the folder on this host of a backup that is being made; it takes its name when all is in it."""
        beside = self._beginnings() / f".{name}"
        beside.mkdir(mode=0o700, parents=True, exist_ok=True)
        return beside

    def _beginnings(self) -> Path:
        return self.folder / "sets" if self.folder else STATE / "making"

    def tidy(self) -> None:
        """Remove what a killed run left of a backup that never was one."""
        begun = self._beginnings()
        for path in begun.iterdir() if begun.is_dir() else ():
            if ID.fullmatch(path.name.removeprefix(".")) and path.name.startswith("."):
                shutil.rmtree(path)
        whole = set(self.names())
        for name in {path.split("/")[1] for path in self.shelf.files("sets")} - whole:
            if ID.fullmatch(name):
                self.drop(name)

    def drop(self, name: str) -> None:
        self.shelf.remove(f"sets/{name}")

    def segments(self) -> dict[str, str]:
        """Return PostgreSQL's archived journal: path -> segment."""
        found = self.shelf.files(ARCHIVE)
        return {name: match[1] for name in found if (match := SEGMENT.fullmatch(name.rpartition("/")[2]))}

    def youngest(self) -> float:
        """Return when the youngest file of the journal was written, in seconds since 1970; 0 where there is none."""
        return max((time for _, time in self.shelf.files(ARCHIVE).values()), default=0.0)

    def wrong(self, files: dict[str, list], whole: bool) -> Iterator[str]:
        """Say of each file what is not as it was; without `whole` only what its size tells."""
        there = self.shelf.files()
        for name, (size, sum_) in sorted(files.items()):
            if name not in there:
                yield f"{name} cannot be read (it is not there)"
            elif there[name][0] != size:
                yield f"{name} has {there[name][0]} bytes and had {size}"
            elif whole and (why := self._other(name, sum_)):
                yield why

    def _other(self, name: str, sum_: str) -> str:
        try:
            return "" if self.shelf.digest(name) == sum_ else f"{name} has other content than it had"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"

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
            if not (match := SEGMENT.fullmatch(Path(path).name)) or order(match[1]) >= start
        }
        return list(self.wrong(needed, whole))

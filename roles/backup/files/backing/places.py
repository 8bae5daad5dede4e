"""Where backups lie, and whether what lies there is as it was made."""

from __future__ import annotations

import hmac
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from backing.base import RefusedError, digest, sealed, write

STANZA = "hedgerow"
SEGMENT = re.compile(r"([0-9A-F]{24})-[0-9a-f]{40}")
ID = re.compile(r"[0-9]{8}T[0-9]{6}Z")


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
        beside = self.begun(name)
        write(beside / "manifest.json", text)
        write(beside / "manifest.mac", sealed(text, self.key) + "\n")
        beside.replace(self.sets / name)

    def begun(self, name: str) -> Path:
        """Return the folder of a backup that is being made; it takes its name when all is in it."""
        beside = self.sets / f".{name}"
        beside.mkdir(mode=0o700, exist_ok=True)
        return beside

    def tidy(self) -> None:
        """Remove what a killed run left of a backup that never was one."""
        for path in self.sets.iterdir() if self.sets.is_dir() else ():
            if ID.fullmatch(path.name.removeprefix(".")) and path.name.startswith("."):
                shutil.rmtree(path)

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

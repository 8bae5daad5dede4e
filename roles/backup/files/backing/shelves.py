"""What a place of backups can do, whatever it is: a folder of this host's, or one that pgBackRest alone can reach.

Names are relative: "postgres/..." is pgBackRest's repository, "sets/ID/..." ours. For SFTP and object storage its own
commands carry our files (`repo-put` and its like): one client, one set of keys, and three kinds of storage. pgBackRest
calls them internal; so each file is read back after it was written (`backup verify`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from backing.base import RefusedError, digest

BLOCK = 1 << 20
# What it has to complain of belongs beside a file's content, not into it.
APART = ("--stanza=hedgerow", "--log-level-console=off", "--log-level-stderr=warn")
REPOSITORY = "postgres/"


class Folder:
    """A folder of this host's, a mounted share among them."""

    MISSING = errno.ENOENT

    def __init__(self, root: Path) -> None:
        self.root = root

    def files(self, under: str = "") -> dict[str, list]:
        """Return size in bytes and time of each file below a folder, which need not be there."""
        found = {}
        for path in (self.root / under).rglob("*"):
            # Links are pgBackRest's own, to a folder that is seen anyhow; a file may go while it is looked at.
            if path.is_symlink() or not path.is_file():
                continue
            try:
                said = path.stat()
            except FileNotFoundError:
                continue
            found[str(path.relative_to(self.root))] = [said.st_size, said.st_mtime]
        return found

    def read(self, name: str) -> bytes:
        """Return a small file. Raises OSError."""
        return (self.root / name).read_bytes()

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file, in hex. Raises OSError."""
        return digest(self.root / name)

    def take(self, folder: Path, name: str) -> None:
        """Have the files of a folder of this host's, all at once, under a name that nothing has yet."""
        folder.replace(self.root / name)

    def write(self, name: str, data: bytes) -> None:
        """Write a small file whole, or not at all."""
        path = self.root / name
        beside = path.with_name(f".{path.name}.new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)

    def at_hand(self, names: list[str], _folder: Path) -> Path:
        """Return the folder below which these files can be opened."""
        return self.root

    def remove(self, name: str) -> None:
        """Remove a folder and what is in it."""
        shutil.rmtree(self.root / name)


class Repository:
    """What pgBackRest's configuration calls its repository, wherever that is; it is asked as PostgreSQL's account."""

    MISSING = 55  # pgBackRest's own number for a file that is not there (src/common/error/error.auto.h, FileMissing)

    def __init__(self, program: tuple[str, ...] = ("runuser", "-u", "postgres", "--", "pgbackrest")) -> None:
        self.program = (*program, *APART)

    def files(self, under: str = "") -> dict[str, list]:
        """Return size in bytes and time of each file below a folder, which need not be there."""
        told = json.loads(self._run("repo-ls", "--recurse", "--output=json", *filter(None, [_theirs(under)])))
        return {
            name: [row["size"], row["time"]]
            for path, row in told.items()
            if row["type"] == "file"
            for name in [_ours(f"{_theirs(under)}/{path}".lstrip("/") if path != "." else _theirs(under))]
            if name.startswith(under)
        }

    def read(self, name: str) -> bytes:
        """Return a small file. Raises OSError."""
        done = self._start("repo-get", "--raw", _theirs(name))
        said, why = done.communicate()
        _demand(done, why, name)
        return said

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file, in hex. Raises OSError."""
        sum_ = hashlib.sha256()
        with self._start("repo-get", "--raw", _theirs(name)) as going:
            while block := going.stdout.read(BLOCK):
                sum_.update(block)
            why = going.stderr.read()
        _demand(going, why, name)
        return sum_.hexdigest()

    def take(self, folder: Path, name: str) -> None:
        """Have the files of a folder of this host's; what makes a backup of them, its manifest's seal, comes last."""
        for path in sorted(folder.iterdir(), key=lambda path: (path.suffix == ".mac", path.name)):
            self._put(f"{name}/{path.name}", path)
        shutil.rmtree(folder)

    def write(self, name: str, data: bytes) -> None:
        """Write a small file."""
        self._run("repo-put", "--raw", _theirs(name), data=data)

    def at_hand(self, names: list[str], folder: Path) -> Path:
        """Fetch these files into a folder of this host's, and return it."""
        shutil.rmtree(folder, ignore_errors=True)
        for name in names:
            path = folder / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("wb") as stream:
                done = subprocess.run(
                    [*self.program, "repo-get", "--raw", _theirs(name)],
                    cwd="/", stdout=stream, stderr=subprocess.PIPE, check=False,
                )  # fmt: skip
            _demand(done, done.stderr, name)
        return folder

    def remove(self, name: str) -> None:
        """Remove a folder and what is in it."""
        self._run("repo-rm", "--recurse", _theirs(name))

    def _put(self, name: str, path: Path) -> None:
        with path.open("rb") as stream:
            done = subprocess.run(
                [*self.program, "repo-put", "--raw", _theirs(name)],
                cwd="/", stdin=stream, capture_output=True, check=False,
            )  # fmt: skip
        if done.returncode != 0:
            raise RefusedError(f"{name} could not be written: {_words(done.stderr + done.stdout)}")

    def _start(self, *words: str) -> subprocess.Popen:
        return subprocess.Popen([*self.program, *words], cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def _run(self, *words: str, data: bytes = b"") -> str:
        done = subprocess.run([*self.program, *words], cwd="/", input=data, capture_output=True, check=False)
        if done.returncode != 0:
            raise RefusedError(f"pgbackrest {words[0]} failed: {_words(done.stderr + done.stdout)}")
        return done.stdout.decode()


def _demand(done: subprocess.Popen | subprocess.CompletedProcess, why: bytes, name: str) -> None:
    if done.returncode != 0:
        raise OSError(done.returncode, _words(why) or "it is not there", name)


def _words(said: bytes) -> str:
    return said.decode(errors="replace").strip()[-400:]


def _theirs(name: str) -> str:
    """Return what pgBackRest calls a file: its own lie at the root of its repository, and ours beside them."""
    return name.removeprefix(REPOSITORY).rstrip("/") if name != REPOSITORY.rstrip("/") else ""


def _ours(path: str) -> str:
    return path if path.startswith("sets/") else f"{REPOSITORY}{path}"

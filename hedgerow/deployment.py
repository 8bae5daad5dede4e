"""The deployment folder: where things are, who works in it, and what was done."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hedgerow.errors import CallError

REPOSITORY = Path(__file__).resolve().parent.parent


def deployments_folder() -> Path:
    """Return the folder that holds every deployment (HEDGEROW_DEPLOYMENTS overrides it)."""
    return Path(os.environ.get("HEDGEROW_DEPLOYMENTS", "") or REPOSITORY / "deployments").absolute()


def keys_folder() -> Path:
    """Return the folder of the vault keys: outside every deployment, so that a copy of one is no secret."""
    config = Path(os.environ.get("XDG_CONFIG_HOME", "") or Path.home() / ".config")
    return config.absolute() / "hedgerow" / "keys"


def now() -> str:
    """Return the UTC time as every record of ours writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_file(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write beside the place and rename, so that a reader or a crash never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            os.fchmod(stream.fileno(), mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def append_line(path: Path, row: dict[str, object]) -> None:
    """Append one JSON object as a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row, sort_keys=True) + "\n")


@dataclass(frozen=True)
class Deployment:
    """One deployment's folder. Nothing in it is a secret in clear."""

    name: str

    @property
    def root(self) -> Path:
        """The folder itself."""
        return deployments_folder() / self.name

    @property
    def declaration(self) -> Path:
        """The declaration this deployment was last installed from."""
        return self.root / "deploy.yml"

    @property
    def secrets(self) -> Path:
        """The vaulted variables Ansible reads."""
        return self.root / "group_vars" / "all" / "secrets.yml"

    @property
    def authority(self) -> Path:
        """The private CA: certificates in clear, the CA's key vaulted; Ansible never reads this folder."""
        return self.root / "authority"

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys."""
        return self.root / "known_hosts"

    def baseline(self, host: str) -> Path:
        """What was seen of the packages of a host (hedgerow/baseline.py)."""
        return self.root / "baseline" / f"{host}.json"

    @property
    def release(self) -> str:
        """The newest release of PostHog that was ever begun to be installed here; "" where none was."""
        marker = self.root / ".release"
        return marker.read_text(encoding="utf-8").strip() if marker.exists() else ""

    @property
    def returned(self) -> str:
        """The older release that a failed upgrade was taken back to, and that has run since; "" where there is none."""
        marker = self.root / ".returned"
        return marker.read_text(encoding="utf-8").strip() if marker.exists() else ""

    def begin(self, release: str) -> None:
        """Remember a release before its first service starts: from then on the databases may be its own."""
        if release == self.returned:
            return  # the newest that was begun stays what it was
        if self.release != release:
            write_file(self.root / ".release", f"{release}\n")
        (self.root / ".returned").unlink(missing_ok=True)

    def take_back(self, release: str) -> None:
        """Remember that this release runs again after a newer one was begun, with PostgreSQL's data of before."""
        if self.release != release:
            write_file(self.root / ".returned", f"{release}\n")

    @property
    def evidence(self) -> Path:
        """One folder a verify run, and `latest`."""
        return self.root / "evidence"

    @property
    def logs(self) -> Path:
        """What Ansible said, one file a converge."""
        return self.root / "logs"

    @property
    def key_file(self) -> Path:
        """The vault key: 0600, outside the deployment."""
        return keys_folder() / f"{self.name}.key"

    @property
    def caller_file(self) -> Path:
        """Our own certificate and key for the edge's interface: 0600, beside the vault key."""
        return keys_folder() / f"{self.name}.interface.pem"

    @property
    def signing_key(self) -> Path:
        """The key that signs bundles of evidence: 0600, beside the vault key. It outlives the deployment."""
        return keys_folder() / f"{self.name}.signing"

    @property
    def allowed_signers(self) -> Path:
        """Whose signatures on bundles are trusted, as ssh-keygen reads it: public halves only."""
        return self.root / "allowed_signers"

    @property
    def bundles(self) -> Path:
        """One line a bundle that was made: the chain, as this side remembers it."""
        return self.root / "bundles.jsonl"

    def exists(self) -> bool:
        """Whether this deployment was ever begun."""
        return self.declaration.exists()

    def source_folder(self) -> Path:
        """Return the folder of the operator's own deploy.yml, which relative paths in it start from."""
        marker = self.root / ".source"
        return Path(marker.read_text().strip()) if marker.exists() else self.root

    def adopt(self, declaration: Path) -> None:
        """Keep a copy of the declaration that this deployment is installed from."""
        self.root.mkdir(parents=True, exist_ok=True)
        if declaration.resolve() != self.declaration.resolve():
            write_file(self.root / ".source", f"{declaration.resolve().parent}\n")
            write_file(self.declaration, declaration.read_bytes())

    def record(self, verb: str, outcome: str, **facts: object) -> None:
        """Append one line to the operator journal: who did what, when, and how it ended."""
        line = {"at": now(), "who": operator(), "verb": verb, "outcome": outcome, **facts}
        append_line(self.root / "journal.jsonl", line)

    @contextmanager
    def lock(self, verb: str) -> Iterator[None]:
        """Keep every other run off this deployment. Raises CallError that names the holder.

        The kernel drops the lock with the process, so a killed run leaves none behind.
        """
        folder = deployments_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f".{self.name}.lock").open("a+", encoding="utf-8") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                stream.seek(0)
                holder = stream.read().strip() or "another run"
                raise CallError(
                    f"{self.name} is being worked on: {holder}", "Wait until it ends, or stop that process."
                ) from None
            stream.truncate(0)
            stream.write(f"{verb} by {operator()}, process {os.getpid()}, since {now()}")
            stream.flush()
            try:
                yield
            finally:
                stream.truncate(0)

    @property
    def keys(self) -> tuple[Path, ...]:
        """The keys that are there and end with the deployment; the one that signs bundles outlives it."""
        return tuple(path for path in (self.key_file, self.caller_file) if path.exists())

    def forget(self) -> None:
        """Shred the keys, remove what was rendered and every secret. Evidence, journal and what proves bundles stay."""
        for path in self.keys:  # first: without its key a vault is noise, should we be stopped in between
            shred(path)
        for path in self.root.iterdir() if self.root.exists() else ():
            if path.name in {"evidence", "journal.jsonl", "bundles.jsonl", "allowed_signers", "disposal.json"}:
                continue
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def shred(path: Path) -> None:
    """Write random bytes over a file, have them reach the disk, and remove it."""
    with path.open("r+b") as stream:
        stream.write(os.urandom(path.stat().st_size))
        stream.flush()
        os.fsync(stream.fileno())
    path.unlink()


def operator() -> str:
    """Return who is at work: the person behind sudo where there is one."""
    return f"{os.environ.get('SUDO_USER') or getpass.getuser()}@{socket.gethostname()}"


def known_deployments() -> tuple[str, ...]:
    """Return the names of all deployments, in order."""
    folder = deployments_folder()
    found = folder.glob("*/deploy.yml") if folder.is_dir() else ()
    return tuple(sorted(path.parent.name for path in found))

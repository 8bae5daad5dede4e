"""What every part of the backups' program stands on: files, commands, sums and seals."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

STATE = Path("/var/lib/hedgerow/backup")
CIPHER = Path("/etc/hedgerow/backup/cipher.pass")


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


def openssl(passphrase: Path, *words: str) -> list[str]:
    """Return the line that encrypts or decrypts: openssl-enc(1), AES-256, its key made of the passphrase by PBKDF2."""
    line = ["openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-iter", "600000", "-md", "sha256", "-salt", *words]
    return [*line, "-pass", f"file:{passphrase}"]


def digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sealed(text: str, key: bytes) -> str:
    return hmac.new(key, text.encode(), "sha256").hexdigest()

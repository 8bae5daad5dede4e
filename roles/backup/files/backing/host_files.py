"""What lies on this host alone and no store has, such as the seed by which the owner's second factor is shown.

OpenSSL encrypts it before it is written.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

from backing.base import CIPHER, RefusedError, openssl

FILE = "host.enc"


def _openssl(data: bytes, passphrase: Path, *words: str) -> bytes:
    done = subprocess.run(openssl(passphrase, *words), input=data, capture_output=True, check=False)
    if done.returncode != 0:
        raise RefusedError(f"openssl ended with {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}")
    return done.stdout


def packed(paths: list[str], passphrase: Path = CIPHER) -> tuple[bytes, list[str]]:
    """Return the files of this host that are there, encrypted as one, and which they are. Raises RefusedError."""
    found = {}
    for name in paths:
        path = Path(name)
        if path.is_file() and not path.is_symlink():
            said = path.stat()
            content = base64.b64encode(path.read_bytes()).decode()
            found[name] = {"mode": said.st_mode & 0o7777, "owner": [said.st_uid, said.st_gid], "content": content}
    return (_openssl(json.dumps(found).encode(), passphrase, "-e") if found else b""), sorted(found)


def opened(file: Path, passphrase: Path = CIPHER) -> dict[str, dict]:
    """Return what was packed. Raises RefusedError where the passphrase is not the one, or it is not as it was."""
    try:
        return json.loads(_openssl(file.read_bytes(), passphrase, "-d"))
    except (OSError, ValueError) as error:
        raise RefusedError(f"{file}: it cannot be opened ({error})") from error


def put_back(files: dict[str, dict]) -> None:
    """Write each where it was: whole beside its place and renamed, so that it is never there by half."""
    for name, row in files.items():
        path = Path(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(base64.b64decode(row["content"]))
            os.fchown(stream.fileno(), *row["owner"])
            os.fchmod(stream.fileno(), row["mode"])
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)

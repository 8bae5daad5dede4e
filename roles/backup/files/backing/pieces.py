"""A folder as encrypted pieces: packed by tar, each piece sealed by OpenSSL on its own before it is written.

Pieces, because places have a largest file (5 GiB in one request of S3's), and one that cannot be written is told early.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import BinaryIO

from backing.base import CIPHER, RefusedError, openssl

LARGEST = 1 << 30
BLOCK = 1 << 20


def packed(folder: Path, into: Path, name: str, passphrase: Path = CIPHER, largest: int = LARGEST) -> list[Path]:
    """Write what a folder holds as `name`.000.enc and so on, and return these files. Raises RefusedError."""
    made: list[Path] = []
    line = ["tar", "-C", str(folder), "--numeric-owner", "-cf", "-", "."]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as packer:
        while block := packer.stdout.read(BLOCK):
            file = into / f"{name}.{len(made):03}.enc"
            made.append(file)
            _sealed(block, packer.stdout, file, passphrase, largest)
        said = packer.stderr.read().decode(errors="replace") if packer.stderr else ""
    if packer.returncode != 0:
        raise RefusedError(f"tar could not read {folder}: {said.strip()[-300:]}")
    return made


def _sealed(block: bytes, source: BinaryIO, file: Path, passphrase: Path, largest: int) -> None:
    with (
        file.open("wb") as target,
        subprocess.Popen(
            openssl(passphrase, "-e"), stdin=subprocess.PIPE, stdout=target, stderr=subprocess.PIPE
        ) as sealer,
    ):
        try:
            taken = len(block)
            sealer.stdin.write(block)
            while taken < largest and (block := source.read(min(BLOCK, largest - taken))):
                taken += len(block)
                sealer.stdin.write(block)
            sealer.stdin.close()
        except BrokenPipeError:
            pass  # it says below why it ended
        said = sealer.stderr.read().decode(errors="replace")
    if sealer.returncode != 0:
        raise RefusedError(f"openssl could not write {file}: {said.strip()[-300:]}")


def unpacked(pieces: list[Path], folder: Path, passphrase: Path = CIPHER) -> None:
    """Lay down what was packed, with its owners. Raises RefusedError where a piece cannot be opened."""
    line = ["tar", "-C", str(folder), "--numeric-owner", "-xpf", "-"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as taker:
        why = ""
        for piece in pieces:
            with piece.open("rb") as source:
                done = subprocess.run(
                    openssl(passphrase, "-d"), stdin=source, stdout=taker.stdin, stderr=subprocess.PIPE, check=False
                )
            if done.returncode != 0:
                why = f"{piece} cannot be opened: {done.stderr.decode(errors='replace').strip()[-300:]}"
                break
        taker.stdin.close()
        said = taker.stderr.read().decode(errors="replace").strip()[-300:]
    if why or taker.returncode != 0:
        raise RefusedError(why or f"tar could not write {folder}: {said}")

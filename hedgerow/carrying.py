"""What each backup carries of the controller: declaration, secrets and authority, as one encrypted file.

Whoever lost the controller needs the place of the backups and the vault's key, and nothing else. The file is encrypted
under that key as OpenSSL does it, so that OpenSSL and tar open it (docs/backup.md); the same content gives the same
bytes, so that a run which changes nothing changes nothing here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import tarfile
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from hedgerow.deployment import Deployment
from hedgerow.image_lock import NAME as IMAGE_LOCK

FILE = "deployment.sealed"
"""Its name in the deployment's folder: base64, in lines."""
ITERATIONS = 600_000
"""Rounds of PBKDF2, as roles/backup has OpenSSL do them (backing/base.py)."""
KEY_BYTES, BLOCK_BYTES, SALT_BYTES = 32, 16, 8
ALONE = ("deploy.yml", IMAGE_LOCK, "known_hosts", ".release", ".returned", "group_vars/all/secrets.yml")
WHOLE = ("authority",)


def sealed(deployment: Deployment, key_file: Path) -> str:
    """Return what a new controller needs of a deployment, encrypted under its vault's key; base64, in lines."""
    word = key_file.read_bytes().strip()
    data = packed(deployment.root)
    salt = hmac.digest(word, data, "sha256")[:SALT_BYTES]
    derived = hashlib.pbkdf2_hmac("sha256", word, salt, ITERATIONS, KEY_BYTES + BLOCK_BYTES)
    padder = PKCS7(BLOCK_BYTES * 8).padder()
    cipher = Cipher(algorithms.AES256(derived[:KEY_BYTES]), modes.CBC(derived[KEY_BYTES:])).encryptor()
    closed = cipher.update(padder.update(data) + padder.finalize()) + cipher.finalize()
    return base64.encodebytes(b"Salted__" + salt + closed).decode()


def packed(root: Path) -> bytes:
    """Return the files as an archive of tar that says nothing of when, and by whom, it was made."""
    found = [path for name in ALONE if (path := root / name).is_file()]
    found += [path for name in WHOLE for path in (root / name).rglob("*") if path.is_file()]
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(found):
            content = path.read_bytes()
            row = tarfile.TarInfo(str(path.relative_to(root)))
            row.size, row.mode = len(content), 0o600
            archive.addfile(row, io.BytesIO(content))
    return into.getvalue()

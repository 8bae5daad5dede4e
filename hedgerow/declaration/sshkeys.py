"""Public SSH keys, read as sshd reads them (RFC 4253, 6.6; RFC 5656; RFC 8709)."""

from __future__ import annotations

import base64
import binascii
import struct

from hedgerow.declaration.words import RefusedError, shown

CURVES = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
"""Bytes of an uncompressed point on each curve (SEC 1, 2.3.3)."""
SHORTEST_RSA = 3072
"""NIST SP 800-57 part 1, table 2: 128 bits of strength."""
TYPES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    *(f"ecdsa-sha2-{curve}" for curve in CURVES),
    "ssh-rsa",
)
MAKE = "Make one with `ssh-keygen -t ed25519` and paste the line in the file that ends in .pub."


def public_key(text: str) -> str:
    """Read the one line of a .pub file and return it with single spaces. Raises RefusedError."""
    text = text.strip()
    if "PRIVATE KEY" in text:
        raise RefusedError(
            "this is a private key",
            "It is no secret any more: make a new one, remove this one everywhere, and paste only the .pub line.",
        )
    if text.startswith("---- BEGIN SSH2 PUBLIC KEY"):
        raise RefusedError(
            "the key is in SSH2's own format", "Convert it with `ssh-keygen -i -f FILE` and paste the line."
        )
    if "\n" in text:
        raise RefusedError("this is more than one line", "Write one list item for each key.")
    words = text.split(None, 2)
    if not words or words[0] not in TYPES:
        raise _no_type(text, words)
    if len(words) == 1:
        raise RefusedError(f"only the type of the key is here ({words[0]})", "Paste the whole line, put in quotes.")
    _blob(words[0], words[1])
    return " ".join(words)


def _no_type(text: str, words: list[str]) -> RefusedError:
    kind = words[0] if words else ""
    if kind in ("ssh-dss", "ssh-dsa"):
        return RefusedError("this is a DSA key, broken and no longer read by OpenSSH", MAKE)
    if "-cert-v01@" in kind:
        return RefusedError("this is a certificate, not a key", "Paste the .pub file without `-cert` in its name.")
    if kind.startswith("SHA256:") or kind.startswith("MD5:"):
        return RefusedError("this is the fingerprint of a key, not the key", MAKE)
    if any(f"{known} AAAA" in text for known in TYPES):
        return RefusedError(
            "something stands before the type of the key",
            "Options (from=, command=) and host names have no place here: begin with the type, like ssh-ed25519.",
        )
    if kind.startswith(("/", "~", "./")) or kind.endswith(".pub"):
        return RefusedError(f"{shown(text)} is the name of a file", "Paste the line that is in it.")
    return RefusedError(f"{shown(text)} is no public key", MAKE)


def _blob(kind: str, encoded: str) -> None:
    """Hold the key's own words against its type, which is written once outside and once inside."""
    try:
        fields = _fields(base64.b64decode(encoded, validate=True))
    except (binascii.Error, struct.error, ValueError):
        raise RefusedError("the key is cut off or damaged", "Copy the whole line again.") from None
    if not fields or fields[0] != kind.encode():
        raise RefusedError(f"the key says it is {kind} but holds another type", "Copy the whole line again.")
    if kind == "ssh-rsa":
        bits = int.from_bytes(fields[2], "big").bit_length() if len(fields) == 3 else 0
        if bits < SHORTEST_RSA:
            raise RefusedError(f"an RSA key of {bits} bits is too short (at least {SHORTEST_RSA})", MAKE)
    elif "ed25519" in kind:
        if len(fields) != (3 if kind.startswith("sk-") else 2) or len(fields[1]) != 32:
            raise RefusedError("the key is cut off or damaged", "Copy the whole line again.")
    elif len(fields) < 3 or len(fields[2]) != CURVES.get(fields[1].decode("ascii", "replace"), -1):
        raise RefusedError("the key is cut off or damaged", "Copy the whole line again.")
    elif not kind.removesuffix("@openssh.com").endswith(fields[1].decode()):
        raise RefusedError(f"the key says it is {kind} but holds another curve", "Copy the whole line again.")


def _fields(blob: bytes) -> list[bytes]:
    """Split length-prefixed strings (RFC 4251, 5)."""
    fields = []
    while blob:
        (length,) = struct.unpack(">I", blob[:4])
        if len(blob) < 4 + length:
            raise ValueError("cut off")
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return fields

"""Passwords, sessions, keys and scopes: the decisions, without a database or a clock of their own."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from collections.abc import Sequence

ALPHABET = string.ascii_letters + string.digits
ACTIONS = ("read", "write")
SHORTEST_PASSWORD = 8
# scrypt as RFC 7914 and OWASP's cheat sheet have it: 32 MiB, 30 ms.
COST, BLOCK, LANES = 2**15, 8, 1
MEMORY = 64 * 1024 * 1024


def token(prefix: str, length: int = 43) -> str:
    """Return a new random token; upstream's prefixes are phc_ for projects and phx_ for people's API keys."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))


def hide_password(password: str, salt: bytes | None = None) -> str:
    """Return what is kept of a password: scrypt, its cost, a salt and the result."""
    salt = salt or secrets.token_bytes(16)
    result = hashlib.scrypt(password.encode(), salt=salt, n=COST, r=BLOCK, p=LANES, maxmem=MEMORY)
    return f"scrypt${COST}${salt.hex()}${result.hex()}"


def is_password(password: str, kept: str) -> bool:
    """Compare a password with what is kept of the right one, in constant time; "!" keeps one that nothing matches."""
    if kept.startswith("!"):  # django.contrib.auth.hashers, UNUSABLE_PASSWORD_PREFIX
        return False
    _, cost, salt, result = kept.split("$")
    found = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=int(cost), r=BLOCK, p=LANES, maxmem=MEMORY)
    return hmac.compare_digest(found.hex(), result)


def hide_key(value: str) -> str:
    """Return what is kept of a personal API key. The value is random, so one round is enough."""
    return f"sha256${hashlib.sha256(value.encode()).hexdigest()}"


def hide_session(value: str, secret_key: str) -> str:
    """Return what is kept of a session; whoever reads the table cannot use it, and a new SECRET_KEY ends them all."""
    return hmac.new(secret_key.encode(), value.encode(), hashlib.sha256).hexdigest()


def mask_key(value: str) -> str:
    """Return how a key is shown after it was made, as upstream shows it."""
    return f"{value[:4]}...{value[-4:]}"


def scope_faults(scopes: object) -> str:
    """Say what is wrong with a new key's scopes, or nothing."""
    if not isinstance(scopes, list) or not scopes:
        return "This field is required."
    for scope in scopes:
        words = str(scope).split(":")
        if scope != "*" and (len(words) != 2 or not words[0] or words[1] not in ACTIONS):
            return f"Invalid scope: {scope}"
    return ""


def allows(scopes: Sequence[str], wanted: str) -> bool:
    """Say whether a key's scopes cover one; writing includes reading."""
    thing, _, action = wanted.partition(":")
    return "*" in scopes or wanted in scopes or (action == "read" and f"{thing}:write" in scopes)

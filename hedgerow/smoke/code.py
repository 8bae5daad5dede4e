"""The code of a second factor, as an authenticator's page shows it (RFC 6238, SHA-1, six digits, half a minute)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct

STEP = 30


def code(seed: str, at: float) -> str:
    """Return the code of a moment, in seconds since 1970, for a seed in base 32. Raises ValueError for no such seed."""
    key = base64.b32decode(seed.upper() + "=" * (-len(seed) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(at) // STEP), hashlib.sha1)
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def seconds_to_next(at: float) -> float:
    """Return how long to wait for the next code, and a little more for clocks that differ."""
    return STEP - at % STEP + 1

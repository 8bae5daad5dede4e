"""The second factor: codes, and which requests go without one. Pure, but for the clock that is passed in.

After upstream's posthog/helpers/two_factor_session.py, and django-otp's TOTPDevice: half a minute, six digits, one step
of tolerance, and no code twice.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct

from stand_in.records import Row

STEP, DIGITS, TOLERANCE = 30, 6, 1
# WHITELISTED_PATHS; matched without the last slash, as everything here.
OPEN = (
    "/api/users/@me",
    "/api/users/@me/two_factor_start_setup",
    "/api/users/@me/two_factor_validate",
    "/api/login",
    "/api/login/token",
    "/logout",
)


def new_seed() -> str:
    """Return a new seed, twenty bytes in hexadecimal, as the table keeps it."""
    return secrets.token_hex(20)


def shown(seed: str) -> str:
    """Return a seed as people and their programs take it, in base 32."""
    return base64.b32encode(bytes.fromhex(seed)).decode()


def code(seed: str, step: int) -> str:
    """Return the code of a step (RFC 6238 over RFC 4226, SHA-1)."""
    digest = hmac.digest(bytes.fromhex(seed), struct.pack(">Q", step), hashlib.sha1)
    start = digest[-1] & 15
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def step_of(seed: str, given: object, now: float, last: int = -1) -> int | None:
    """Return the step that a code is of, or None: wrong, too old, or not later than the last one taken."""
    current = int(now) // STEP
    for step in range(current - TOLERANCE, current + TOLERANCE + 1):
        if step > last and hmac.compare_digest(code(seed, step).encode(), str(given).encode()):
            return step
    return None


def missing(person: Row, path: str) -> tuple[str, str] | None:
    """Say what a session lacks for a path where its organisation demands a second factor: code and words."""
    if not person["enforce_2fa"] or path.rstrip("/") in OPEN:
        return None
    if not person["totp_seed"]:
        return "two_factor_setup_required", "2FA setup required"
    if not person["verified"]:
        return "two_factor_verification_required", "2FA verification required"
    return None

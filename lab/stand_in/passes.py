"""What web shows recording-api: a token that says for which project it asks, and what it may do there.

A JSON Web Token by HMAC-SHA256 (RFC 7519), with upstream's audience and claims (recording-api/auth.ts).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time

AUDIENCE = "posthog:recording_api"
SECONDS, SKEW = 300, 30
HEADER = {"alg": "HS256", "typ": "JWT"}


def issue(secret: str, team: int, operation: str, now: float | None = None) -> str:
    """Return a token for one project and one kind of question, for five minutes."""
    moment = time.time() if now is None else now
    claims = {"aud": AUDIENCE, "team_id": team, "op": operation, "exp": int(moment) + SECONDS}
    text = ".".join(_encode(json.dumps(part).encode()) for part in (HEADER, claims))
    return f"{text}.{_encode(_sign(secret, text))}"


def refusal(secret: str, token: str, team: int, operation: str, now: float | None = None) -> int:
    """Return 0 where a token holds for a question, else the status: 401 for none, 403 for another project's."""
    text, _, signature = token.rpartition(".")
    try:
        header, claims = (json.loads(_decode(part)) for part in text.split("."))
        genuine = hmac.compare_digest(_decode(signature), _sign(secret, text))
    except (ValueError, binascii.Error):
        return 401
    moment = time.time() if now is None else now
    if not genuine or header.get("alg") != "HS256" or claims.get("aud") != AUDIENCE:
        return 401
    if not isinstance(claims.get("exp"), int) or claims["exp"] + SKEW < moment:
        return 401
    return 0 if (claims.get("team_id"), claims.get("op")) == (team, operation) else 403


def _sign(secret: str, text: str) -> bytes:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)

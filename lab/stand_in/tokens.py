"""Signed claims, as `web` gives them to people and `livestream` asks for them. Pure.

JSON Web Tokens with HS256 (RFC 7515, 7519).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

LIVESTREAM = "posthog:livestream"  # posthog/jwt.py, PosthogJwtAudience; livestream/auth/jwt.go
WEEK = 7 * 24 * 3600
HEAD = {"alg": "HS256", "typ": "JWT"}


class TokenError(Exception):
    """A token that is not taken."""


def sign(claims: Mapping[str, Any], secret: str, audience: str, until: float) -> str:
    """Return a token that says these claims to one audience until a moment."""
    words = f"{_put(HEAD)}.{_put({**claims, 'aud': audience, 'exp': int(until)})}"
    return f"{words}.{_plain(_signature(words, secret))}"


def live(person: Mapping[str, Any], secret: str, now: float) -> str:
    """Return a token by which somebody may look at her project's events as they come in."""
    claims = {"team_id": person["current_team_id"], "api_token": person["api_token"], "user_id": person["id"]}
    return sign(claims, secret, LIVESTREAM, now + WEEK)


def read(token: str, secret: str, audience: str, now: float) -> dict[str, Any]:
    """Return what a token claims. Raises TokenError: what is not signed with this secret, or over, or for others."""
    words, _, signature = token.rpartition(".")
    head, _, body = words.partition(".")
    try:
        if _got(head).get("alg") != "HS256":
            raise TokenError("unexpected signing method")
        if not hmac.compare_digest(_bytes(signature), _signature(words, secret)):
            raise TokenError("the signature is invalid")
        claims = _got(body)
    except (ValueError, binascii.Error):
        raise TokenError("the token is malformed") from None
    if claims.get("aud") != audience:
        raise TokenError("invalid audience")
    if not isinstance(claims.get("exp"), int | float) or claims["exp"] <= now:
        raise TokenError("the token is expired")
    return claims


def _signature(words: str, secret: str) -> bytes:
    return hmac.new(secret.encode(), words.encode(), hashlib.sha256).digest()


def _put(value: object) -> str:
    return _plain(json.dumps(value, separators=(",", ":")).encode())


def _plain(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _got(text: str) -> dict[str, Any]:
    value = json.loads(_bytes(text))
    if not isinstance(value, dict):
        raise TokenError("the token is malformed")
    return value

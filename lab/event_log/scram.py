"""The server's side of SCRAM (RFC 5802, RFC 7677), over Kafka's SaslAuthenticate."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping

ROUNDS = 4096
# Whoever does not exist is asked for a proof all the same, with a salt that stays: else the answer tells who exists.
_PEPPER = secrets.token_bytes(16)


class ScramError(Exception):
    """The client is not who it says, or does not speak SCRAM."""


class Exchange:
    """One sign-in: two messages in, two out. `user` is set when it has succeeded."""

    def __init__(self, mechanism: str, passwords: Mapping[tuple[str, str], str]) -> None:
        self.mechanism = mechanism
        self.name = "sha512" if mechanism.endswith("512") else "sha256"
        self.passwords = passwords
        self.claimed = self.first = self.challenge = self.nonce = ""
        self.salt = b""
        self.user: str | None = None

    def answer(self, message: bytes) -> bytes:
        """Return the server's next message. Raises ScramError."""
        try:
            text = message.decode()
            return self._challenge(text) if not self.challenge else self._verdict(text)
        except (ValueError, KeyError):  # undecodable, or an attribute is missing
            raise ScramError("the message cannot be read") from None

    def _challenge(self, text: str) -> bytes:
        if not text.startswith(("n,,", "y,,")):
            raise ScramError("channel binding is not offered")
        self.first = text[3:]
        said = _attributes(self.first)
        self.claimed = said["n"].replace("=2C", ",").replace("=3D", "=")
        self.salt = hashlib.sha256(_PEPPER + self.claimed.encode()).digest()[:16]
        self.nonce = said["r"] + secrets.token_urlsafe(18)
        self.challenge = f"r={self.nonce},s={base64.b64encode(self.salt).decode()},i={ROUNDS}"
        return self.challenge.encode()

    def _verdict(self, text: str) -> bytes:
        said = _attributes(text)
        bare, _, _ = text.rpartition(",p=")
        proof = base64.b64decode(said["p"], validate=True)
        password = self.passwords.get((self.mechanism, self.claimed))
        salted = hashlib.pbkdf2_hmac(self.name, (password or secrets.token_hex()).encode(), self.salt, ROUNDS)
        client_key = self._mac(salted, b"Client Key")
        stored = hashlib.new(self.name, client_key).digest()
        about = f"{self.first},{self.challenge},{bare}".encode()
        signature = self._mac(stored, about)
        expected = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        right = hmac.compare_digest(proof, expected)
        if password is None or not right or said["r"] != self.nonce or said["c"] not in ("biws", "eSws"):
            raise ScramError("the user or the password is wrong")
        self.user = self.claimed
        return b"v=" + base64.b64encode(self._mac(self._mac(salted, b"Server Key"), about))

    def _mac(self, key: bytes, data: bytes) -> bytes:
        return hmac.new(key, data, self.name).digest()


def _attributes(text: str) -> dict[str, str]:
    return {part[0]: part[2:] for part in text.split(",") if part[1:2] == "="}

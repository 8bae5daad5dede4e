"""Who asks: one service account with a key, tokens for it, and certificates for the names we answer to."""

from __future__ import annotations

import json
import secrets
import ssl
from pathlib import Path
from typing import Any

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import exceptions, jwt

from .errors import RefusedError
from .world import EMAIL, PROJECT

LIFE = 3600
TOKENS = "https://oauth2.googleapis.com/token"


class Identity:
    """The key of the account that tests use, and the tokens that it was given."""

    def __init__(self, folder: Path) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.tokens: set[str] = set()
        self.credentials = folder / "credentials.json"
        content = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "1",
            "private_key": private.decode(),
            "client_email": EMAIL,
            "client_id": "100000000000000000001",
            "token_uri": TOKENS,
        }
        self.credentials.write_text(json.dumps(content), encoding="utf-8")
        self.credentials.chmod(0o600)
        authority = trustme.CA()
        self.bundle = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.bundle))
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("*.googleapis.com").configure_cert(self.tls)

    def token(self, form: dict[str, list[str]]) -> dict[str, Any]:
        """Answer OAuth's token endpoint: https://developers.google.com/identity/protocols/oauth2/service-account#httprest."""
        if form.get("grant_type") != ["urn:ietf:params:oauth:grant-type:jwt-bearer"]:
            raise RefusedError(400, "unsupported_grant_type")
        if not self._signed(form.get("assertion", [""])[0], TOKENS):
            raise RefusedError(400, "invalid_grant")
        made = f"ya29.{secrets.token_urlsafe(24)}"
        self.tokens.add(made)
        return {"access_token": made, "expires_in": LIFE, "token_type": "Bearer"}

    def check(self, header: str) -> None:
        """Refuse who has neither a token of ours nor a JWT that the account signed (https://google.aip.dev/auth/4111)."""
        token = header.removeprefix("Bearer ")
        if header.startswith("Bearer ") and (token in self.tokens or self._signed(token)):
            return
        raise RefusedError(401, "Request had invalid authentication credentials.", "authError")

    def _signed(self, token: str, audience: str | None = None) -> bool:
        if token in self.tokens:
            return True
        try:
            said = jwt.decode(token, certs=self.public, audience=audience)  # type: ignore[no-untyped-call]
        except (ValueError, exceptions.GoogleAuthError):
            return False
        if audience is None:
            self.tokens.add(token)  # looked at once: a signature costs more than the rest of an answer
        return bool(said.get("iss") == EMAIL)

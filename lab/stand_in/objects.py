"""Object storage, as its services use it: S3 over verified TLS, each request signed (AWS Signature Version 4).

Only what they need: put an object, take bytes of one out, ask whether the bucket is there. botocore would be 80 MB.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException, HTTPSConnection
from urllib.parse import quote, urlsplit

SECONDS = 30
REGION = "us-east-1"
PARTS = ("ENDPOINT", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
# What upstream's compose file and settings publish; a key that everybody knows is none.
PUBLISHED = ("any", "object_storage_root_user", "object_storage_root_password")


class ObjectsError(Exception):
    """The object storage refused, or does not answer."""


@dataclass(frozen=True)
class Place:
    """Where objects are kept, and as whom."""

    endpoint: str
    key: str
    secret: str = field(repr=False)
    bucket: str = "posthog"
    prefix: str = ""
    ca: str = ""


def place(environment: Mapping[str, str], begins: str, ca: str) -> Place:
    """Return what the variables of a prefix say, under upstream's defaults."""
    endpoint, key, secret = (environment.get(f"{begins}{name}", "") for name in PARTS)
    bucket = environment.get(f"{begins}BUCKET", "posthog")
    return Place(endpoint, key, secret, bucket, environment.get(f"{begins}PREFIX", "session_recordings"), ca)


def faults(environment: Mapping[str, str], begins: str) -> list[str]:
    """Say what is wrong with the variables of a prefix: anything but an own key over TLS."""
    wrong = [f"{begins}{name} is not set" for name in PARTS if not environment.get(f"{begins}{name}")]
    wrong += [f"{begins}{name} is published" for name in PARTS if environment.get(f"{begins}{name}") in PUBLISHED]
    endpoint = environment.get(f"{begins}ENDPOINT", "")
    return wrong + ([f"{begins}ENDPOINT: the scheme is not https"] if not endpoint.startswith("https://") else [])


class Objects:
    """A client of one bucket."""

    def __init__(self, where: Place) -> None:
        self.where = where
        self.host = urlsplit(where.endpoint).netloc
        self.context = ssl.create_default_context(cafile=where.ca or None)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2

    def put(self, key: str, body: bytes) -> None:
        """Keep an object. Raises ObjectsError."""
        self._ask("PUT", key, {"content-type": "application/octet-stream"}, body)

    def read(self, key: str, start: int, end: int) -> bytes:
        """Return the bytes from `start` to `end`, both included. Raises ObjectsError."""
        return self._ask("GET", key, {"range": f"bytes={start}-{end}"})

    def alive(self) -> bool:
        """Say whether the bucket is there. Raises ObjectsError."""
        self._ask("HEAD", "", {})
        return True

    def _ask(self, method: str, key: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
        path = quote(f"/{self.where.bucket}{'/' if key else ''}{key}", safe="/-_.~")
        all_headers = signed(self.where, method, self.host, path, headers, body, datetime.now(UTC))
        connection = HTTPSConnection(self.host, timeout=SECONDS, context=self.context)
        try:
            connection.request(method, path, body or None, all_headers)
            reply = connection.getresponse()
            found = reply.read()
        except (OSError, HTTPException) as error:
            raise ObjectsError(f"{type(error).__name__}: {error}") from None
        finally:
            connection.close()
        if reply.status not in (200, 206):
            raise ObjectsError(f"{method}: {reply.status}")
        return found


def signed(
    where: Place, method: str, host: str, path: str, headers: Mapping[str, str], body: bytes, now: datetime
) -> dict[str, str]:
    """Return the headers of a request with its signature. `path` is quoted already, and there is no query."""
    at, digest = now.strftime("%Y%m%dT%H%M%SZ"), hashlib.sha256(body).hexdigest()
    whole = {**headers, "host": host, "x-amz-content-sha256": digest, "x-amz-date": at}
    names = ";".join(sorted(whole))
    canonical = "\n".join((method, path, "", *(f"{name}:{whole[name]}" for name in sorted(whole)), "", names, digest))
    scope = f"{at[:8]}/{REGION}/s3/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    made = f"AWS4{where.secret}".encode()
    for word in scope.split("/"):
        made = hmac.digest(made, word.encode(), "sha256")
    signature = hmac.new(made, text.encode(), "sha256").hexdigest()
    credential = f"AWS4-HMAC-SHA256 Credential={where.key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**whole, "authorization": credential}

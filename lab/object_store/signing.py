"""AWS Signature Version 4, as a server verifies it (AWS documentation, "Signature Version 4 signing process").

Pure: a request and the time in, who sent it or a fault out. In the header, or presigned in the query; the body's hash
is part of what is signed, or UNSIGNED-PAYLOAD, which TLS makes up for. Chunks that are each signed are not understood.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from object_store.config import Identities, Identity

ALGORITHM = "AWS4-HMAC-SHA256"
HEADER = re.compile(rf"{ALGORITHM} Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{{64}})")
UNSIGNED, IN_CHUNKS = "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SKEW, LONGEST = timedelta(minutes=15), 7 * 24 * 3600
SAFE = "-_.~"


class FaultError(Exception):
    """A refusal in S3's words: the code, and the status it has."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Asked:
    """A request as it came: `path` decoded, `query` decoded and in order, header names in lower case."""

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]

    def first(self, name: str) -> str:
        """Return a parameter of the query; "" where there is none."""
        return next((value for key, value in self.query if key == name), "")

    def has(self, name: str) -> bool:
        """Say whether the query has a parameter."""
        return any(key == name for key, _ in self.query)


@dataclass(frozen=True)
class _Claim:
    scope: str
    names: str
    signature: str
    at: str
    body: str
    presigned: bool


def who(asked: Asked, identities: Identities, now: datetime) -> Identity:
    """Return who signed a request. Raises FaultError: nobody, somebody unknown, a wrong signature, or too late."""
    claim = _claim(asked, now)
    key, _, scope = claim.scope.partition("/")
    date, _, rest = scope.partition("/")
    if not re.fullmatch(r"[^/]+/s3/aws4_request", rest) or date != claim.at[:8]:
        raise FaultError(400, "AuthorizationHeaderMalformed")
    names = claim.names.split(";")
    if "host" not in names or not {name for name in asked.headers if name.startswith("x-amz-")} <= {*names}:
        raise FaultError(403, "AccessDenied")
    identity = identities.get(key)
    if identity is None:
        raise FaultError(403, "InvalidAccessKeyId")
    wanted = signature(asked, identity.secret, claim, names, rest.split("/")[0])
    if not hmac.compare_digest(wanted, claim.signature):
        raise FaultError(403, "SignatureDoesNotMatch")
    return identity


def signature(asked: Asked, secret: str, claim: _Claim, names: Sequence[str], region: str) -> str:
    """Return the signature that a request must carry."""
    query = [(key, value) for key, value in asked.query if not (claim.presigned and key == "X-Amz-Signature")]
    canonical = "\n".join(
        (
            asked.method,
            quote(asked.path, safe=f"/{SAFE}"),
            "&".join(sorted(f"{quote(key, safe=SAFE)}={quote(value, safe=SAFE)}" for key, value in query)),
            *(f"{name}:{' '.join(asked.headers.get(name, '').split())}" for name in names),
            "",
            ";".join(names),
            claim.body,
        )
    )
    scope = f"{claim.at[:8]}/{region}/s3/aws4_request"
    text = "\n".join((ALGORITHM, claim.at, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    made = f"AWS4{secret}".encode()
    for word in (claim.at[:8], region, "s3", "aws4_request"):
        made = hmac.digest(made, word.encode(), "sha256")
    return hmac.new(made, text.encode(), "sha256").hexdigest()


def _claim(asked: Asked, now: datetime) -> _Claim:
    if asked.has("X-Amz-Signature"):
        return _presigned(asked, now)
    header = asked.headers.get("authorization", "")
    if not header:
        raise FaultError(403, "AccessDenied")
    found = HEADER.fullmatch(header)
    body = asked.headers.get("x-amz-content-sha256", "")
    if not found or not body:
        raise FaultError(400, "AuthorizationHeaderMalformed")
    if not re.fullmatch(rf"[0-9a-f]{{64}}|{UNSIGNED}|{IN_CHUNKS}", body):
        raise FaultError(501, "NotImplemented")
    at = asked.headers.get("x-amz-date", "")
    if abs(_moment(at) - now) > SKEW:
        raise FaultError(403, "RequestTimeTooSkewed")
    return _Claim(found[1], found[2], found[3], at, body, presigned=False)


def _presigned(asked: Asked, now: datetime) -> _Claim:
    if asked.first("X-Amz-Algorithm") != ALGORITHM:
        raise FaultError(400, "AuthorizationQueryParametersError")
    at, lasts = asked.first("X-Amz-Date"), asked.first("X-Amz-Expires")
    if not lasts.isdigit() or not 0 < int(lasts) <= LONGEST:
        raise FaultError(400, "AuthorizationQueryParametersError")
    begins = _moment(at)
    if begins - SKEW > now or now > begins + timedelta(seconds=int(lasts)):
        raise FaultError(403, "AccessDenied")
    scope, names = asked.first("X-Amz-Credential"), asked.first("X-Amz-SignedHeaders")
    return _Claim(scope, names, asked.first("X-Amz-Signature"), at, UNSIGNED, presigned=True)


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise FaultError(403, "AccessDenied") from None

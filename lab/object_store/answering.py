"""What S3 answers: an identity, a request and the store in, a reply out (Amazon S3 API reference, path-style)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from object_store.config import Identity
from object_store.signing import Asked, FaultError
from object_store.store import Facts, Store

SPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
MOST = 1000
KIND = "binary/octet-stream"
# Of a request's query, what asks for something that is not here; the rest tells how, or is the client's own.
ELSEWHERE = ("acl", "policy", "versioning", "versions", "tagging", "lifecycle", "cors", "delete", "restore", "select")


@dataclass(frozen=True)
class Reply:
    """One reply. `length` is what a HEAD says that a GET would bring."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None


def fault(status: int, code: str) -> Reply:
    """Reply with S3's error document."""
    return _xml(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>")


def answer(store: Store, identity: Identity, asked: Asked, body: bytes) -> Reply:
    """Answer a request of somebody known. Raises FaultError."""
    bucket, _, key = asked.path.removeprefix("/").partition("/")
    if any(asked.has(name) for name in ELSEWHERE) or "x-amz-copy-source" in asked.headers:
        raise FaultError(501, "NotImplemented")
    if not bucket:
        return _buckets(store, identity, asked)
    if not identity.may(_needed(asked, key), bucket):
        raise FaultError(403, "AccessDenied")
    if not store.has(bucket):
        raise FaultError(404, "NoSuchBucket")
    return _object(store, bucket, key, asked, body) if key else _bucket(store, bucket, asked)


def _bucket(store: Store, bucket: str, asked: Asked) -> Reply:
    if asked.method not in ("GET", "HEAD"):
        raise FaultError(501, "NotImplemented")
    return _listing(store, bucket, asked) if asked.method == "GET" else Reply(200)


def _object(store: Store, bucket: str, key: str, asked: Asked, body: bytes) -> Reply:
    upload = asked.first("uploadId")
    match asked.method:
        case "GET" | "HEAD":
            return _out(store, bucket, key, asked)
        case "PUT":
            kind = asked.headers.get("content-type", KIND)
            number = _number(asked.first("partNumber"), 1, 10000) if asked.has("partNumber") else 0
            tag = store.part(bucket, key, upload, number, body) if number else store.put(bucket, key, body, kind).etag
            return Reply(200, headers={"ETag": f'"{tag}"'})
        case "DELETE":
            store.abort(bucket, key, upload) if upload else store.delete(bucket, key)
            return Reply(204)
        case "POST":
            return _parts(store, bucket, key, asked, body)
    raise FaultError(405, "MethodNotAllowed")


def checked(asked: Asked, body: bytes) -> None:
    """Hold a body against the hashes that were sent with it. Raises FaultError."""
    promised = asked.headers.get("x-amz-content-sha256", "")
    if re.fullmatch(r"[0-9a-f]{64}", promised) and hashlib.sha256(body).hexdigest() != promised:
        raise FaultError(400, "XAmzContentSHA256Mismatch")


def _needed(asked: Asked, key: str) -> str:
    """Return the action, as SeaweedFS names it, that a request needs (weed/s3api/s3api_server.go)."""
    if asked.method == "GET" and not key:
        return "List"
    return "Read" if asked.method in ("GET", "HEAD") else "Write"


def _buckets(store: Store, identity: Identity, asked: Asked) -> Reply:
    if asked.method != "GET":
        raise FaultError(405, "MethodNotAllowed")
    seen = sorted(each.name for each in store.folder.iterdir() if identity.may("List", each.name))
    rows = "".join(f"<Bucket><Name>{escape(name)}</Name></Bucket>" for name in seen if store.has(name))
    return _xml(200, f"<ListAllMyBucketsResult {SPACE}><Buckets>{rows}</Buckets></ListAllMyBucketsResult>")


def _listing(store: Store, bucket: str, asked: Asked) -> Reply:
    if asked.first("list-type") != "2":
        raise FaultError(501, "NotImplemented")
    prefix, delimiter = asked.first("prefix"), asked.first("delimiter")
    most = min(MOST, _number(asked.first("max-keys") or str(MOST), 0, 1 << 31))
    after = max(asked.first("continuation-token"), asked.first("start-after"))
    rows: list[str] = []
    last, more = "", False
    for facts in store.listed(bucket, prefix):
        cut = facts.key.find(delimiter, len(prefix)) if delimiter else -1
        name = facts.key if cut < 0 else facts.key[: cut + len(delimiter)]
        if name.encode() <= after.encode() or name == last:
            continue
        if len(rows) == most:
            more = True
            break
        last = name
        rows.append(_row(facts) if cut < 0 else f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>")
    next_token = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>" if more else ""
    return _xml(
        200,
        f"<ListBucketResult {SPACE}><Name>{escape(bucket)}</Name><Prefix>{escape(prefix)}</Prefix>"
        f"<KeyCount>{len(rows)}</KeyCount><MaxKeys>{most}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>"
        f"{next_token}{''.join(rows)}</ListBucketResult>",
    )


def _row(facts: Facts) -> str:
    at = datetime.fromtimestamp(facts.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return (
        f"<Contents><Key>{escape(facts.key)}</Key><LastModified>{at}</LastModified>"
        f'<ETag>"{facts.etag}"</ETag><Size>{facts.size}</Size><StorageClass>STANDARD</StorageClass></Contents>'
    )


def _out(store: Store, bucket: str, key: str, asked: Asked) -> Reply:
    facts = store.facts(bucket, key)
    headers = {
        "ETag": f'"{facts.etag}"',
        "Content-Type": asked.first("response-content-type") or facts.kind,
        "Last-Modified": formatdate(facts.at, usegmt=True),
        "Accept-Ranges": "bytes",
    }
    if said := asked.first("response-content-disposition"):
        headers["Content-Disposition"] = said
    span = _span(asked.headers.get("range", ""), facts.size)
    start, end = span or (0, facts.size - 1)
    if span:
        headers["Content-Range"] = f"bytes {start}-{end}/{facts.size}"
    body = b"" if asked.method == "HEAD" else store.read(bucket, key, start, end - start + 1)
    return Reply(206 if span else 200, body, headers, end - start + 1)


def _span(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and the last byte that a Range asks for (RFC 9110, 14.1.2); None for the whole."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if not found or not (found[1] or found[2]):
        return None
    if found[1]:
        start, end = int(found[1]), min(int(found[2] or size - 1), size - 1)
    else:
        start, end = max(0, size - int(found[2])), size - 1
    if start > end:
        raise FaultError(416, "InvalidRange")
    return start, end


def _parts(store: Store, bucket: str, key: str, asked: Asked, body: bytes) -> Reply:
    names = f"<Bucket>{escape(bucket)}</Bucket><Key>{escape(key)}</Key>"
    if asked.has("uploads"):
        upload = store.begin(bucket, key, asked.headers.get("content-type", KIND))
        inside = f"{names}<UploadId>{upload}</UploadId>"
        return _xml(200, f"<InitiateMultipartUploadResult {SPACE}>{inside}</InitiateMultipartUploadResult>")
    if not asked.has("uploadId"):
        raise FaultError(501, "NotImplemented")
    facts = store.complete(bucket, key, asked.first("uploadId"), _told(body))
    inside = f'{names}<ETag>"{facts.etag}"</ETag>'
    return _xml(200, f"<CompleteMultipartUploadResult {SPACE}>{inside}</CompleteMultipartUploadResult>")


def _told(body: bytes) -> list[tuple[int, str]]:
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - of somebody signed in; expat of Python 3.13 bounds entities
        return [
            (int(part.findtext("{*}PartNumber") or ""), part.findtext("{*}ETag") or "")
            for part in root.findall("{*}Part")
        ]
    except (ElementTree.ParseError, ValueError):
        raise FaultError(400, "MalformedXML") from None


def _number(text: str, least: int, most: int) -> int:
    if not text.isdigit() or not least <= int(text) <= most:
        raise FaultError(400, "InvalidArgument")
    return int(text)


def _xml(status: int, text: str) -> Reply:
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return Reply(status, f"{head}{text}".encode(), {"Content-Type": "application/xml"})

"""Objects: put, read, listed with their versions, and kept as long as the bucket says."""

from __future__ import annotations

import base64
import email.parser
import email.policy
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import google_crc32c

from ..asked import Asked, page
from ..errors import RefusedError, not_modelled
from ..world import etag, now
from . import buckets

MEDIA = "https://storage.googleapis.com/download/storage/v1/b"


def insert(asked: Asked, kind: str) -> dict[str, Any]:
    """Put an object, its content beside its description: https://cloud.google.com/storage/docs/uploading-objects."""
    bucket = buckets.must(asked)
    described, content, form = _parts(asked, kind)
    name = described.get("name") or asked.one("name")
    if not name or len(name.encode()) > 1024:
        raise RefusedError(400, f"Invalid object name: '{name}'", "invalid")
    live = _live(asked, bucket["name"], name)
    buckets.precondition(asked, live or {}, "generation")
    if live and not bucket.get("versioning", {}).get("enabled"):
        _kept(bucket, live)
        _remove(asked, live)
    elif live:
        live["timeDeleted"] = now()
    generation = str(1_790_000_000_000_000 + int(asked.world.identity()) % 10**9)
    row = {key: value for key, value in described.items() if key in ("metadata", "cacheControl", "contentType")}
    row |= {
        "kind": "storage#object",
        "id": f"{bucket['name']}/{name}/{generation}",
        "name": name,
        "bucket": bucket["name"],
        "generation": generation,
        "metageneration": "1",
        "storageClass": bucket["storageClass"],
        "size": str(len(content)),
        "md5Hash": base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode(),
        "crc32c": base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode(),
        "timeCreated": now(),
        "updated": now(),
        "etag": etag(generation),
        "mediaLink": f"{MEDIA}/{bucket['name']}/o/{quote(name, safe='')}?generation={generation}&alt=media",
    }
    row.setdefault("contentType", form)
    if "encryption" in bucket and bucket["encryption"].get("defaultKmsKeyName"):
        row["kmsKeyName"] = f"{bucket['encryption']['defaultKmsKeyName']}/cryptoKeyVersions/1"
    if "retentionPolicy" in bucket:
        row["retentionExpirationTime"] = _until(bucket, row).isoformat()
    asked.world.rows[f"object:{row['id']}"] = row
    asked.world.blobs[row["id"]] = content
    return row


def _parts(asked: Asked, kind: str) -> tuple[dict[str, Any], bytes, str]:
    if kind == "media":
        return {}, asked.raw, asked.content_type or "application/octet-stream"
    if kind != "multipart":
        raise not_modelled(f"uploads of the kind '{kind}'")
    head = f"Content-Type: {asked.content_type}\r\n\r\n".encode()
    found = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + asked.raw)
    described, content = found.iter_parts()
    raw = content.get_payload(decode=True)
    return json.loads(described.get_content()), raw if isinstance(raw, bytes) else b"", content.get_content_type()


def _versions(asked: Asked, bucket: str, name: str) -> list[dict[str, Any]]:
    rows = asked.world.rows
    return [rows[key] for key in sorted(rows) if key.startswith(f"object:{bucket}/") and rows[key]["name"] == name]


def _live(asked: Asked, bucket: str, name: str) -> dict[str, Any] | None:
    return next((one for one in _versions(asked, bucket, name) if "timeDeleted" not in one), None)


def must(asked: Asked) -> dict[str, Any]:
    """Return the object that is named, in the version that is named."""
    bucket, wanted = buckets.must(asked), asked.one("generation")
    for one in _versions(asked, bucket["name"], asked.path["object"]):
        if one["generation"] == wanted or (not wanted and "timeDeleted" not in one):
            return one
    raise RefusedError(404, f"No such object: {bucket['name']}/{asked.path['object']}", "notFound")


def _until(bucket: dict[str, Any], row: dict[str, Any]) -> datetime:
    period = int(bucket.get("retentionPolicy", {}).get("retentionPeriod", 0))
    return datetime.fromisoformat(row["timeCreated"]) + timedelta(seconds=period)


def _kept(bucket: dict[str, Any], row: dict[str, Any]) -> None:
    """Refuse to lose what must be kept: https://cloud.google.com/storage/docs/bucket-lock#retention-policy."""
    until = _until(bucket, row)
    if until > datetime.now(UTC):
        text = f"Object '{bucket['name']}/{row['name']}' is subject to bucket's retention policy or object retention"
        raise RefusedError(403, f"{text} and cannot be deleted or overwritten until {until}", "retentionPolicyNotMet")


def _remove(asked: Asked, row: dict[str, Any]) -> None:
    del asked.world.rows[f"object:{row['id']}"]
    del asked.world.blobs[row["id"]]


def delete(asked: Asked) -> dict[str, Any]:
    """Delete an object: with versions on and none named, it is only noncurrent then.

    https://cloud.google.com/storage/docs/object-versioning#intro
    """
    bucket, row = buckets.must(asked), must(asked)
    buckets.precondition(asked, row, "generation")
    if bucket.get("versioning", {}).get("enabled") and not asked.one("generation"):
        row["timeDeleted"] = now()
        return {}
    _kept(bucket, row)
    _remove(asked, row)
    return {}


def listed(asked: Asked) -> dict[str, Any]:
    """Return one page of a bucket's objects."""
    bucket, prefix = buckets.must(asked), asked.one("prefix")
    if asked.one("softDeleted") or asked.one("matchGlob"):
        raise not_modelled("lists of what is softly deleted, or by pattern")
    every = asked.yes("versions")
    rows = [row for key, row in sorted(asked.world.rows.items()) if key.startswith(f"object:{bucket['name']}/")]
    found = [one for one in rows if one["name"].startswith(prefix) and (every or "timeDeleted" not in one)]
    sign, prefixes = asked.one("delimiter"), set()
    if sign:
        deeper = [one for one in found if sign in one["name"][len(prefix) :]]
        prefixes = {prefix + one["name"][len(prefix) :].partition(sign)[0] + sign for one in deeper}
        found = [one for one in found if one not in deeper]
    part, more = page(asked, found, "maxResults")
    answer = {"kind": "storage#objects", "items": part} | ({"prefixes": sorted(prefixes)} if prefixes else {})
    return answer | ({"nextPageToken": more} if more else {})

"""Cloud KMS: rings, keys, versions, and encryption that can be undone. https://cloud.google.com/kms/docs/reference/rest."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import google_crc32c
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import named
from .asked import Asked
from .compute import catalogue
from .errors import RefusedError, invalid, not_modelled
from .world import now

IDENTITY = re.compile(r"[a-zA-Z0-9_-]{1,63}")
LOCATIONS = {"global", "us", "europe", *catalogue.ZONES}
DAY = 86400
# The numbers of google/cloud/kms/v1/resources.proto: the REST client sends those.
PURPOSES = {1: "ENCRYPT_DECRYPT", 5: "ASYMMETRIC_SIGN", 6: "ASYMMETRIC_DECRYPT", 7: "RAW_ENCRYPT_DECRYPT", 9: "MAC"}
LEVELS = {1: "SOFTWARE", 2: "HSM", 3: "EXTERNAL", 4: "EXTERNAL_VPC"}
STATES = {1: "ENABLED", 2: "DISABLED", 3: "DESTROYED", 4: "DESTROY_SCHEDULED", 5: "PENDING_GENERATION"}
ALGORITHM = "GOOGLE_SYMMETRIC_ENCRYPTION"
CHANGES = {"rotationPeriod", "nextRotationTime", "labels", "versionTemplate", "rotationSchedule"}


def answer(asked: Asked) -> dict[str, Any]:
    """Answer one request to KMS."""
    named.project_of(asked)
    given = asked.path.get("name") or asked.path.get("parent") or asked.path.get("resource", "")
    location = given.split("/")[3] if given.count("/") >= 3 else "global"
    if location not in LOCATIONS:
        raise RefusedError(
            404, f"The request concerns location '{location}' but was sent to location 'global'.", "notFound"
        )
    if asked.action.endswith(("IamPolicy", "IamPermissions")):
        named.must(asked, given)
        return named.policy(asked, f"cloudkms:{given}")
    found = HANDLERS.get(f"{asked.collection}.{asked.action}")
    if found is None:
        raise not_modelled(asked.method.name)
    answered: dict[str, Any] = found(asked, given)
    return answered


def get(asked: Asked, name: str) -> dict[str, Any]:
    """Return one ring, key or version."""
    return _shown(asked, named.must(asked, name))


def _shown(asked: Asked, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row; a key with its primary version as it is now."""
    if "_primary" not in row:
        return named.shown(row)
    return named.shown(row) | {"primary": asked.world.rows[f"cloudkms:{row['_primary']}"]}


def listed(asked: Asked, parent: str) -> dict[str, Any]:
    """Return one page."""
    if asked.collection != "keyRings":
        named.must(asked, parent)
    found = named.listed(asked, f"{parent}/{asked.collection}", asked.collection)
    rows = [_shown(asked, asked.world.rows[f"cloudkms:{one['name']}"]) for one in found.get(asked.collection, [])]
    return {**found, asked.collection: rows, "totalSize": len(rows)}


def create_ring(asked: Asked, parent: str) -> dict[str, Any]:
    """Make a ring: it can never be deleted, and its name never be used again."""
    name = f"{parent}/keyRings/{_identity(asked, 'keyRingId')}"
    key = named.fresh(asked, name)
    asked.world.rows[key] = {"name": name, "createTime": now()}
    return asked.world.rows[key]


def _identity(asked: Asked, parameter: str) -> str:
    found = asked.one(parameter)
    if not IDENTITY.fullmatch(found):
        raise invalid(parameter, found, "Must match [a-zA-Z0-9_-]{1,63}.")
    return found


def create_key(asked: Asked, ring: str) -> dict[str, Any]:
    """Make a key and its first version: https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys."""
    named.must(asked, ring)
    name = f"{ring}/cryptoKeys/{_identity(asked, 'cryptoKeyId')}"
    key, row = named.fresh(asked, name), dict(asked.body)
    row["purpose"] = PURPOSES.get(row.get("purpose", ""), row.get("purpose"))
    if row["purpose"] is None:
        raise RefusedError(400, "CryptoKey.purpose is required.", "badRequest")
    if row["purpose"] != "ENCRYPT_DECRYPT":
        raise not_modelled(f"keys for {row['purpose']}")
    row["versionTemplate"] = _template(row.get("versionTemplate", {}))
    _rotation(row)
    row.setdefault("destroyScheduledDuration", f"{30 * DAY}s")
    if _seconds(row["destroyScheduledDuration"]) < DAY:
        raise invalid("destroyScheduledDuration", row["destroyScheduledDuration"], "Must be at least 24 hours.")
    asked.world.rows[key] = {"name": name, "createTime": now(), **row}
    if not asked.yes("skipInitialVersionCreation"):
        asked.world.rows[key]["_primary"] = _version(asked, name)["name"]
    return _shown(asked, asked.world.rows[key])


def _template(given: dict[str, Any]) -> dict[str, Any]:
    level, algorithm = given.get("protectionLevel", "SOFTWARE"), given.get("algorithm", ALGORITHM)
    made = {"protectionLevel": LEVELS.get(level, level), "algorithm": ALGORITHM if algorithm == 1 else algorithm}
    if made["algorithm"] != ALGORITHM:
        raise invalid("versionTemplate.algorithm", algorithm, "Does not go with ENCRYPT_DECRYPT.")
    if made["protectionLevel"] not in ("SOFTWARE", "HSM"):
        raise not_modelled(f"the protection level {made['protectionLevel']}")
    return made


def _seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def _rotation(row: dict[str, Any]) -> None:
    """A period goes with a next time, is a day at least, and the time is to come: the reference of CryptoKey."""
    if row.get("rotationPeriod"):
        if not DAY <= _seconds(row["rotationPeriod"]) <= 876_000 * 3600:
            raise invalid("rotationPeriod", row["rotationPeriod"], "Must be between 24 and 876,000 hours.")
        if not row.get("nextRotationTime"):
            raise RefusedError(400, "CryptoKey.next_rotation_time is required with rotation_period.", "badRequest")
    if row.get("nextRotationTime") and datetime.fromisoformat(row["nextRotationTime"]) < datetime.now(UTC):
        raise invalid("nextRotationTime", row["nextRotationTime"], "Must be in the future.")


def _version(asked: Asked, key: str) -> dict[str, Any]:
    parent = asked.world.rows[f"cloudkms:{key}"]
    number = len(asked.world.under(f"cloudkms:{key}/cryptoKeyVersions/")) + 1
    name = f"{key}/cryptoKeyVersions/{number}"
    template = parent["versionTemplate"]
    row = {"name": name, "state": "ENABLED", "createTime": now(), "generateTime": now(), **template}
    asked.world.rows[f"cloudkms:{name}"] = row
    return row


def patch_key(asked: Asked, name: str) -> dict[str, Any]:
    """Change rotation or labels; a purpose is for ever."""
    row = named.must(asked, name)
    if not asked.one("updateMask"):
        raise RefusedError(400, "updateMask is required.", "badRequest")
    made = dict(row)
    for one in named.mask(asked, asked.one("updateMask"), may=CHANGES):
        made.pop(one, None)
        made |= {one: asked.body[one]} if asked.body.get(one) is not None else {}
    made["versionTemplate"] = _template(made.get("versionTemplate", row["versionTemplate"]))
    _rotation(made)
    asked.world.rows[f"cloudkms:{name}"] = made
    return _shown(asked, made)


def primary(asked: Asked, name: str) -> dict[str, Any]:
    """Encrypt with another version from now on."""
    row = named.must(asked, name)
    version = f"{name}/cryptoKeyVersions/{asked.body.get('cryptoKeyVersionId', '')}"
    _enabled(named.must(asked, version))
    row["_primary"] = version
    return _shown(asked, row)


def create_version(asked: Asked, key: str) -> dict[str, Any]:
    """Make a version: it is not the primary one by itself."""
    named.must(asked, key)
    return _version(asked, key)


def patch_version(asked: Asked, name: str) -> dict[str, Any]:
    """Switch a version on or off."""
    row = named.must(asked, name)
    named.mask(asked, asked.one("updateMask"), may={"state"})
    state = STATES.get(asked.body.get("state", ""), asked.body.get("state"))
    if state not in ("ENABLED", "DISABLED") or row["state"] not in ("ENABLED", "DISABLED"):
        raise _state(row)
    row["state"] = state
    return row


def destroy(asked: Asked, name: str) -> dict[str, Any]:
    """Plan a version's end: https://cloud.google.com/kms/docs/destroy-restore."""
    row, key = named.must(asked, name), named.must(asked, name.rpartition("/cryptoKeyVersions/")[0])
    if row["state"] not in ("ENABLED", "DISABLED"):
        raise _state(row)
    when = datetime.now(UTC) + timedelta(seconds=_seconds(key["destroyScheduledDuration"]))
    row |= {"state": "DESTROY_SCHEDULED", "destroyTime": when.isoformat().replace("+00:00", "Z")}
    return row


def restore(asked: Asked, name: str) -> dict[str, Any]:
    """Take that back: the version is off then."""
    row = named.must(asked, name)
    if row["state"] != "DESTROY_SCHEDULED":
        raise _state(row)
    row["state"] = "DISABLED"
    del row["destroyTime"]
    return row


def _state(row: dict[str, Any]) -> RefusedError:
    text = f"{row['name']} is not in a state that allows this, current state is: {row['state']}."
    return RefusedError(400, text, "failedPrecondition", status="FAILED_PRECONDITION")


def _enabled(row: dict[str, Any]) -> None:
    if row["state"] != "ENABLED":
        raise _state(row)


def encrypt(asked: Asked, name: str) -> dict[str, Any]:
    """Encrypt with a key's primary version. The check sums are those of the reference."""
    row = named.must(asked, name.partition("/cryptoKeyVersions/")[0])
    version = named.must(asked, name if "/cryptoKeyVersions/" in name else row.get("_primary", f"{name}: primary"))
    _enabled(version)
    plain = b64decode(asked.body.get("plaintext", ""))
    given = asked.body.get("plaintextCrc32c")
    if given is not None and int(given) != google_crc32c.value(plain):
        raise invalid("plaintextCrc32c", given, "The checksum does not match.")
    nonce = hashlib.sha256(asked.world.identity().encode()).digest()[:12]
    sealed = AESGCM(_secret(version["name"])).encrypt(nonce, plain, _additional(asked))
    made = version["name"].rpartition("/")[2].encode() + b":" + nonce + sealed
    return {
        "name": version["name"],
        "ciphertext": b64encode(made).decode(),
        "ciphertextCrc32c": str(google_crc32c.value(made)),
        "verifiedPlaintextCrc32c": given is not None,
        "protectionLevel": version["protectionLevel"],
    }


def decrypt(asked: Asked, name: str) -> dict[str, Any]:
    """Decrypt what any version of the key has encrypted."""
    named.must(asked, name)
    number, _, rest = b64decode(asked.body.get("ciphertext", "")).partition(b":")
    wrong = RefusedError(400, "Decryption failed: the ciphertext is invalid.", "badRequest")
    version = asked.world.rows.get(f"cloudkms:{name}/cryptoKeyVersions/{number.decode(errors='replace')}")
    if version is None:
        raise wrong
    _enabled(version)
    try:
        plain = AESGCM(_secret(version["name"])).decrypt(rest[:12], rest[12:], _additional(asked))
    except (InvalidTag, ValueError) as refused:
        raise wrong from refused
    return {
        "plaintext": b64encode(plain).decode(),
        "plaintextCrc32c": str(google_crc32c.value(plain)),
        "usedPrimary": True,
    }


def _secret(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _additional(asked: Asked) -> bytes:
    return b64decode(asked.body.get("additionalAuthenticatedData", ""))


HANDLERS: dict[str, Any] = {
    "keyRings.create": create_ring,
    "keyRings.get": get,
    "keyRings.list": listed,
    "cryptoKeys.create": create_key,
    "cryptoKeys.get": get,
    "cryptoKeys.list": listed,
    "cryptoKeys.patch": patch_key,
    "cryptoKeys.updatePrimaryVersion": primary,
    "cryptoKeys.encrypt": encrypt,
    "cryptoKeys.decrypt": decrypt,
    "cryptoKeyVersions.create": create_version,
    "cryptoKeyVersions.get": get,
    "cryptoKeyVersions.list": listed,
    "cryptoKeyVersions.patch": patch_version,
    "cryptoKeyVersions.destroy": destroy,
    "cryptoKeyVersions.restore": restore,
}

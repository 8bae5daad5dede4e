"""Who may do what: the file of identities as SeaweedFS reads it (wiki, Amazon S3 API, "Configuration example").

    {"identities": [{"name": "posthog_web", "credentials": [{"accessKey": "...", "secretKey": "..."}],
                     "actions": ["Read:posthog", "Write:posthog", "List:posthog"]}]}

An action without a bucket is for all of them, as there. An identity `anonymous`, who needs no key, is refused here.
"""

from __future__ import annotations

import json
import ssl
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ACTIONS = ("Admin", "Read", "Write", "List", "Tagging")
VERSIONS = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
HOME = Path("/etc/hedgerow/objectstore")


class ConfigError(Exception):
    """The configuration cannot be stood by; the message never repeats a secret."""


@dataclass(frozen=True)
class Places:
    """Where its files are and where it listens."""

    identities: Path = HOME / "identities.json"
    certificate: Path = HOME / "server.crt"
    key: Path = HOME / "server.key"
    ca: Path = Path("/etc/hedgerow/ca.crt")
    data: Path = Path("/data")
    security: Path = Path("/etc/seaweedfs/security.toml")
    name: str = "seaweedfs.hedgerow.internal"
    address: str = "0.0.0.0"  # noqa: S104 - of its container
    port: int = 8333


@dataclass(frozen=True)
class Identity:
    """Somebody with a key. `actions` are pairs of an action and a bucket, "" for every bucket."""

    name: str
    key: str
    secret: str
    actions: frozenset[tuple[str, str]]

    def may(self, action: str, bucket: str) -> bool:
        """Say whether it may do something in a bucket; an administrator of a bucket may do everything there."""
        return any(each in self.actions for each in ((action, bucket), (action, ""), ("Admin", bucket), ("Admin", "")))


Identities = dict[str, Identity]
"""By access key."""


def read_identities(path: Path) -> Identities:
    """Return everybody. Raises ConfigError with everything that is wrong."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error if isinstance(error, OSError) else 'not JSON'}") from None
    if not isinstance(value, dict) or value.keys() != {"identities"}:
        raise ConfigError(f"{path}: not an object with `identities` alone")
    wrong: list[str] = []
    found = {each.key: each for row in value["identities"] for each in _identities(row, wrong)}
    if not found:
        wrong.append("it names nobody")
    if wrong:
        raise ConfigError(f"{path}: {'; '.join(wrong)}")
    return found


def oldest_tls(path: Path) -> ssl.TLSVersion:
    """Return the oldest version of TLS that is spoken, by security.toml; Go's default is 1.2. Raises ConfigError."""
    try:
        told = tomllib.loads(path.read_text()).get("tls", {}).get("min_version", "TLS 1.2")
        return {f"TLS 1.{number}": version for number, version in enumerate(VERSIONS)}[told]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise ConfigError(f"{path}: {type(error).__name__} {error}") from None


def buckets(identities: Identities) -> list[str]:
    """Return the buckets that somebody may use."""
    return sorted({bucket for each in identities.values() for _, bucket in each.actions if bucket})


def _identities(row: dict[str, Any], wrong: list[str]) -> list[Identity]:
    name = str(row.get("name", ""))
    if strange := sorted(row.keys() - {"name", "credentials", "actions"}):
        wrong.append(f"{name or '?'}: {', '.join(strange)} is not understood")
    if not name or name == "anonymous":
        wrong.append(f"{name or '?'}: nobody gets in without a name")
    actions = set()
    for text in row.get("actions") or ():
        action, _, bucket = str(text).partition(":")
        if action not in ACTIONS or "*" in bucket or "/" in bucket:
            wrong.append(f"{name}: the action {text} is not understood")
        actions.add((action, bucket))
    found = []
    for each in row.get("credentials") or ():
        key, secret = str(each.get("accessKey", "")), str(each.get("secretKey", ""))
        if not key or not secret:
            wrong.append(f"{name}: a credential needs accessKey and secretKey")
        found.append(Identity(name, key, secret, frozenset(actions)))
    return found

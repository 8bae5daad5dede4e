"""Where backups go, as it is declared: a folder of the data host's, SFTP, or object storage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hedgerow.declaration.lookups import at, rows_of
from hedgerow.declaration.words import RefusedError, Wrong, shown

FOLDER = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+")
TAKEN = ("bin", "boot", "dev", "etc", "home", "lib", "lib64", "proc", "root", "run", "sbin", "sys", "tmp", "usr")
OTHERS = ("/var/lib", "/var/log", "/var/tmp", "/var/cache")  # noqa: S108 - refused, not used
SSH = re.compile(
    r"ssh://(?P<user>[a-z_][a-z0-9_-]*)@(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*)(:(?P<port>[0-9]{1,5}))?(?P<path>/.+)"
)
BUCKET = re.compile(r"(?P<kind>s3|gs)://(?P<host>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<path>/.+)?")
OWN_BUCKET = "bucket"
"""The bucket that a cloud's target makes for the deployment's backups."""
OWN_BUCKETS = ("aws", "gcp")
"""The kinds of targets whose machine may keep its backups in such a bucket."""
WRITE = (
    "Write a folder of the data host's (/mnt/backup), ssh://user@host/folder, s3://bucket/prefix or gs://bucket/prefix."
)
NEEDS = {
    "folder": ((), ()),
    "ssh": (("address", "host_keys", "key_file"), ("address", "host_keys", "key_file")),
    "s3": (("region",), ("region", "endpoint", "address", "ca_file", "access_key_id", "key_file")),
    "gs": ((), ("key_file",)),
    OWN_BUCKET: ((), ()),
}
"""Kind of a place -> the keys that it needs, and those that it knows."""
OWN = ("address", "host_keys", "key_file", "region", "endpoint", "ca_file", "access_key_id")
WHY = {
    "address": "the IP address of that host: the firewall lets out to it alone, and no name service is asked",
    "host_keys": "what `ssh-keyscan HOST` prints without the host, one line a key: nobody else is taken for it",
    "key_file": "a file with the private key, without a passphrase, that may write there",
    "region": "the region that requests are signed for",
}


@dataclass(frozen=True)
class Destination:
    """Where backups go. `kind` is folder, ssh, s3, gs or bucket; `host` is a bucket's name, too.

    `path` begins with a slash.
    """

    kind: str
    path: str
    host: str = ""
    user: str = ""
    port: int = 22


def destination(text: str) -> Destination:
    """Read a place. Raises RefusedError."""
    if text == OWN_BUCKET:
        return Destination(OWN_BUCKET, "")
    kind = text.partition("://")[0] if "://" in text else "folder"
    if kind not in NEEDS:
        raise RefusedError(f"backups do not go to {kind}://", WRITE)
    found = SSH.fullmatch(text) or BUCKET.fullmatch(text)
    path = text if kind == "folder" else (found["path"] or "") if found else ""
    if (kind != "folder" and not found) or not FOLDER.fullmatch(path or "/x"):
        raise RefusedError(
            f"{shown(text)} is no absolute folder and no place that is known",
            f"{WRITE} Letters, digits, dots, hyphens.",
        )
    if kind == "folder" and (
        path.split("/")[1] in TAKEN or any(f"{path}/".startswith(f"{other}/") for other in OTHERS)
    ):
        raise RefusedError(
            f"{shown(text)} belongs to the system, or to the data that is backed up",
            "Mount a disk or a share for it on the data host and write that folder, for example /mnt/backup.",
        )
    if found is None:
        return Destination(kind, path)
    parts = found.groupdict()
    return Destination(kind, path, parts["host"], parts.get("user") or "", int(parts.get("port") or 22))


def drill_host_is_apart(value: dict[str, Any]) -> Iterator[Wrong]:
    """What a drill wipes is no host of the deployment; and a lab boots its own."""
    where = ("backup", "drill_on")
    wiped = at(value, *where)
    if not isinstance(wiped, dict):
        return
    if at(value, "target", "kind") == "lab":
        yield Wrong(where, "means nothing in a lab, which boots a host for each drill", "Remove it.")
    hosts = rows_of(value, "target", "hosts")
    taken = {str(row[key]) for _, row in hosts for key in ("address", "private_address") if row.get(key)}
    if taken & {str(wiped.get("address")), str(wiped.get("private_address"))}:
        fix = "Name a machine that holds nothing: each drill ends with everything on it wiped."
        yield Wrong((*where, "address"), "is a host of this deployment", fix)


def backup_place_is_whole(value: dict[str, Any]) -> Iterator[Wrong]:
    """Where backups go is told all that its kind needs, and nothing of another kind's."""
    declared = value.get("backup")
    if not isinstance(declared, dict) or not isinstance(declared.get("to"), str):
        return
    try:
        kind = destination(declared["to"]).kind
    except RefusedError:
        return
    if kind == OWN_BUCKET and at(value, "target", "kind") not in OWN_BUCKETS:
        fix = f"Write another place, or have the machine in {' or '.join(OWN_BUCKETS)}."
        yield Wrong(("backup", "to"), "this target makes no bucket that a machine may keep its backups in", fix)
    needed, known = NEEDS[kind]
    for key in needed:
        if not declared.get(key):
            yield Wrong(("backup", key), f"is missing, and backups go to {kind}", f"Write {WHY[key]}.")
    for key in OWN:
        if declared.get(key) and key not in known:
            yield Wrong(("backup", key), f"means nothing where backups go to a {kind}", "Remove it.")
    if kind == "s3" and bool(declared.get("access_key_id")) != bool(declared.get("key_file")):
        fix = "Write both, or neither: then the machine's own role is asked, which is there in AWS alone."
        yield Wrong(("backup", "access_key_id"), "access_key_id and key_file belong together", fix)
    if declared.get("endpoint") and not declared.get("address"):
        yield Wrong(("backup", "address"), "is missing, and there is an endpoint", "Write the IP address that it has.")

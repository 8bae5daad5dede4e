"""What pgBackRest is told of the place where backups go, and what the data host must be let out to for it. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hedgerow.declaration import Declaration
from hedgerow.declaration.backups import Backup
from hedgerow.declaration.destinations import OWN_BUCKET
from hedgerow.declaration.machines import Aws
from hedgerow.stores import vault

Values = dict[str, Any]

KEY = "backup_key"
"""Its name among the secrets that the operator brought."""
USERS = ["postgres", "root"]
"""Who carries backups away: PostgreSQL's account, also for us; root while one is restored."""
FOLDER = "/etc/pgbackrest/place"
KEY_FILE, HOST_KEYS, AUTHORITY = f"{FOLDER}/key", f"{FOLDER}/known_hosts", f"{FOLDER}/ca.pem"
METADATA = "169.254.169.254"
"""Where a machine in a cloud is told its role's keys."""


def is_folder(declared: Backup) -> bool:
    """Tell whether backups go to a folder of the data host's."""
    return declared.destination.kind == "folder"


def port(declared: Backup) -> int:
    """Return the TCP port at which the place is reached."""
    if declared.destination.kind == "ssh":
        return declared.destination.port
    return urlsplit(declared.endpoint or "").port or 443


def place(declaration: Declaration, bucket: str) -> str:
    """Return where this deployment's backups lie, as people write it; "" where none are declared.

    `bucket` is the one that the target makes for them (Site.bucket).
    """
    declared = declaration.backup
    if declared is None:
        return ""
    if declared.destination.kind == OWN_BUCKET:
        return f"{bucket}/{declaration.name}"
    return f"{declared.to.rstrip('/')}/{declaration.name}"


def folder(declaration: Declaration) -> str:
    """Return the folder on the data host that they lie in; "" where none are declared, and where they leave it."""
    return place(declaration, "") if declaration.backup and is_folder(declaration.backup) else ""


def options(declaration: Declaration, bucket: str) -> dict[str, str]:
    """Return pgBackRest's options of the repository, without the secret ones; pgbackrest.org/configuration.html."""
    declared = declaration.backup
    if declared is None:
        return {}
    to = declared.destination
    path = f"{to.path.rstrip('/')}/{declaration.name}"
    match to.kind:
        case "ssh":
            return {
                "repo1-type": "sftp",
                "repo1-path": path,
                "repo1-sftp-host": to.host,
                "repo1-sftp-host-port": str(to.port),
                "repo1-sftp-host-user": to.user,
                "repo1-sftp-private-key-file": KEY_FILE,
                "repo1-sftp-host-key-hash-type": "sha256",
                "repo1-sftp-host-key-check-type": "strict",
                "repo1-sftp-known-host": HOST_KEYS,
            }
        case "s3":
            return {
                "repo1-type": "s3",
                "repo1-path": path,
                "repo1-s3-bucket": to.host,
                "repo1-s3-region": declared.region or "",
                **_endpoint(declared),
                **(
                    {"repo1-s3-key": declared.access_key_id}
                    if declared.access_key_id
                    else {"repo1-s3-key-type": "auto"}
                ),
                **({"repo1-storage-ca-file": AUTHORITY} if declared.ca_file else {}),
            }
        case "gs":
            key = {"repo1-gcs-key": KEY_FILE} if declared.key_file else {"repo1-gcs-key-type": "auto"}
            return {"repo1-type": "gcs", "repo1-path": path, "repo1-gcs-bucket": to.host, **key}
        case "bucket":
            return _own(declaration, bucket)
        case _:
            return {"repo1-path": f"{path}/postgres"}


def _own(declaration: Declaration, bucket: str) -> dict[str, str]:
    """Return the options of the bucket that the target makes: it is used as the machine itself, and no key is on it."""
    own = urlsplit(place(declaration, bucket))
    if own.scheme == "gs":
        return {
            "repo1-type": "gcs",
            "repo1-path": own.path,
            "repo1-gcs-bucket": own.netloc,
            "repo1-gcs-key-type": "auto",
        }
    target = declaration.target
    if own.scheme != "s3" or not isinstance(target, Aws):
        raise TypeError(f"no bucket for backups is made by {target.kind}")
    return {
        "repo1-type": "s3",
        "repo1-path": own.path,
        "repo1-s3-bucket": own.netloc,
        "repo1-s3-region": target.region,
        "repo1-s3-endpoint": f"s3.{target.region}.amazonaws.com",
        "repo1-s3-key-type": "auto",
    }


def _endpoint(declared: Backup) -> dict[str, str]:
    if declared.endpoint is None:
        return {"repo1-s3-endpoint": f"s3.{declared.region}.amazonaws.com"}
    own = urlsplit(declared.endpoint)
    # Names of buckets below one's own name are seldom in its certificate.
    told = {"repo1-s3-endpoint": own.hostname or "", "repo1-s3-uri-style": "path"}
    return told | ({"repo1-storage-port": str(own.port)} if own.port else {})


def values(declaration: Declaration, bucket: str) -> Values:
    """Return what the role `backup` needs to know of the place."""
    declared = declaration.backup
    if declared is None:
        return {}
    found: Values = {
        "backup_to": place(declaration, bucket),
        "backup_repository": options(declaration, bucket),
    }
    kind = declared.destination.kind
    if declared.key_file and kind == "s3":
        found["backup_repository_secret"] = vault(f"brought.{KEY}")
    elif declared.key_file:
        found["backup_repository_key"] = vault(f"brought.{KEY}")
    if declared.host_keys:
        port = declared.destination.port
        name = declared.destination.host if port == 22 else f"[{declared.destination.host}]:{port}"
        found["backup_repository_hosts"] = [f"{name} {key}" for key in declared.host_keys]
    if declared.ca_file:
        found["backup_repository_authority"] = declared.ca_file.read_text(encoding="ascii")
    return found


def brought(declaration: Declaration) -> dict[str, Path]:
    """Return the secret that the operator brought for it."""
    declared = declaration.backup
    return {KEY: declared.key_file} if declared and declared.key_file else {}


def names(declaration: Declaration) -> dict[str, str]:
    """Return the name of the place and its declared address: no name service is asked for it."""
    declared = declaration.backup
    if declared is None or declared.address is None:
        return {}
    host = urlsplit(declared.endpoint).hostname if declared.endpoint else declared.destination.host
    return {} if host == declared.address else {host or "": declared.address}


def outbound(declaration: Declaration) -> list[Values]:
    """Return the firewall's rows for the place: one address where one is declared."""
    declared = declaration.backup
    if declared is None or is_folder(declared):
        return []
    to = [f"{declared.address}/32"] if declared.address else ["any"]
    rows = [_row("tcp", port(declared), to, "backups leave the host")]
    if declared.address is None:
        rows += [_row(proto, 53, ["any"], "the name of where backups go") for proto in ("udp", "tcp")]
        if not declared.key_file:
            rows.append(_row("tcp", 80, [f"{METADATA}/32"], "the keys of the machine's own role, for backups"))
    return rows


def _row(proto: str, port: int, to: list[str], why: str) -> Values:
    return {"proto": proto, "ports": [port], "to": to, "users": USERS, "why": why}

"""What a declared backup means for the roles: where it lies, what it leaves out, and its secrets. Pure."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from hedgerow import hops, repository
from hedgerow.declaration import Declaration
from hedgerow.service_rows import Table
from hedgerow.unit_values import INSIDE

ARCHIVE = "/usr/bin/pgbackrest --stanza=hedgerow archive-push %p"
CLICKHOUSE = "clickhouse"
CLICKHOUSE_USER = "hedgerow_backup"
"""Who has ClickHouse back up and restore: no service's user, and known from the data host itself alone."""
CLICKHOUSE_PORT = 8443
CLICKHOUSE_FOLDER = "/var/lib/containers/storage/volumes/hedgerow-clickhouse/_data/backups"
"""Where the host finds what ClickHouse writes to /var/lib/clickhouse/backups (roles/clickhouse)."""
LEFT_OUT = {
    "seaweedfs": "session recordings, exports and source maps",
    "kafka": "events that are on their way",
}
"""Stores that a backup does not hold yet, and what is in each."""
KEPT = ("/var/lib/hedgerow/posthog/second-factor",)
"""What is on a host alone: without it nobody, `install` included, is the owner of a PostHog that was put back."""


def secrets(declaration: Declaration) -> dict[str, str]:
    """Return the secrets of backups, place -> kind. The vault keeps them when none are declared: old ones need them."""
    kinds = {"backup.cipher_pass": "secret_key", "backup.manifest_key": "secret_key"}
    if declaration.posthog.deploy:
        kinds[f"clickhouse.{CLICKHOUSE_USER}"] = "password"
    return kinds if declaration.backup else {}


def left_out(table: Table) -> dict[str, str]:
    """Return the stores of a deployment that its backups do not hold, with what is in each."""
    running = {row.name for row in table.services}
    return {name: what for name, what in LEFT_OUT.items() if name in running}


def values(declaration: Declaration, table: Table, bucket: str = "") -> dict[str, Any]:
    """Return the variables of the role `backup`; `bucket` is Site.bucket."""
    declared = declaration.backup
    if declared is None:
        return {"backup_enabled": False}
    return {
        "backup_enabled": True,
        **repository.values(declaration, bucket),
        "backup_keep_days": declared.keep_days,
        "backup_time": declared.time,
        "backup_deployment": declaration.name,
        "backup_leaves_out": left_out(table),
        "backup_keeps": list(KEPT) if table.services else [],
        **_clickhouse(table),
        "backup_cipher_pass": "{{ vault.backup.cipher_pass }}",
        "backup_manifest_key": "{{ vault.backup.manifest_key }}",
    }


def _clickhouse(table: Table) -> dict[str, Any]:
    """Return where ClickHouse is, and by whom it is asked; nothing where it does not run."""
    if CLICKHOUSE not in {row.name for row in table.services}:
        return {}
    return {
        "backup_clickhouse": {
            "address": hops.address(table, table.service(CLICKHOUSE)),
            "port": CLICKHOUSE_PORT,
            "name": f"{CLICKHOUSE}.{INSIDE}",
            "user": CLICKHOUSE_USER,
            "database": "posthog",
            "folder": CLICKHOUSE_FOLDER,
        },
        "backup_clickhouse_password": f"{{{{ vault.clickhouse.{CLICKHOUSE_USER} }}}}",
    }


def asking_clickhouse(declaration: Declaration, table: Table) -> dict[str, Any]:
    """Return what the role `clickhouse` needs to know of backups: a user for them, and from where it comes."""
    if declaration.backup is None:
        return {}
    gateway = IPv4Network(table.networks[table.service(CLICKHOUSE).network])[1]
    password = f"{{{{ vault.clickhouse.{CLICKHOUSE_USER} }}}}"
    return {"clickhouse_backup": {"name": CLICKHOUSE_USER, "password": password, "from": f"{gateway}/32"}}


def archiving(declaration: Declaration) -> dict[str, Any]:
    """Return what the role `postgres` needs to know of backups."""
    if declaration.backup is None:
        return {}
    if not repository.is_folder(declaration.backup):
        return {"postgres_archive_command": ARCHIVE}
    path = f"{repository.folder(declaration)}/postgres"
    return {
        "postgres_archive_command": ARCHIVE,
        # The declared folder and not ours below it: what is removed and made again under a running server stays open.
        "postgres_archive_paths": [declaration.backup.to],
        "postgres_archive_folders": [{"path": path, "owner": "postgres", "group": "postgres", "mode": "0700"}],
    }

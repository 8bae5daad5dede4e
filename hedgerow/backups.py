"""What a declared backup means for the roles: where it lies, what it leaves out, and its secrets. Pure."""

from __future__ import annotations

from typing import Any

from hedgerow.declaration import Declaration
from hedgerow.service_rows import Table

ARCHIVE = "/usr/bin/pgbackrest --stanza=hedgerow archive-push %p"
LEFT_OUT = {
    "clickhouse": "events, and the recordings' index",
    "seaweedfs": "session recordings, exports and source maps",
    "kafka": "events that are on their way",
}
"""Stores that a backup does not hold yet, and what is in each."""
KEPT = ("/var/lib/hedgerow/posthog/second-factor",)
"""What is on a host alone: without it nobody, `install` included, is the owner of a PostHog that was put back."""
CACHE = {"valkey": "caches and queues, which fill again"}


def secrets(declaration: Declaration) -> dict[str, str]:
    """Return the secrets of backups, place -> kind. The vault keeps them when none are declared: old ones need them."""
    kinds = {"backup.cipher_pass": "secret_key", "backup.manifest_key": "secret_key"}
    return kinds if declaration.backup else {}


def folder(declaration: Declaration) -> str:
    """Return where this deployment's backups lie on the data host; "" where none are declared."""
    return f"{declaration.backup.to}/{declaration.name}" if declaration.backup else ""


def left_out(table: Table) -> dict[str, str]:
    """Return the stores of a deployment that its backups do not hold, with what is in each."""
    running = {row.name for row in table.services}
    return {name: what for name, what in LEFT_OUT.items() if name in running} | CACHE


def values(declaration: Declaration, table: Table) -> dict[str, Any]:
    """Return the variables of the role `backup`."""
    declared = declaration.backup
    if declared is None:
        return {"backup_enabled": False}
    return {
        "backup_enabled": True,
        "backup_to": folder(declaration),
        "backup_keep_days": declared.keep_days,
        "backup_time": declared.time,
        "backup_deployment": declaration.name,
        "backup_leaves_out": left_out(table),
        "backup_keeps": list(KEPT) if table.services else [],
        "backup_cipher_pass": "{{ vault.backup.cipher_pass }}",
        "backup_manifest_key": "{{ vault.backup.manifest_key }}",
    }


def archiving(declaration: Declaration) -> dict[str, Any]:
    """Return what the role `postgres` needs to know of backups."""
    if declaration.backup is None:
        return {}
    repository = {"path": f"{folder(declaration)}/postgres", "owner": "postgres", "group": "postgres", "mode": "0700"}
    return {
        "postgres_archive_command": ARCHIVE,
        # The declared folder and not ours below it: what is removed and made again under a running server stays open.
        "postgres_archive_paths": [declaration.backup.to],
        "postgres_archive_folders": [repository],
    }

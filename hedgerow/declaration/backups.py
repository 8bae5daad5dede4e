"""Backups as they are declared: where they go, how far back one can go, and when they are made."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from hedgerow.declaration import times
from hedgerow.declaration.kinds import Count, Model
from hedgerow.declaration.words import RefusedError, shown

FOLDER = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+")
TAKEN = ("bin", "boot", "dev", "etc", "home", "lib", "lib64", "proc", "root", "run", "sbin", "sys", "tmp", "usr")
OTHERS = ("/var/lib", "/var/log", "/var/tmp", "/var/cache")  # noqa: S108 - refused, not used
MOUNT = "Mount it on the data host (NFS, or sshfs, or a disk of its own) and write the folder, for example /mnt/backup."


def folder(text: str) -> str:
    """Read the folder that backups go to. What is no folder of the host's is not built, and said to be so."""
    if "://" in text:
        kind = text.partition("://")[0]
        raise RefusedError(f"backups to {kind}:// are not in this release; a folder on the data host is", MOUNT)
    if not FOLDER.fullmatch(text):
        raise RefusedError(
            f"{shown(text)} is no absolute folder", "Write one of letters, digits, dots and hyphens: /mnt/backup."
        )
    if text.split("/")[1] in TAKEN or any(f"{text}/".startswith(f"{other}/") for other in OTHERS):
        raise RefusedError(f"{shown(text)} belongs to the system, or to the data that is backed up", MOUNT)
    return text


class Backup(Model):
    """Backups of PostgreSQL and ClickHouse: every day, and PostgreSQL's journal in between."""

    to: Annotated[str, AfterValidator(folder)] = Field(
        description="A folder on the data host, best a share of another machine's. What goes there is encrypted.",
        examples=["/mnt/backup"],
    )
    keep_days: Count = Field(default=35, description="For how many days one can go back to any moment.")
    time: Annotated[str, AfterValidator(times.clock)] = Field(
        default="02:00", description="When the day's backup is made, UTC."
    )
    drill_days: Count = Field(
        default=90, description="A drill (`drill NAME`, a restore elsewhere) that went well is never older than this."
    )

"""Backups as they are declared: where they go, how far back one can go, and when they are made."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from hedgerow.declaration import fields, times
from hedgerow.declaration.destinations import Destination, destination
from hedgerow.declaration.kinds import Count, File, Model, PublicKey, Text
from hedgerow.declaration.machines import OnPremHost


def place(text: str) -> str:
    """Accept a place that is known, as it is written."""
    destination(text)
    return text


class Backup(Model):
    """Backups of PostgreSQL and ClickHouse: every day, and PostgreSQL's journal in between."""

    to: Annotated[str, AfterValidator(place)] = Field(
        description="A folder on the data host, ssh://user@host/folder, s3://bucket/prefix, gs://bucket/prefix, or"
        " bucket: the one that target aws or gcp makes for it. Best not on the data host's own disk. What goes there is"
        " encrypted.",
        examples=["/mnt/backup", "ssh://acme@backup.acme.example/srv/acme", "s3://acme-backup/posthog"],
    )
    keep_days: Count = Field(default=35, description="For how many days one can go back to any moment.")
    time: Annotated[str, AfterValidator(times.clock)] = Field(
        default="02:00", description="When the day's backup is made, UTC."
    )
    drill_days: Count = Field(
        default=90, description="A drill (`drill NAME`, a restore elsewhere) that went well is never older than this."
    )
    drill_on: OnPremHost | None = Field(
        default=None,
        description="Outside a lab, a machine for drills and rehearsals: empty, and wiped after each.",
    )
    address: Annotated[str, AfterValidator(fields.ip_address)] | None = Field(
        default=None, description="The IP address of the SSH host or of `endpoint`: the firewall lets out to it alone."
    )
    host_keys: tuple[PublicKey, ...] = Field(
        default=(),
        description="The keys that the SSH host shows (`ssh-keyscan`), without its name; another is refused.",
    )
    key_file: File | None = Field(
        default=None,
        description="A file, kept in the vault from then on: the private SSH key, S3's secret key, or the JSON of a"
        " service account of Google's. Without one the machine's own role is asked (s3, gs).",
    )
    region: Text | None = Field(default=None, description="S3's region.", examples=["eu-central-1"])
    endpoint: Annotated[str, AfterValidator(fields.https)] | None = Field(
        default=None, description="S3 of your own, over TLS. Default: that of AWS in the region."
    )
    ca_file: File | None = Field(
        default=None, description="The authority of `endpoint`, where it is no public one; PEM."
    )
    access_key_id: Text | None = Field(default=None, description="The id of the S3 key whose secret is in key_file.")

    @property
    def destination(self) -> Destination:
        """Where they go, taken apart."""
        return destination(self.to)

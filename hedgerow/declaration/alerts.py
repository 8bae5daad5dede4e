"""Alerts as they are declared: whom a host tells, and by what."""

from __future__ import annotations

from pydantic import Field

from hedgerow.declaration.kinds import Email, File, Model


class Alerts(Model):
    """Whom each host tells when something is not well. Without it nobody is told; `status` says it all the same."""

    mail: tuple[Email, ...] = Field(
        default=(),
        description="Addresses that get mail, by the relay under mail.",
        examples=[["security@acme.example"]],
    )
    webhook_file: File | None = Field(
        default=None,
        description="A file with the URL alone that is told, https on port 443: who knows it can post there, so it is a"
        " secret.",
        examples=["alerts-webhook"],
    )

"""The certificate that browsers see: whose it is, and where it comes from."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hedgerow.declaration.kinds import Email, File, Model
from hedgerow.declaration.words import RefusedError, shown

DIRECTORY = re.compile(r"https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~-]+)+/?")


def directory_address(text: str) -> str:
    """Read the address of an ACME server's directory (RFC 8555, 7.1.1)."""
    if not DIRECTORY.fullmatch(text):
        raise RefusedError(
            f"{shown(text)} is no directory of an ACME server",
            "Write its https address, with nothing behind the path: https://acme.acme.example/acme/directory.",
        )
    return text


class Tls(Model):
    """The certificate that browsers see."""

    certificate: Literal["private", "provided", "acme"] = Field(
        default="private",
        description="private: made by the deployment's own CA. provided: yours, from the two files. acme: the edge asks"
        " an authority for it, and renews it by itself.",
    )
    certificate_file: File | None = Field(
        default=None,
        description="With provided: the certificate and its chain, PEM, leaf first, relative to this file.",
    )
    key_file: File | None = Field(
        default=None, description="With provided: the certificate's private key, PEM, no passphrase."
    )
    directory: Annotated[str, AfterValidator(directory_address)] | None = Field(
        default=None,
        description="With acme: the directory of an ACME server of yours. Default: Let's Encrypt.",
        examples=["https://acme.acme.example:9000/acme/acme/directory"],
    )
    directory_ca: File | None = Field(
        default=None,
        description="With directory: the CAs that signed its own certificate and sign what it issues, PEM, relative to"
        " this file.",
    )
    contact: Email | None = Field(
        default=None, description="With acme: whom the authority may write to. Default: nobody."
    )

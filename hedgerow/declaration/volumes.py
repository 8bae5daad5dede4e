"""The encrypted volume that the stores lie on, as it is declared: which disk, and who opens it when the host starts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from hedgerow.declaration.clouds import CLOUDS
from hedgerow.declaration.kinds import Model
from hedgerow.declaration.lookups import at
from hedgerow.declaration.words import RefusedError, Wrong, shown

DISK = re.compile(r"/dev/(disk/by-[a-z]+/)?[A-Za-z0-9][A-Za-z0-9._:+-]*")
TANG = re.compile(r"http://([0-9.]+)(?::([1-9][0-9]{0,4}))?/?")
THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{27}|[A-Za-z0-9_-]{43}")
HTTP = 80


def disk_path(text: str) -> str:
    """Read the path of a block device."""
    if not DISK.fullmatch(text):
        raise RefusedError(
            f"{shown(text)} is no disk of a host",
            "Write one of `ls /dev/disk/by-id` there, which stays the same when disks are added: /dev/disk/by-id/...",
        )
    return text


def tang_address(text: str) -> str:
    """Read the address of a Tang server. Its protocol needs no TLS: what passes is of no use to who listens."""
    found = TANG.fullmatch(text)
    try:
        if not found or int(found[2] or HTTP) > 65535:
            raise ValueError
        IPv4Address(found[1])
    except ValueError:
        raise RefusedError(
            f"{shown(text)} is no address of a Tang server",
            "Write http, its IPv4 address and its port: http://192.0.2.75:7500. A firewall knows no names.",
        ) from None
    return text.rstrip("/")


def key_thumbprint(text: str) -> str:
    """Read the thumbprint of a Tang server's signing key (RFC 7638), as `tang-show-keys` prints it."""
    if not THUMBPRINT.fullmatch(text):
        raise RefusedError(
            f"{shown(text)} is no thumbprint of a key", "Write what `tang-show-keys PORT` says on the Tang server."
        )
    return text


class EncryptedVolume(Model):
    """A disk of the data host's own, encrypted (LUKS2), for everything that the stores keep."""

    device: Annotated[str, AfterValidator(disk_path)] = Field(
        description="An empty disk of the data host. Where anything is on it, an install refuses.",
        examples=["/dev/disk/by-id/ata-ACME_SSD_1234"],
    )
    unlock: Literal["tang", "tpm2"] = Field(
        description="Who opens it when the host starts. tang: a server in your network, so that a disk or a host that"
        " is carried away stays shut. tpm2: the host's own TPM, so that a disk without its host does."
    )
    tang: Annotated[str, AfterValidator(tang_address)] | None = Field(
        default=None, description="With tang: where the server is.", examples=["http://192.0.2.75:7500"]
    )
    thumbprint: Annotated[str, AfterValidator(key_thumbprint)] | None = Field(
        default=None, description="With tang: the thumbprint of its signing key, as `tang-show-keys` says it there."
    )

    @property
    def server(self) -> tuple[str, int] | None:
        """The Tang server's address and port; None without one."""
        if self.tang is None:
            return None
        address, _, port = self.tang.removeprefix("http://").partition(":")
        return address, int(port or HTTP)


def volume_can_be_opened(value: dict[str, Any]) -> Iterator[Wrong]:
    """A volume needs a disk of a host's own, and who opens it must be known by its key."""
    place = ("encrypted_volume",)
    if at(value, *place) is None:
        return
    if at(value, "target", "kind") in CLOUDS:
        fix = "Remove it: there every disk is encrypted with the deployment's own key."
        yield Wrong(place, "is for machines that were there before", fix)
    elif at(value, "target", "kind") == "lab" and at(value, "target", "machine") != "vm":
        fix = "Write target: {kind: lab, machine: vm}, and device: /dev/vdb."
        yield Wrong(place, "a container has no disk of its own", fix)
    asks = at(value, *place, "unlock") == "tang"
    for key in ("tang", "thumbprint"):
        if asks and at(value, *place, key) is None:
            why = ": an unknown server would be trusted with the keys" if key == "thumbprint" else ""
            yield Wrong((*place, key), "is missing, and a Tang server is to open the volume", f"Add {key}{why}.")
        if not asks and at(value, *place, key) is not None:
            yield Wrong((*place, key), "is used only with unlock: tang", "Write that too, or remove this line.")

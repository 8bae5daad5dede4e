"""Google Cloud as a declaration says it."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hedgerow.declaration import networks
from hedgerow.declaration.kinds import Count, Label, Model, Yes
from hedgerow.declaration.machines import KIND
from hedgerow.declaration.words import RefusedError, shown

SMALLEST, LARGEST = 28, 16


def _project(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", text):
        raise RefusedError(f"{shown(text)} is no id of a project", "Write it as the console shows it: acme-analytics.")
    return text


def _region(text: str) -> str:
    if not re.fullmatch(r"[a-z]+(-[a-z]+)+[0-9]+", text):
        raise RefusedError(f"{shown(text)} is no region of Google Cloud", "Write for example us-central1.")
    return text


def _letter(text: str) -> str:
    if not re.fullmatch(r"[a-z]", text):
        raise RefusedError(f"{shown(text)} is no letter of a zone", "Write for example b, for us-central1-b.")
    return text


def _cidr(text: str) -> str:
    found = networks.network(text)
    if found.version != 4 or not LARGEST <= found.prefixlen <= SMALLEST or not found.is_private:
        raise RefusedError(
            f"{shown(text)} is no private IPv4 network of a length between {LARGEST} and {SMALLEST}",
            "Write for example 10.90.0.0/20.",
        )
    return str(found)


class Gcp(Model):
    """One machine in a network of its own in Google Cloud, with the keys and logs that HIPAA wants around it."""

    kind: Literal["gcp"] = Field(description=KIND)
    project: Annotated[str, AfterValidator(_project)] = Field(
        description="The project's id. One that is for this deployment alone is best.", examples=["acme-analytics"]
    )
    region: Annotated[str, AfterValidator(_region)] = Field(description="The region.", examples=["us-central1"])
    zone: Annotated[str, AfterValidator(_letter)] | None = Field(
        default=None, description="The letter of the zone in it. Default: the region's first."
    )
    name: Label = Field(default="analytics-1", description="The machine's own name.")
    size: Literal["small", "medium", "large"] = Field(
        default="medium", description="small: 4 processors, 16 GiB. medium: 8 and 32. large: 16 and 64."
    )
    image: Literal["debian-13", "ubuntu-24.04"] = Field(
        default="debian-13", description="The distribution's own newest image, by its publisher."
    )
    root_gib: Count = Field(default=30, description="The system's disk, in GiB.")
    data_gib: Count = Field(default=300, description="The disk of /var, where all data lie, in GiB.")
    cidr: Annotated[str, AfterValidator(_cidr)] = Field(
        default="10.90.0.0/20", description="The network of the subnet that is made: private, IPv4."
    )
    public: Yes = Field(
        default=False,
        description="Whether the machine has a public address. Default: no; SSH comes through Identity-Aware Proxy.",
    )

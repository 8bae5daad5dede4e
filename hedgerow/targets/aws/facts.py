"""What AWS says about itself: a dated file, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hedgerow.targets.cloud.graph import Resource

FILE = Path(__file__).with_name("facts.yml")


@dataclass(frozen=True)
class Image:
    """A distribution's own image: who publishes it, the pattern of its name, and the account it lets in."""

    owner: str
    name: str
    user: str


@cache
def facts() -> dict[str, Any]:
    """Return the file."""
    said: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return said


def image(name: str) -> Image:
    """Return an image by its name in a declaration."""
    row = facts()["images"][name]
    return Image(row["owner"], row["name"], row["user"])


def instance_type(size: str) -> str:
    """Return the type of instance that a size stands for."""
    return str(facts()["sizes"][size]["type"])


def billed(resource: Resource) -> Mapping[str, float]:
    """Return what AWS counts: an instance by its type, its disks by their size, the rest by kind."""
    if resource.wanted.get("route_tables"):  # a gateway endpoint costs nothing
        return {}
    if resource.kind == "web-acl":
        return {"web-acl": 1.0, "web-acl rule": float(len(resource.wanted["rules"]))}
    if resource.wanted.get("type") == "application":  # with an address of AWS's in each of its subnets
        return {resource.kind: 1.0, "address": float(len(resource.wanted["subnets"]))}
    counted = {f"instance {resource.wanted['type']}" if resource.kind == "instance" else resource.kind: 1.0}
    for disk in resource.wanted.get("disks", ()):
        counted[disk["type"]] = counted.get(disk["type"], 0) + disk["gib"]
    return counted


def problems(region: str, services: frozenset[str]) -> list[str]:
    """Return why health information may not lie in this region, or go through these services; empty when it may."""
    regions, eligible = facts()["regions"], facts()["eligible"]
    found = []
    if region not in regions["names"]:
        found.append(
            f"{region} is not among the regions of {regions['as_of']} ({', '.join(regions['names'])}); see "
            f"{regions['source']}"
        )
    for service in sorted(services - set(eligible["services"]) - set(eligible["holding_nothing"])):
        found.append(f"{service} is not on AWS's list of HIPAA-eligible services of {eligible['as_of']}")
    return found

"""What Google says about itself: a dated file, read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hedgerow.targets.cloud.graph import Resource

FILE = Path(__file__).with_name("facts.yml")


@cache
def facts() -> dict[str, Any]:
    """Return the file."""
    said: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return said


def image(name: str) -> str:
    """Return the family of an image by its name in a declaration: its publisher's newest at the day of creation."""
    return str(facts()["images"][name])


def machine_type(size: str) -> str:
    """Return the type of machine that a size stands for."""
    return str(facts()["sizes"][size]["type"])


def zone(region: str, letter: str | None) -> str:
    """Return the zone that is declared, or the region's first."""
    return f"{region}-{letter or facts()['regions']['zones'].get(region, 'a')[0]}"


def billed(resource: Resource) -> Mapping[str, float]:
    """Return what Google counts: a machine by type, a disk by size, a policy with its rules, the rest by kind."""
    if resource.kind == "instance":
        return {str(resource.wanted["machineType"]).rpartition("/")[2]: 1}
    if resource.kind == "security-policy":
        return {resource.kind: 1, "security-policy-rule": len(resource.wanted["rules"])}
    if resource.kind == "disk":
        return {str(resource.wanted["type"]).rpartition("/")[2]: float(resource.wanted["sizeGb"])}
    return {resource.kind: 1}


def problems(zone_: str, services: Iterable[str]) -> list[str]:
    """Return why health information may not lie in this zone, or go through these services; empty when it may."""
    regions, covered = facts()["regions"], facts()["covered"]
    region, _, letter = zone_.rpartition("-")
    found = []
    if region not in regions["zones"]:
        names = ", ".join(regions["zones"])
        found.append(f"{region} is not among the regions of {regions['as_of']} ({names}); see {regions['source']}")
    elif letter not in regions["zones"][region]:
        found.append(f"{region} has no zone {letter}: it has {', '.join(regions['zones'][region])}")
    for service in sorted(set(services) - set(covered["services"]) - set(covered["holding_nothing"])):
        found.append(f"{service} is not on Google's list of products that its BAA covers of {covered['as_of']}")
    return found

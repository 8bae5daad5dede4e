"""Names of resources: full and partial addresses, what holds what, and what a reference must find."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..errors import RefusedError, missing
from ..world import World
from . import catalogue

ROOT = "https://www.googleapis.com/compute/v1/"
HOLDS = {  # a field that names another resource, which then cannot be deleted
    "network",
    "subnetwork",
    "source",
    "resourcePolicies",
    "natIps",
    "drainNatIps",
    "healthChecks",
    "group",
    "urlMap",
    "target",
    "securityPolicy",
    "sslPolicy",
    "sslCertificates",
    "service",
    "defaultService",
    "backendService",
    "nextHopInstance",
}
POINTS = {"machineType", "type", "diskType", "sourceImage", "sourceSnapshot", "sourceDisk"}
"""A field that names another resource, and does not keep it: an image may go once the disk is made."""


def key(path: str) -> str:
    """Return where a resource's row is, by its path ("projects/p/global/networks/n")."""
    return f"compute:{path}"


def row(world: World, path: str) -> dict[str, Any] | None:
    """Return a resource, or None; also what Google publishes itself."""
    found: dict[str, Any] | None = world.rows.get(key(path)) or catalogue.published(path)
    return found


def path_of(value: str, project: str, zone: str = "", region: str = "") -> str:
    """Return the path that a full or partial address means.

    https://cloud.google.com/apis/design/resource_names, and each reference of Compute's lists the forms that it takes.
    """
    path = re.sub(r"^https://(www|compute)\.googleapis\.com/compute/v1/", "", value)
    if path.startswith(("global/", "zones/", "regions/")):
        path = f"projects/{project}/{path}"
    if "/" not in path or not path.startswith("projects/"):
        raise RefusedError(400, f"Invalid value: '{value}'. The URL is malformed.", "invalid")
    return path


def resolve(world: World, project: str, value: str) -> str:
    """Return the address of what a reference names. Refused if there is none, or if it is not made to its end."""
    path = path_of(value, project)
    if path.endswith("/default-internet-gateway"):
        return ROOT + path
    found = row(world, path)
    if found is None:
        raise missing(path)
    ready(world, path)
    return str(found["selfLink"])


def ready(world: World, path: str) -> None:
    """Refuse what an operation is at work on.

    The words are those that https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-errors has.
    """
    if any(one.busy(key(path)) for one in world.operations.values()):
        raise RefusedError(400, f"The resource '{path}' is not ready", "resourceNotReady")


def link_all(world: World, project: str, value: Any) -> Any:
    """Return a resource whose references are full addresses of what is there."""
    if isinstance(value, list):
        return [link_all(world, project, one) for one in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for name, one in value.items():
        named = name in HOLDS | POINTS
        if named and isinstance(one, str) and "/" in one:
            made[name] = resolve(world, project, one)
        elif named and isinstance(one, list) and all(isinstance(each, str) for each in one):
            made[name] = [resolve(world, project, each) for each in one]
        else:
            made[name] = link_all(world, project, one)
    return made


def holders(world: World, path: str) -> list[str]:
    """Return the paths of what holds a resource."""
    names = {ROOT + path}
    if path.split("/")[-2] == "addresses":
        names.add(world.rows[key(path)]["address"])  # an instance has the number itself
    return [
        name.removeprefix("compute:")
        for name, one in sorted(world.rows.items())
        if name.startswith("compute:") and name != key(path) and not one.get("_own") and names & set(_held(one))
    ]


def _held(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _held(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in HOLDS and isinstance(one, str):
                yield one
            elif name in HOLDS and isinstance(one, list):
                yield from (each for each in one if isinstance(each, str))
            if name in ("subnetworks", "IPAddress", "natIP", "networkIP"):
                yield from _named(one)
            yield from _held(one)


def _named(value: Any) -> Iterator[str]:
    """Return what a router's NAT names as `subnetworks[].name`, and a rule as its address."""
    if isinstance(value, str):
        yield value
    for one in value if isinstance(value, list) else []:
        if isinstance(one, dict) and "name" in one:
            yield one["name"]


def free(world: World, path: str) -> None:
    """Refuse to delete what something else needs."""
    used = holders(world, path)
    if used:
        kind = path.split("/")[-2].removesuffix("s")
        text = f"The {kind} resource '{path}' is already being used by '{used[0]}'"
        raise RefusedError(400, text, "resourceInUseByAnotherResource")

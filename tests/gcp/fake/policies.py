"""Policies of IAM: read, put with an etag, and judged as far as a key needs it.

https://cloud.google.com/iam/docs/reference/rest/v1/Policy
"""

from __future__ import annotations

import re
from typing import Any

from .errors import RefusedError, invalid
from .world import NUMBER, PROJECT, World, etag

MEMBER = re.compile(
    r"(allUsers|allAuthenticatedUsers|(user|group|domain|serviceAccount|project(Owner|Editor|Viewer)|deleted:\w+|principal(Set)?):\S+)"
)
ROLE = re.compile(rf"(roles/[\w.]+|(projects/({PROJECT}|{NUMBER})|organizations/\d+)/roles/[\w.]+)")
OWN = re.compile(rf"serviceAccount:([a-z0-9-]+)@{PROJECT}\.iam\.gserviceaccount\.com")
EMPTY: dict[str, Any] = {"version": 1, "etag": "ACAB"}


def get(world: World, name: str) -> dict[str, Any]:
    """Return the policy of a resource; that of one which has none is empty, and has an etag all the same."""
    return world.policies.get(name, EMPTY)


def put(world: World, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Set a policy. An etag that is not the present one is refused: two who read and write do not undo each other."""
    if given.get("etag") and given["etag"] != get(world, name)["etag"]:
        text = (
            "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff."
        )
        raise RefusedError(409, text, "aborted", status="ABORTED")
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for one in given.get("bindings", []):
        _binding(world, one, given.get("version", 1))
        if not one.get("members"):
            continue
        held = merged.setdefault((one["role"], str(one.get("condition"))), {**one, "members": []})
        held["members"] = sorted({*held["members"], *one["members"]})
    made = {**given, "version": given.get("version", 1), "bindings": [merged[one] for one in sorted(merged)]}
    if not made["bindings"]:
        del made["bindings"]
    made["etag"] = etag([{**made, "etag": ""}, world.identity()])
    world.policies[name] = made
    return made


def _binding(world: World, one: dict[str, Any], version: int) -> None:
    role = one.get("role", "")
    if not ROLE.fullmatch(role):
        raise RefusedError(400, f"Role {role} is not supported for this resource.", "badRequest")
    if role.startswith("projects/") and f"iam:{role.replace(NUMBER, PROJECT)}" not in world.rows:
        raise RefusedError(400, f"The role named {role} was not found.", "badRequest")
    if one.get("condition") and version < 3:  # https://cloud.google.com/iam/docs/policies#specifying-version-set
        raise RefusedError(400, "Invalid policy version: a policy with conditions must have version 3.", "badRequest")
    for member in one.get("members", []):
        if not MEMBER.fullmatch(member):
            raise invalid("policy.bindings.members", member)
        _known(world, member)


def _known(world: World, member: str) -> None:
    """Refuse a service account of the project that there is not, or an agent whose service has not made it yet.

    https://cloud.google.com/iam/docs/service-agents#create-service-agent
    """
    own = OWN.fullmatch(member)
    if (
        own
        and own[1] != "operator"
        and f"iam:projects/{PROJECT}/serviceAccounts/{member.partition(':')[2]}" not in world.rows
    ):
        raise RefusedError(400, f"Service account {member.partition(':')[2]} does not exist.", "badRequest")
    agent = re.fullmatch(rf"serviceAccount:((?:service-|cmek-p){NUMBER}@[\w.-]+)", member)
    if agent and agent[1] not in agents(world):
        raise RefusedError(400, f"Service account {agent[1]} does not exist.", "badRequest")


def agents(world: World) -> set[str]:
    """Return the service agents that there are.

    Compute's comes with its API; Cloud Storage's when it is first asked for; Logging's by its settings
    (https://cloud.google.com/storage/docs/getting-service-agent, https://cloud.google.com/logging/docs/routing/managed-encryption).
    """
    found = set(world.agents)
    if "compute.googleapis.com" in world.services:
        found.add(f"service-{NUMBER}@compute-system.iam.gserviceaccount.com")
    return found


def has(world: World, names: tuple[str, ...], member: str, roles: tuple[str, ...]) -> bool:
    """Tell whether a member has one of the roles by one of these policies."""
    return any(
        binding["role"] in roles and member in binding.get("members", [])
        for name in names
        for binding in get(world, name).get("bindings", [])
    )

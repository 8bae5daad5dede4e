"""Operations: a change is done once it was asked after, or half a second later, and may fail then.

https://cloud.google.com/compute/docs/api/how-tos/api-requests-responses#handling_api_responses
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..asked import Asked
from ..errors import RefusedError, invalid, missing
from ..world import EMAIL, World, now
from .links import ROOT

SETTLES = 2.0
ERRORS = {
    "quota-late": (403, "FORBIDDEN", "QUOTA_EXCEEDED", "Quota 'CPUS' exceeded.  Limit: 8.0 in region us-central1."),
    "fails-late": (
        503,
        "SERVICE UNAVAILABLE",
        "ZONE_RESOURCE_POOL_EXHAUSTED",
        "The zone has no resources left for this.",
    ),
}


@dataclass
class Operation:
    """One change on its way: what it touches, what it does at its end, and how it is undone if that fails."""

    row: dict[str, Any]
    keys: tuple[str, ...]
    left: int
    born: float
    finish: Callable[[], None]
    undo: Callable[[], None]
    fault: str

    def busy(self, key: str) -> bool:
        """Tell whether it is still at work on a resource."""
        return key in self.keys and self.row["status"] != "DONE"

    def poll(self) -> None:
        """Be asked after."""
        self.left -= 1
        if self.left <= 0:
            self.end()
        else:
            self.row["status"] = "RUNNING"

    def end(self) -> None:
        """Come to an end, once."""
        if self.row["status"] == "DONE":
            return
        self.row |= {"status": "DONE", "progress": 100, "endTime": now()}
        if self.fault:
            code, words, error, message = ERRORS[self.fault]
            self.row |= {
                "error": {"errors": [{"code": error, "message": message}]},
                "httpErrorStatusCode": code,
                "httpErrorMessage": words,
            }
            self.undo()
        else:
            self.finish()


def nothing() -> None:
    """Do nothing."""


def settle(world: World) -> None:
    """End what began a while ago: what nobody asks after is done all the same."""
    for one in world.operations.values():
        if time.monotonic() - one.born > SETTLES:
            one.end()


def repeated(asked: Asked) -> dict[str, Any] | None:
    """Return the operation that the same requestId began, or None: the parameter's description says what it must be."""
    given = asked.one("requestId")
    if not given:
        return None
    try:
        if uuid.UUID(given).int == 0:
            raise ValueError(given)
    except ValueError as wrong:
        raise invalid("requestId", given, "Must be a valid UUID, and not zero.") from wrong
    name = asked.world.requests.get((asked.path["project"], given))
    return asked.world.operations[name].row if name else None


def begin(
    asked: Asked,
    target: dict[str, Any],
    *,
    kind: str,
    keys: tuple[str, ...],
    finish: Callable[[], None] = nothing,
    undo: Callable[[], None] = nothing,
) -> dict[str, Any]:
    """Start a change and return its operation."""
    world, project = asked.world, asked.path["project"]
    identity = world.identity()
    name = f"operation-{identity}"
    scope = next((f"{one}s/{asked.path[one]}" for one in ("zone", "region") if one in asked.path), "global")
    row: dict[str, Any] = {
        "kind": "compute#operation",
        "id": identity,
        "name": name,
        "operationType": kind,
        "targetLink": target["selfLink"],
        "targetId": target["id"],
        "status": "PENDING" if world.polls > 1 else "RUNNING",
        "user": EMAIL,
        "progress": 0,
        "insertTime": now(),
        "startTime": now(),
        "selfLink": f"{ROOT}projects/{project}/{scope}/operations/{name}",
    }
    if scope != "global":
        row[scope.split("/")[0].removesuffix("s")] = f"{ROOT}projects/{project}/{scope}"
    if asked.one("requestId"):
        world.requests[project, asked.one("requestId")] = name
    world.operations[name] = Operation(row, keys, world.polls, time.monotonic(), finish, undo, asked.fault)
    return dict(row)


def answer(asked: Asked) -> dict[str, Any]:
    """Answer what is asked of operations themselves."""
    scope = next((f"{one}s/{asked.path[one]}" for one in ("zone", "region") if one in asked.path), "global")
    parent = f"{ROOT}projects/{asked.path['project']}/{scope}/operations/"
    if asked.action == "list":
        rows = [one.row for one in asked.world.operations.values() if one.row["selfLink"].startswith(parent)]
        return {"kind": "compute#operationList", "items": rows}
    found = asked.world.operations.get(asked.path.get("operation", ""))
    if found is None or not found.row["selfLink"].startswith(parent):
        raise missing(f"{parent}{asked.path.get('operation')}".removeprefix(ROOT))
    if asked.action == "get":
        found.poll()
    elif asked.action == "wait":
        found.end()
    else:
        raise RefusedError(501, f"The fake does not model {asked.method.name}.", "notImplemented")
    return dict(found.row)

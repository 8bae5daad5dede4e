"""Cloud Resource Manager: the project and its policy; Service Usage: which services are on.

https://cloud.google.com/resource-manager/reference/rest, https://cloud.google.com/service-usage/docs/reference/rest
"""

from __future__ import annotations

import re
from typing import Any

from . import named, policies
from .asked import Asked, page
from .errors import RefusedError, not_modelled
from .world import NUMBER, PROJECT

SERVICE = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)*\.googleapis\.com")
MADE = "2026-11-01T09:00:00.000Z"
MOST = 20


def _mine(asked: Asked, name: str) -> None:
    if name.removeprefix("projects/") not in (PROJECT, NUMBER):
        raise RefusedError(403, f"The caller does not have permission: {asked.method.name} on {name}.", "forbidden")


def project(asked: Asked) -> dict[str, Any]:
    """Answer what is asked of the project itself."""
    if asked.action == "search":
        return {"projects": [_project(asked)]}
    if asked.collection != "projects":
        raise not_modelled(asked.method.name)
    given = next(iter(asked.path.values()), "")
    if asked.action not in ("get", "getIamPolicy", "setIamPolicy", "testIamPermissions"):
        raise not_modelled(asked.method.name)
    _mine(asked, given)
    if asked.action == "get":
        return _project(asked)
    if asked.action == "testIamPermissions":
        return named.may(asked)
    key = f"project:{PROJECT}"
    if asked.action == "getIamPolicy":
        return policies.get(asked.world, key)
    return _set_policy(asked, key)


def _set_policy(asked: Asked, key: str) -> dict[str, Any]:
    """Only what the mask names changes, and without a mask that is bindings and etag: setIamPolicy's own page.

    The project keeps an owner: https://cloud.google.com/resource-manager/reference/rest/v1/projects/setIamPolicy.
    """
    before, given = policies.get(asked.world, key), asked.body.get("policy", {})
    fields = named.mask(asked, asked.body.get("updateMask", "bindings,etag"))
    made = {**before, **{one: given.get(one) for one in fields}, "etag": given.get("etag", "")}
    made["version"] = max(before.get("version", 1), given.get("version", 1))
    made = {name: value for name, value in made.items() if value is not None}
    for one in made.get("auditConfigs", []):
        if not one.get("service") or not one.get("auditLogConfigs"):
            raise RefusedError(400, "An audit config needs a service and log types.", "badRequest")
    if not any(one["role"] == "roles/owner" and one.get("members") for one in made.get("bindings", [])):
        raise RefusedError(400, "The project must keep at least one owner.", "failedPrecondition")
    return policies.put(asked.world, key, made)


def _project(asked: Asked) -> dict[str, Any]:
    if asked.method.template.startswith("/v1/"):
        parent: Any = {"type": "organization", "id": "1234567890"}
        made = {"projectId": PROJECT, "projectNumber": NUMBER, "name": "Acme analytics", "parent": parent}
        return {**made, "lifecycleState": "ACTIVE", "createTime": MADE}
    made = {"name": f"projects/{NUMBER}", "projectId": PROJECT, "displayName": "Acme analytics", "etag": "W/0"}
    return {**made, "parent": "organizations/1234567890", "state": "ACTIVE", "createTime": MADE}


def services(asked: Asked) -> dict[str, Any]:  # noqa: PLR0911 (one an action)
    """Answer what is asked of the services."""
    if asked.collection == "operations" and asked.action == "get":
        return _polled(asked)
    if asked.collection != "services":
        raise not_modelled(asked.method.name)
    given = asked.path.get("parent") or asked.path.get("name", "")
    _mine(asked, given.split("/")[1])
    match asked.action:
        case "get":
            return _service(asked, given.rpartition("/")[2])
        case "batchGet":
            return {"services": [_service(asked, one.rpartition("/")[2]) for one in asked.query.get("names", [])]}
        case "list":
            return _listed(asked)
        case "enable":
            return _switch(asked, [given.rpartition("/")[2]], on=True)
        case "disable":
            return _switch(asked, [given.rpartition("/")[2]], on=False)
        case "batchEnable":
            wanted = asked.body.get("serviceIds", [])
            if not 1 <= len(wanted) <= MOST:
                raise RefusedError(400, f"Between 1 and {MOST} services can be enabled at once.", "badRequest")
            return _switch(asked, wanted, on=True)
    raise not_modelled(asked.method.name)


def _service(asked: Asked, name: str) -> dict[str, Any]:
    if not SERVICE.fullmatch(name):
        raise RefusedError(403, f"Not found or permission denied for service(s): {name}.", "forbidden")
    state = "ENABLED" if name in asked.world.services else "DISABLED"
    made = {"name": f"projects/{NUMBER}/services/{name}", "parent": f"projects/{NUMBER}", "state": state}
    return {**made, "config": {"name": name}}


def _listed(asked: Asked) -> dict[str, Any]:
    if asked.one("filter") not in ("state:ENABLED", ""):
        raise not_modelled(f"the filter '{asked.one('filter')}'")
    found, more = page(asked, sorted(asked.world.services), "pageSize")
    return {"services": [_service(asked, one) for one in found]} | ({"nextPageToken": more} if more else {})


def _switch(asked: Asked, names: list[str], *, on: bool) -> dict[str, Any]:
    for one in names:
        _service(asked, one)
    todo = [one for one in names if (one in asked.world.services) != on]
    if not todo:
        return {"name": "operations/noop.DONE_OPERATION", "done": True, "response": {}}
    name = f"operations/acat.p2-{NUMBER}-{asked.world.identity()}"
    row = {"name": name, "_left": asked.world.polls, "_names": todo, "_on": on, "_fault": asked.fault}
    asked.world.rows[f"serviceusage:{name}"] = row
    return named.shown(row)


def _polled(asked: Asked) -> dict[str, Any]:
    row = named.must(asked, asked.path["name"])
    row["_left"] -= 1
    if row["_left"] > 0 or row.get("done"):
        return named.shown(row)
    row["done"] = True
    if row["_fault"]:
        row["error"] = {"code": 13, "message": "An internal exception occurred."}
        return named.shown(row)
    held = asked.world.services
    held.update(row["_names"]) if row["_on"] else held.difference_update(row["_names"])
    row["response"] = {"services": [_service(asked, one) for one in row["_names"]]}
    return named.shown(row)

"""Which of Compute's methods are modelled, and who answers each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..asked import Asked
from ..errors import RefusedError, missing, not_modelled
from ..world import EMAIL, NUMBER, PROJECT, etag
from . import armor, balancing, catalogue, disks, generic, instances, links, operations, rows

COLLECTIONS = {
    "networks",
    "subnetworks",
    "firewalls",
    "routers",
    "addresses",
    "globalAddresses",
    "routes",
    "disks",
    "snapshots",
    "resourcePolicies",
    "instances",
    "images",
    "regions",
    "zones",
    "machineTypes",
    "diskTypes",
    "sslPolicies",
    "sslCertificates",
    "healthChecks",
    "securityPolicies",
    "networkEndpointGroups",
    "backendServices",
    "urlMaps",
    "targetHttpProxies",
    "targetHttpsProxies",
    "globalForwardingRules",
}


def family(asked: Asked) -> dict[str, Any]:
    """Return the newest image of a family."""
    found = catalogue.families(asked.path["project"]).get(asked.path["family"])
    if found is None:
        raise missing(f"projects/{asked.path['project']}/global/images/family/{asked.path['family']}")
    return found


def snapshot_of(asked: Asked) -> dict[str, Any]:
    """Make a snapshot by its disk."""
    where = rows.path(asked)
    source = rows.must(asked, where)
    name = asked.body.get("name", "")
    target = f"projects/{asked.path['project']}/global/snapshots/{name}"
    if links.key(target) in asked.world.rows:
        raise RefusedError(409, f"The resource '{target}' already exists", "alreadyExists")
    generic.labels(asked.body.get("labels", {}))
    row = rows.new(asked, {**asked.body, "sourceDisk": source["selfLink"]}, target, "Snapshot")
    effect = disks.snapshot(asked, row, target)
    asked.world.rows[links.key(target)] = rows.seal(row)

    def undo() -> None:
        del asked.world.rows[links.key(target)]

    def finish() -> None:
        row.update(effect.at_the_end)

    keys = (links.key(target),)
    return operations.begin(asked, source, kind="createSnapshot", keys=keys, finish=finish, undo=undo)


def project(asked: Asked) -> dict[str, Any]:
    """Return the project as Compute sees it."""
    kept = asked.world.rows.setdefault(f"compute:{PROJECT}", {"kind": "compute#metadata", "items": []})
    kept["fingerprint"] = etag({**kept, "fingerprint": ""})
    return {
        "kind": "compute#project",
        "id": NUMBER,
        "name": PROJECT,
        "selfLink": f"{links.ROOT}projects/{PROJECT}",
        "commonInstanceMetadata": kept,
        "defaultServiceAccount": f"{NUMBER}-compute@developer.gserviceaccount.com",
        "defaultNetworkTier": "PREMIUM",
        "xpnProjectStatus": "UNSPECIFIED_XPN_PROJECT_STATUS",
        "quotas": [
            {"metric": "SNAPSHOTS", "limit": 10000, "usage": 0},
            {"metric": "NETWORKS", "limit": 15, "usage": 0},
        ],
    }


def common_metadata(asked: Asked) -> dict[str, Any]:
    """Set the metadata that every instance of the project has."""
    shown = project(asked)
    rows.current(asked.body.get("fingerprint"), shown["commonInstanceMetadata"], needed=True)
    instances.metadata(asked.body)
    made = {**asked.body, "kind": "compute#metadata"}

    def finish() -> None:
        asked.world.rows[f"compute:{PROJECT}"] = made

    return operations.begin(asked, shown, kind="compute.projects.setCommonInstanceMetadata", keys=(), finish=finish)


def private_access(asked: Asked) -> dict[str, Any]:
    """Switch a subnet's private access to Google."""
    value = asked.body.get("privateIpGoogleAccess", False)
    return rows.change(asked, rows.path(asked), lambda row: row.update(privateIpGoogleAccess=value))


SPECIAL: dict[str, Callable[[Asked], dict[str, Any]]] = {
    **{f"instances.{name}": one for name, one in instances.SPECIAL.items()},
    **armor.SPECIAL,
    **balancing.SPECIAL,
    "images.getFromFamily": family,
    "disks.resize": disks.resize,
    "disks.addResourcePolicies": disks.policies_of,
    "disks.removeResourcePolicies": disks.policies_of,
    "disks.createSnapshot": snapshot_of,
    "subnetworks.setPrivateIpGoogleAccess": private_access,
    "projects.get": project,
    "projects.setCommonInstanceMetadata": common_metadata,
}
NOT = {"disks.update", "instances.update", "routes.insert", "images.insert", "images.delete", "images.patch"}


def answer(asked: Asked) -> dict[str, Any]:
    """Answer one request to Compute."""
    operations.settle(asked.world)
    name = f"{asked.collection}.{asked.action}"
    named = asked.path["project"]
    if named != PROJECT and not (name.startswith("images.") and not asked.method.changes):
        text = f"Required '{asked.method.name}' permission for 'projects/{named}' for user {EMAIL}"
        raise RefusedError(403, text, "forbidden")
    if asked.collection.endswith("Operations"):
        return operations.answer(asked)
    if asked.method.changes and (before := operations.repeated(asked)):
        return dict(before)
    if name in SPECIAL:
        return SPECIAL[name](asked)
    if asked.collection not in COLLECTIONS or name in NOT or asked.action not in generic.GENERIC:
        raise not_modelled(asked.method.name)
    return generic.GENERIC[asked.action](asked)

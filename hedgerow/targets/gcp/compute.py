"""The kinds of Compute Engine, as data: what of a row is compared, and which calls set what a patch cannot."""

from __future__ import annotations

from typing import Any

from hedgerow.targets.cloud.graph import Found, Resource
from hedgerow.targets.gcp.api import Google, RefusedError, Row
from hedgerow.targets.gcp.kind import Call, Kind
from hedgerow.targets.gcp.shape import linked

INSTANCES = "compute.instances"
CARD = "nic0"
ACCESS = "External NAT"
ALIVE = ("PROVISIONING", "STAGING", "RUNNING", "REPAIRING")


def private_access(value: Any, row: Row) -> list[Call]:
    """Private access to Google is switched by a call of its own."""
    return [Call("compute.subnetworks.setPrivateIpGoogleAccess", {"privateIpGoogleAccess": value})]


def schedule(value: Any, row: Row) -> list[Call]:
    """A disk has one snapshot schedule at most: another goes first."""
    held = [linked(one) for one in row.get("resourcePolicies", [])]
    calls = []
    for name, policies in (
        ("remove", [one for one in held if one not in value]),
        ("add", [one for one in value if one not in held]),
    ):
        calls += [Call(f"compute.disks.{name}ResourcePolicies", {"resourcePolicies": policies})] if policies else []
    return calls


def metadata(value: Any, row: Row) -> list[Call]:
    """Metadata are set whole: a key that somebody added lets somebody in, or runs something."""
    items = [{"key": name, "value": one} for name, one in value.items()]
    return [Call(f"{INSTANCES}.setMetadata", {"items": items, "fingerprint": row["metadataFingerprint"]})]


def protection(value: Any, row: Row) -> list[Call]:
    """Deletion protection."""
    return [Call(f"{INSTANCES}.setDeletionProtection", None, {"deletionProtection": str(bool(value)).lower()})]


def power(value: Any, row: Row) -> list[Call]:
    """A machine that is stopped is started."""
    return [Call(f"{INSTANCES}.start")]


def scheduling(value: Any, row: Row) -> list[Call]:
    """What happens to the machine when its hardware is worked on."""
    return [Call(f"{INSTANCES}.setScheduling", value)]


def shield(value: Any, row: Row) -> list[Call]:
    """Secure boot, vTPM, integrity monitoring."""
    return [Call(f"{INSTANCES}.updateShieldedInstanceConfig", value)]


def account(value: Any, row: Row) -> list[Call]:
    """The account that the machine is."""
    return [Call(f"{INSTANCES}.setServiceAccount", value[0])]


def address(value: Any, row: Row) -> list[Call]:
    """The one address of the internet that is wanted, or none."""
    gone = [
        Call(f"{INSTANCES}.deleteAccessConfig", None, {"networkInterface": CARD, "accessConfig": one})
        for one in row["accessNames"]
    ]
    if not value:
        return gone
    config = {"type": "ONE_TO_ONE_NAT", "name": ACCESS, "natIP": value}
    return [*gone, Call(f"{INSTANCES}.addAccessConfig", config, {"networkInterface": CARD})]


def read_instance(row: Row) -> Row:
    """Flatten what Google nests: metadata as a mapping, the card's subnet and addresses, whether it runs."""
    card = row["networkInterfaces"][0]
    configs = card.get("accessConfigs", [])
    return {
        **row,
        "metadata": {one["key"]: one.get("value", "") for one in row.get("metadata", {}).get("items", [])},
        "metadataFingerprint": row.get("metadata", {}).get("fingerprint", ""),
        "subnetwork": card.get("subnetwork"),
        "address": next((one.get("natIP", "") for one in configs), ""),
        "accessNames": [one["name"] for one in configs],
        "private": card.get("networkIP", ""),
        "running": row.get("status") in ALIVE,
        "disks": sorted(row.get("disks", []), key=lambda one: one.get("index", 0)),
    }


def write_instance(body: Row) -> Row:
    """Nest it again."""
    made = {name: value for name, value in body.items() if name not in ("subnetwork", "address", "running")}
    config = [{"type": "ONE_TO_ONE_NAT", "name": ACCESS, "natIP": body["address"]}] if body.get("address") else []
    made["networkInterfaces"] = [{"subnetwork": body["subnetwork"], "accessConfigs": config}]
    made["metadata"] = {"items": [{"key": name, "value": value} for name, value in body["metadata"].items()]}
    return made


KINDS = {
    "network": Kind("compute.networks"),
    "subnet": Kind("compute.subnetworks", ways={"privateIpGoogleAccess": private_access}),
    "firewall": Kind("compute.firewalls"),
    "router": Kind("compute.routers"),
    "address": Kind("compute.addresses"),
    "disk": Kind(
        "compute.disks",
        marked="labels",
        ways={"resourcePolicies": schedule},
    ),
    "snapshot-schedule": Kind("compute.resourcePolicies"),
    "instance": Kind(
        INSTANCES,
        marked="labels",
        ways={
            "metadata": metadata,
            "deletionProtection": protection,
            "running": power,
            "scheduling": scheduling,
            "shieldedInstanceConfig": shield,
            "serviceAccounts": account,
            "address": address,
        },
        stopped=frozenset({"shieldedInstanceConfig", "serviceAccounts"}),
        whole=frozenset({"metadata"}),
        read=read_instance,
        write=write_instance,
        unlock=(Call(f"{INSTANCES}.setDeletionProtection", None, {"deletionProtection": "false"}),),
    ),
}


class Strangers:
    """Firewall rules of the network that are not of the declaration: whoever adds one opens what nobody declared."""

    def __init__(self, google: Google, deployment: str) -> None:
        self.google, self.deployment = google, deployment

    def find(self, resource: Resource) -> Found | None:
        """Return the names of the strangers; None while there is no network."""
        given = resource.given or {}
        if self.google.ask("compute.networks.get", {"name": given["network"]}) is None:
            return None
        query = {"filter": f'network="{given["link"]}"'}
        names: list[str] = []
        while True:
            said = self.google.ask("compute.firewalls.list", query=query) or {}
            names += [row["name"] for row in said.get("items", [])]
            if "nextPageToken" not in said:
                break
            query |= {"pageToken": said["nextPageToken"]}
        return Found(given["network"], {"names": sorted(set(names) - set(given["known"]))}, {})

    def make(self, resource: Resource) -> None:
        """They are there with the network."""

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Remove them."""
        for name in found.fields["names"]:
            try:
                self.google.call("compute.firewalls.delete", {"name": name})
            except RefusedError as refused:
                if not refused.absent:
                    raise

    def remove(self, resource: Resource, found: Found) -> None:
        """Remove them: a network with a rule in it cannot be removed."""
        self.change(resource, found, frozenset())

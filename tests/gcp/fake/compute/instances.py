"""Instances: what one is made of, what Google fills in, and what it only takes from one that is stopped."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ..asked import Asked
from ..errors import RefusedError, invalid, missing
from ..world import NUMBER, PROJECT
from . import catalogue, disks, links, networking, rows
from .effect import Effect

SHIELD = {"enableSecureBoot": False, "enableVtpm": True, "enableIntegrityMonitoring": True}
TOO_LARGE = 256 * 1024


def instance(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """An instance with its disks and cards: https://cloud.google.com/compute/docs/reference/rest/v1/instances."""
    zone, project = where.split("/")[3], asked.path["project"]
    for needed in ("machineType", "disks", "networkInterfaces"):
        if not row.get(needed):
            raise RefusedError(400, f"Required field 'resource.{needed}' not specified", "required")
    if f"/zones/{zone}/" not in row["machineType"]:
        raise invalid("resource.machineType", row["machineType"], f"Must be in zone {zone}.")
    metadata(row.setdefault("metadata", {}))
    row["metadata"]["kind"] = "compute#metadata"
    row.setdefault("tags", {})
    for account in row.get("serviceAccounts", []):
        _account(asked, account["email"])
    row["shieldedInstanceConfig"] = {**SHIELD, **row.get("shieldedInstanceConfig", {})}
    row["shieldedInstanceIntegrityPolicy"] = {"updateAutoLearnPolicy": True}
    _confidential(row)
    row["scheduling"] = {
        "onHostMaintenance": "MIGRATE",
        "automaticRestart": True,
        "preemptible": False,
        "provisioningModel": "STANDARD",
        **row.get("scheduling", {}),
    }
    for name, value in (("deletionProtection", False), ("canIpForward", False), ("startRestricted", False)):
        row.setdefault(name, value)
    row["cpuPlatform"] = "Unknown CPU Platform"
    for number, card in enumerate(row["networkInterfaces"]):
        _card(asked, card, number, zone)
    beside: dict[str, dict[str, Any]] = {}
    for number, one in enumerate(row["disks"]):
        beside |= _disk(asked, row, one, number, f"projects/{project}/zones/{zone}/disks")
    if not row["disks"][0].get("boot"):
        raise invalid("resource.disks", row["disks"][0].get("source"), "The first disk must be a boot disk.")
    row["status"] = "PROVISIONING"
    return Effect(beside, {"status": "RUNNING", "cpuPlatform": "Intel Broadwell"})


def metadata(given: dict[str, Any]) -> None:
    """Keys once each, values of a size: https://cloud.google.com/compute/docs/metadata/setting-custom-metadata#limitations."""
    keys = [one.get("key") for one in given.get("items", [])]
    if len(set(keys)) != len(keys):
        raise invalid("metadata.items", keys, "Duplicate metadata keys.")
    for one in given.get("items", []):
        if len(one.get("value", "").encode()) > TOO_LARGE:
            raise invalid("metadata.items.value", one["key"], "Metadata values are at most 262144 bytes.")


def _account(asked: Asked, email: str) -> None:
    if email in ("default", f"{NUMBER}-compute@developer.gserviceaccount.com"):
        return
    row = asked.world.rows.get(f"iam:projects/{PROJECT}/serviceAccounts/{email}")
    if row is None or row.get("disabled"):
        raise RefusedError(400, f"The resource '{email}' of type 'serviceAccount' was not found.", "badRequest")


def _confidential(row: dict[str, Any]) -> None:
    """AMD SEV is for N2D and C-families, and cannot move: https://cloud.google.com/confidential-computing/confidential-vm/docs/supported-configurations."""
    given = row.get("confidentialInstanceConfig", {})
    if not (given.get("enableConfidentialCompute") or given.get("confidentialInstanceType")):
        return
    family = row["machineType"].rpartition("/")[2].partition("-")[0]
    if family not in ("n2d", "c2d", "c3d", "c4d"):
        raise invalid("resource.machineType", row["machineType"], "Confidential VMs need N2D, C2D, C3D or C4D.")
    if row.get("scheduling", {}).get("onHostMaintenance", "MIGRATE") != "TERMINATE" and family != "n2d":
        raise invalid("resource.scheduling.onHostMaintenance", "MIGRATE", "Must be TERMINATE.")


def _card(asked: Asked, card: dict[str, Any], number: int, zone: str) -> None:
    if "subnetwork" not in card:
        raise RefusedError(400, "A network of custom mode needs a subnetwork.", "invalid")
    if f"/regions/{catalogue.region_of(zone)}/" not in card["subnetwork"]:
        raise invalid("resource.networkInterfaces[0].subnetwork", card["subnetwork"], "Must be in the zone's region.")
    subnet = asked.world.rows[links.key(card["subnetwork"].removeprefix(links.ROOT))]
    card["network"] = subnet["network"]
    card["name"], card["kind"] = f"nic{number}", "compute#networkInterface"
    card.setdefault("networkIP", networking.free_address(asked, card["subnetwork"]))
    card.setdefault("stackType", "IPV4_ONLY")
    for config in card.get("accessConfigs", []):
        config.setdefault("type", "ONE_TO_ONE_NAT")
        config.setdefault("name", "External NAT")
        config.setdefault("networkTier", "PREMIUM")
        if "natIP" in config:
            _reserved(asked, config["natIP"])
        config.setdefault("natIP", networking.outside(asked))
        config["kind"] = "compute#accessConfig"


def _reserved(asked: Asked, address: str) -> None:
    """Refuse an address that is not the project's, or in use: accessConfigs[].natIP of the reference."""
    found = [name for name, one in asked.world.rows.items() if "/addresses/" in name and one["address"] == address]
    if not found or links.holders(asked.world, found[0].removeprefix("compute:")):
        text = "The specified external IP address was not found, or is in use."
        raise invalid("resource.networkInterfaces[0].accessConfigs[0].natIP", address, text)


def _disk(asked: Asked, row: dict[str, Any], one: dict[str, Any], number: int, parent: str) -> dict[str, Any]:
    """Take a disk that is there, or make one of initializeParams; return what was made."""
    made = {}
    if "initializeParams" in one:
        given = dict(one.pop("initializeParams"))
        name = given.pop("diskName", row["name"] if number == 0 else f"{row['name']}-{number}")
        path = f"{parent}/{name}"
        if links.key(path) in asked.world.rows:
            raise RefusedError(409, f"The resource '{path}' already exists", "alreadyExists")
        body = {"name": name, "sizeGb": given.pop("diskSizeGb", None), "type": given.pop("diskType", None), **given}
        if "diskEncryptionKey" in one:
            body["diskEncryptionKey"] = dict(one["diskEncryptionKey"])
        disk = rows.new(asked, {key: value for key, value in body.items() if value is not None}, path, "Disk")
        disk.update(disks.disk(asked, disk, path).at_the_end)
        made[links.key(path)] = rows.seal(disk)
        one["source"] = disk["selfLink"]
    elif "source" not in one:
        raise RefusedError(400, "A disk needs a source or initializeParams.", "required")
    else:
        disk = attachable(asked, one)
    dress(one, disk, number)
    return made


def attachable(asked: Asked, one: dict[str, Any]) -> dict[str, Any]:
    """Return a disk that another instance does not write to."""
    path = one["source"].removeprefix(links.ROOT)
    used = [name for name in links.holders(asked.world, path) if "/instances/" in name]
    if used and one.get("mode", "READ_WRITE") == "READ_WRITE":
        text = f"The disk resource '{path}' is already being used by '{used[0]}'"
        raise RefusedError(400, text, "resourceInUseByAnotherResource")
    found: dict[str, Any] = asked.world.rows[links.key(path)]
    return found


def dress(one: dict[str, Any], disk: dict[str, Any], number: int) -> None:
    """Say of an attached disk what Google says of it."""
    for name, value in (("autoDelete", False), ("boot", False), ("mode", "READ_WRITE"), ("type", "PERSISTENT")):
        one.setdefault(name, value)
    one.setdefault("deviceName", f"persistent-disk-{number}")
    one |= {"index": number, "interface": "SCSI", "kind": "compute#attachedDisk", "diskSizeGb": disk["sizeGb"]}
    for name in ("diskEncryptionKey", "guestOsFeatures", "architecture"):
        if name in disk:
            one[name] = copy.deepcopy(disk[name])


def protected(asked: Asked, row: dict[str, Any], where: str) -> None:
    """https://cloud.google.com/compute/docs/instances/preventing-accidental-vm-deletion."""
    if row.get("deletionProtection"):
        text = "Invalid resource usage: 'Resource cannot be deleted if it's protected against deletion.'."
        raise RefusedError(400, text, "invalidResourceUsage")


def power(asked: Asked) -> dict[str, Any]:
    """Start, stop or reset."""
    after = {"start": "RUNNING", "stop": "TERMINATED", "reset": "RUNNING"}[asked.action]
    return rows.change(asked, rows.path(asked), lambda row: row.update(status=after))


def _part(field: str) -> Callable[[Asked], dict[str, Any]]:
    def put(asked: Asked) -> dict[str, Any]:
        where = rows.path(asked)
        row = rows.must(asked, where)
        given = asked.body
        if field in ("metadata", "tags"):
            if field == "metadata":
                metadata(given)
            rows.current(given.get("fingerprint"), row[field], needed=True)
        laid = given if field in ("metadata", "tags") else {**row.get(field, {}), **given}
        kept = {"kind": "compute#metadata"} if field == "metadata" else {}
        return rows.change(asked, where, lambda made: made.update({field: {**laid, **kept}}))

    return put


def stopped(asked: Asked) -> tuple[str, dict[str, Any]]:
    """Return an instance that is stopped: each of these methods' pages says that it must be."""
    where = rows.path(asked)
    row = rows.must(asked, where)
    if row["status"] != "TERMINATED":
        text = f"Invalid resource usage: 'The instance {row['name']} must be in TERMINATED state: {row['status']}.'."
        raise RefusedError(400, text, "invalidResourceUsage")
    return where, row


def shield(asked: Asked) -> dict[str, Any]:
    """https://cloud.google.com/compute/shielded-vm/docs/modifying-shielded-vm."""
    where, row = stopped(asked)
    made = {**row["shieldedInstanceConfig"], **asked.body}
    return rows.change(asked, where, lambda changed: changed.update(shieldedInstanceConfig=made))


def machine_type(asked: Asked) -> dict[str, Any]:
    """https://cloud.google.com/compute/docs/instances/changing-machine-type-of-stopped-instance."""
    where, _ = stopped(asked)
    link = links.resolve(asked.world, asked.path["project"], asked.body.get("machineType", ""))
    return rows.change(asked, where, lambda changed: changed.update(machineType=link))


def service_account(asked: Asked) -> dict[str, Any]:
    """https://cloud.google.com/compute/docs/instances/change-service-account."""
    where, _ = stopped(asked)
    email = asked.body.get("email", "")
    _account(asked, email)
    made = [{"email": email, "scopes": asked.body.get("scopes", [])}]
    return rows.change(asked, where, lambda changed: changed.update(serviceAccounts=made))


def protection(asked: Asked) -> dict[str, Any]:
    """Set deletion protection: the parameter says true unless given."""
    value = asked.yes("deletionProtection", default=True)
    where = rows.path(asked).replace("/setDeletionProtection", "")
    return rows.change(asked, where, lambda changed: changed.update(deletionProtection=value))


def attach(asked: Asked) -> dict[str, Any]:
    """Attach a disk that is there."""
    where = rows.path(asked)
    row = rows.must(asked, where)
    one = links.link_all(asked.world, asked.path["project"], asked.body)
    if "source" not in one:
        raise RefusedError(400, "Required field 'source' not specified", "required")
    if any(held["source"] == one["source"] for held in row["disks"]):
        raise RefusedError(400, f"The disk '{one['source']}' is attached already.", "resourceInUseByAnotherResource")
    dress(one, attachable(asked, one), len(row["disks"]))
    return rows.change(asked, where, lambda changed: changed["disks"].append(one))


def detach(asked: Asked) -> dict[str, Any]:
    """Detach a disk by its device's name."""
    where = rows.path(asked)
    row = rows.must(asked, where)
    left = [one for one in row["disks"] if one["deviceName"] != asked.one("deviceName")]
    if len(left) == len(row["disks"]):
        raise invalid("deviceName", asked.one("deviceName"), "No attached disk found with this device name.")
    return rows.change(asked, where, lambda changed: changed.update(disks=left))


def auto_delete(asked: Asked) -> dict[str, Any]:
    """Say whether a disk goes with the instance."""

    def edit(row: dict[str, Any]) -> None:
        found = [one for one in row["disks"] if one["deviceName"] == asked.one("deviceName")]
        if not found:
            raise invalid("deviceName", asked.one("deviceName"))
        found[0]["autoDelete"] = asked.yes("autoDelete")

    return rows.change(asked, rows.path(asked), edit, "setDiskAutoDelete")


def access(asked: Asked) -> dict[str, Any]:
    """Give a card an address of the internet, or take it."""
    given = dict(asked.body)

    def edit(row: dict[str, Any]) -> None:
        card = next((one for one in row["networkInterfaces"] if one["name"] == asked.one("networkInterface")), None)
        if card is None:
            raise missing(asked.one("networkInterface"))
        if asked.action == "deleteAccessConfig":
            card.pop("accessConfigs", None)
            return
        if card.get("accessConfigs"):
            raise RefusedError(400, "At most one access config currently supported.", "invalid")
        filled = {"type": "ONE_TO_ONE_NAT", "name": "External NAT", "networkTier": "PREMIUM", **given}
        card["accessConfigs"] = [{"natIP": networking.outside(asked), **filled, "kind": "compute#accessConfig"}]

    return rows.change(asked, rows.path(asked), edit)


def serial(asked: Asked) -> dict[str, Any]:
    """Return what the instance wrote to its serial port: nothing."""
    rows.must(asked, rows.path(asked))
    return {"contents": "", "start": "0", "next": "0"}


SPECIAL: dict[str, Callable[[Asked], dict[str, Any]]] = {
    "start": power,
    "stop": power,
    "reset": power,
    "setMetadata": _part("metadata"),
    "setTags": _part("tags"),
    "setScheduling": _part("scheduling"),
    "setShieldedInstanceIntegrityPolicy": _part("shieldedInstanceIntegrityPolicy"),
    "updateShieldedInstanceConfig": shield,
    "setMachineType": machine_type,
    "setServiceAccount": service_account,
    "setDeletionProtection": protection,
    "attachDisk": attach,
    "detachDisk": detach,
    "setDiskAutoDelete": auto_delete,
    "addAccessConfig": access,
    "deleteAccessConfig": access,
    "getSerialPortOutput": serial,
}

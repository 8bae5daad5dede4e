"""Disks, snapshots and their schedules, and the keys that encrypt them."""

from __future__ import annotations

import re
from typing import Any

from .. import policies
from ..asked import Asked
from ..errors import RefusedError, invalid, missing
from ..world import NUMBER, World
from . import catalogue, links, rows
from .effect import Effect

KEY = re.compile(r"(projects/([^/]+)/locations/([^/]+)/keyRings/[^/]+)/cryptoKeys/[^/]+")
AGENT = f"serviceAccount:service-{NUMBER}@compute-system.iam.gserviceaccount.com"
USES = ("roles/cloudkms.cryptoKeyEncrypterDecrypter",)


def usable(world: World, name: str, member: str) -> str:
    """Return the version that a key encrypts with; refused unless the member may use the key.

    https://cloud.google.com/compute/docs/disks/customer-managed-encryption#before-you-begin
    """
    plain = name.partition("/cryptoKeyVersions/")[0]
    found = KEY.fullmatch(plain)
    row = world.rows.get(f"cloudkms:{plain}")
    denied = f"Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied on resource '{plain}' (or it may not exist)."
    if found is None or row is None:
        raise RefusedError(400, f"Cloud KMS error when using key {plain}: {denied}", "kmsPermissionDenied")
    where = (f"cloudkms:{plain}", f"cloudkms:{found[1]}", f"project:{found[2]}")
    if not policies.has(world, where, member, USES):
        raise RefusedError(400, f"Cloud KMS error when using key {plain}: {denied}", "kmsPermissionDenied")
    version = row.get("_primary")
    state = world.rows[f"cloudkms:{version}"]["state"] if version else "without a version"
    if state != "ENABLED":
        text = f"Cloud KMS error when using key {plain}: the key is not enabled, current state is: {state}."
        raise RefusedError(400, text, "kmsKeyNotEnabled")
    return str(version)


def encrypted(asked: Asked, holder: dict[str, Any], field: str, region: str) -> None:
    """Name the version of the key that something is encrypted with: what is read back is not what was written."""
    name = holder.get(field, {}).get("kmsKeyName")
    if not name:
        if holder.get(field):
            raise RefusedError(501, "The fake does not model customer-supplied keys.", "notImplemented")
        return
    found = KEY.match(name)
    if found and found[3] not in (region, "global", region.partition("-")[0]):
        raise invalid(f"resource.{field}.kmsKeyName", name, "The key must be in the same region as the resource.")
    holder[field]["kmsKeyName"] = usable(asked.world, name, AGENT)


def disk(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """A disk of a type and size: https://cloud.google.com/compute/docs/disks#disk-types."""
    zone = where.split("/")[3]
    project = asked.path["project"]
    if asked.one("sourceImage"):
        row["sourceImage"] = links.resolve(asked.world, project, asked.one("sourceImage"))
    kind = row.setdefault("type", f"{links.ROOT}projects/{project}/zones/{zone}/diskTypes/pd-standard")
    if f"/zones/{zone}/" not in kind:
        raise invalid("resource.type", kind, f"The disk's type must be in zone {zone}.")
    if "sourceImage" in row:
        image = links.row(asked.world, row["sourceImage"].removeprefix(links.ROOT)) or {}
        row["sourceImageId"] = image["id"]
        row.setdefault("guestOsFeatures", image.get("guestOsFeatures", []))
        row.setdefault("architecture", image.get("architecture"))
        row.setdefault("sizeGb", image["diskSizeGb"])
        _at_least(row, int(image["diskSizeGb"]))
    if "sourceSnapshot" in row:
        snapshot = asked.world.rows[links.key(row["sourceSnapshot"].removeprefix(links.ROOT))]
        row["sourceSnapshotId"] = snapshot["id"]
        row.setdefault("sizeGb", snapshot["diskSizeGb"])
        _at_least(row, int(snapshot["diskSizeGb"]))
    row.setdefault("sizeGb", "500")
    _at_least(row, catalogue.DISKS[kind.rpartition("/")[2]])
    row.setdefault("physicalBlockSizeBytes", "4096")
    if asked.action in ("insert", "bulkInsert"):
        encrypted(asked, row, "diskEncryptionKey", catalogue.region_of(zone))
        row["status"] = "CREATING"
    return Effect(at_the_end={"status": "READY"})


def _at_least(row: dict[str, Any], least: int) -> None:
    if int(row["sizeGb"]) < least:
        raise invalid("resource.sizeGb", row["sizeGb"], f"Disk size cannot be smaller than {least} GB.")


def resize(asked: Asked) -> dict[str, Any]:
    """A disk only grows: https://cloud.google.com/compute/docs/disks/resize-persistent-disk."""
    where = rows.path(asked)
    row = rows.must(asked, where)
    size = int(asked.body.get("sizeGb", 0))
    if size < int(row["sizeGb"]):
        raise invalid("sizeGb", size, f"New disk size '{size}' cannot be smaller than {row['sizeGb']} GB.")
    return rows.change(asked, where, lambda made: made.update(sizeGb=str(size)), "resizeDisk")


def policies_of(asked: Asked) -> dict[str, Any]:
    """Attach or detach a snapshot schedule: a disk has at most one.

    https://cloud.google.com/compute/docs/disks/scheduled-snapshots#restrictions
    """
    where = rows.path(asked)
    row = rows.must(asked, where)
    given = [links.resolve(asked.world, asked.path["project"], one) for one in asked.body.get("resourcePolicies", [])]
    have = row.get("resourcePolicies", [])
    if asked.action == "addResourcePolicies":
        region = catalogue.region_of(where.split("/")[3])
        for one in given:
            if f"/regions/{region}/" not in one:
                raise invalid("resourcePolicies", one, f"Must be in region {region}.")
        made = [*have, *[one for one in given if one not in have]]
        if len(made) > 1:
            raise invalid("resourcePolicies", made, "A disk can have one snapshot schedule.")
    else:
        if not set(given) <= set(have):
            raise missing(str(given[0]).removeprefix(links.ROOT))
        made = [one for one in have if one not in given]
    return rows.change(asked, where, lambda changed: changed.update(resourcePolicies=made))


def snapshot(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """A snapshot of a disk that is there, encrypted with the disk's key unless another is named."""
    if "sourceDisk" not in row:
        raise RefusedError(400, "Required field 'resource.sourceDisk' not specified", "required")
    source = asked.world.rows[links.key(row["sourceDisk"].removeprefix(links.ROOT))]
    row["diskSizeGb"], row["sourceDiskId"] = source["sizeGb"], source["id"]
    region = catalogue.region_of(source["zone"].rpartition("/")[2])
    if "snapshotEncryptionKey" in row:
        encrypted(asked, row, "snapshotEncryptionKey", region)
    elif "diskEncryptionKey" in source:
        row["snapshotEncryptionKey"] = dict(source["diskEncryptionKey"])
    row.setdefault("storageLocations", [region.partition("-")[0]])
    row.setdefault("snapshotType", "STANDARD")
    row["status"] = "CREATING"
    return Effect(at_the_end={"status": "READY", "storageBytes": "1048576", "storageBytesStatus": "UP_TO_DATE"})


def schedule(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """A snapshot schedule: one rhythm, and days kept. https://cloud.google.com/compute/docs/disks/about-snapshot-schedules."""
    given = row.get("snapshotSchedulePolicy")
    if given is None:
        raise RefusedError(501, "The fake models snapshot schedules alone.", "notImplemented")
    rhythm = given.get("schedule", {})
    if sum(bool(rhythm.get(one)) for one in ("hourlySchedule", "dailySchedule", "weeklySchedule")) != 1:
        raise RefusedError(400, "Exactly one of the schedules must be specified.", "invalid")
    for one in (rhythm.get("hourlySchedule"), rhythm.get("dailySchedule")):
        if one and not re.fullmatch(r"([01]\d|2[0-3]):00", one.get("startTime", "")):
            raise invalid(
                "resource.snapshotSchedulePolicy.schedule.startTime", one.get("startTime"), "On the hour, UTC."
            )
    if rhythm.get("dailySchedule") and rhythm["dailySchedule"].get("daysInCycle") != 1:
        raise invalid("daysInCycle", rhythm["dailySchedule"].get("daysInCycle"), "Must be 1.")
    if given.get("retentionPolicy"):
        if not 1 <= given["retentionPolicy"].get("maxRetentionDays", 0) <= 65535:
            raise invalid("maxRetentionDays", given["retentionPolicy"].get("maxRetentionDays"))
        given["retentionPolicy"].setdefault("onSourceDiskDelete", "KEEP_AUTO_SNAPSHOTS")
    row["status"] = "READY"
    return Effect()

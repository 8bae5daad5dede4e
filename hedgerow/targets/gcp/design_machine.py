"""The machine and its disks, as they are wanted. Pure."""

from __future__ import annotations

from typing import Any

from hedgerow.targets.cloud.first_boot import MOVE, NOTHING
from hedgerow.targets.cloud.graph import Ref, Resource
from hedgerow.targets.gcp import facts
from hedgerow.targets.gcp.place import BACKUP_DAYS, Place, Wanted

USER = "hedgerow"
"""The account that Google's guest agent makes for the installer's key."""
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def machine(wanted: Wanted, place: Place) -> list[Resource]:
    """Return the machine, its two disks, their snapshots, and the address that it has where it is public."""
    target = wanted.target
    name = target.name
    disks = [_disk("root", target.root_gib, place, facts.image(target.image)), _disk("data", target.data_gib, place)]
    ways = ("router/main",) if wanted.translated else ()
    out = ("out-google",) if wanted.closed else ("out-web", "out-time")
    rules = tuple(f"firewall/{one}" for one in ("in-ssh", "in-deny", *out, "out-deny"))
    return [
        Resource(
            "snapshot-schedule",
            "daily",
            {
                "snapshotSchedulePolicy": {
                    "schedule": {"dailySchedule": {"daysInCycle": 1, "startTime": "03:00"}},
                    "retentionPolicy": {
                        "maxRetentionDays": BACKUP_DAYS,
                        "onSourceDiskDelete": "APPLY_RETENTION_POLICY",
                    },
                    "snapshotProperties": {"labels": place.labels, "storageLocations": [place.region]},
                }
            },
            needs=("services/project",),
        ),
        *disks,
        Resource(
            "address",
            "host",
            {"addressType": "EXTERNAL", "networkTier": "PREMIUM"},
            needs=("services/project",),
            fixed=frozenset({"addressType", "networkTier"}),
            absent=not target.public,
        ),
        Resource(
            "instance",
            name,
            {
                "machineType": place.in_zone(f"machineTypes/{facts.machine_type(target.size)}"),
                "subnetwork": place.in_region(f"subnetworks/{place.name}-main"),
                "address": Ref("address/host", "address") if target.public else "",
                "disks": [
                    {
                        "source": place.in_zone(f"disks/{place.name}-{one.name}"),
                        "boot": one.name == "root",
                        "autoDelete": False,
                        "deviceName": one.name,
                    }
                    for one in disks
                ],
                "serviceAccounts": [{"email": place.email, "scopes": [SCOPE]}],
                "shieldedInstanceConfig": {
                    "enableSecureBoot": True,
                    "enableVtpm": True,
                    "enableIntegrityMonitoring": True,
                },
                "scheduling": {"automaticRestart": True, "onHostMaintenance": "MIGRATE"},
                "metadata": _metadata(wanted),
                "deletionProtection": True,
                "canIpForward": False,
                "labels": place.labels,
                "running": True,
            },
            needs=(
                "subnet/main",
                "account/host",
                *(f"disk/{one.name}" for one in disks),
                *rules,
                *ways,
                *(("address/host",) if target.public else ()),
            ),
            fixed=frozenset({"machineType", "subnetwork", "disks", "canIpForward"}),
            holds_data=True,
        ),
    ]


def _metadata(wanted: Wanted) -> dict[str, str]:
    """What the machine may read about itself. It holds no secret, and nothing that others could add is left in it."""
    return {
        "block-project-ssh-keys": "TRUE",
        "enable-oslogin": "FALSE",  # else the project's own switch would take the installer's key away
        "serial-port-enable": "FALSE",
        "ssh-keys": f"{USER}:{wanted.ssh_key}",
        "startup-script": MOVE,
        "shutdown-script": NOTHING,  # else the project's is run, as root
    }


def _disk(name: str, gib: int, place: Place, image: str = "") -> Resource:
    body: dict[str, Any] = {"sourceImage": image} if image else {}
    return Resource(
        "disk",
        name,
        {
            "type": place.in_zone("diskTypes/pd-balanced"),
            "sizeGb": str(gib),
            "diskEncryptionKey": {"kmsKeyName": place.key("data")},
            "resourcePolicies": [place.in_region(f"resourcePolicies/{place.name}-daily")],
            "labels": place.labels,
        },
        needs=("key-users/data", "snapshot-schedule/daily"),
        given={"body": body},
        fixed=frozenset({"type", "sizeGb", "diskEncryptionKey"}),
        holds_data=True,
    )

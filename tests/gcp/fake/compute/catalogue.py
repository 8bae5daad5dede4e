"""What Google publishes: regions, zones, machine types, disk types and images. A few of each, with their real names."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

ROOT = "https://www.googleapis.com/compute/v1/"
ZONES = {  # https://cloud.google.com/compute/docs/regions-zones
    "us-central1": "abcf",
    "us-east1": "bcd",
    "us-west1": "abc",
    "europe-west1": "bcd",
    "europe-west3": "abc",
    "europe-west4": "abc",
}
SIZES = {2: 8192, 4: 16384, 8: 32768, 16: 65536, 32: 131072}
MACHINES = {  # https://cloud.google.com/compute/docs/general-purpose-machines
    **{f"{family}-standard-{cpus}": (cpus, SIZES[cpus]) for family in ("e2", "n2", "n2d") for cpus in SIZES},
    **{f"{family}-highmem-{cpus}": (cpus, 2 * SIZES[cpus]) for family in ("n2", "n2d") for cpus in SIZES},
    "e2-medium": (2, 4096),
    "e2-small": (2, 2048),
}
DISKS = {"pd-standard": 10, "pd-balanced": 10, "pd-ssd": 10, "pd-extreme": 500, "hyperdisk-balanced": 4}
# https://cloud.google.com/compute/docs/images/os-details
FAMILIES = {
    ("debian-cloud", "debian-13"): ("debian-13-trixie-v20261110", "X86_64", 10),
    ("debian-cloud", "debian-12"): ("debian-12-bookworm-v20261110", "X86_64", 10),
    ("debian-cloud", "debian-13-arm64"): ("debian-13-trixie-arm64-v20261110", "ARM64", 10),
    ("ubuntu-os-cloud", "ubuntu-2404-lts-amd64"): ("ubuntu-2404-noble-amd64-v20261112", "X86_64", 10),
    ("ubuntu-os-cloud", "ubuntu-2204-lts"): ("ubuntu-2204-jammy-v20261112", "X86_64", 10),
}
FEATURES = ("UEFI_COMPATIBLE", "VIRTIO_SCSI_MULTIQUEUE", "GVNIC", "SEV_CAPABLE", "SEV_LIVE_MIGRATABLE_V2")
BEGAN = "2026-11-12T08:00:00.000-08:00"


@lru_cache(maxsize=1)
def _images() -> dict[str, dict[str, Any]]:
    made = {}
    for number, ((project, family), (name, architecture, size)) in enumerate(FAMILIES.items(), 1):
        path = f"projects/{project}/global/images/{name}"
        made[path] = {
            "kind": "compute#image",
            "id": str(1_000_000_000_000_000_000 + number),
            "name": name,
            "family": family,
            "architecture": architecture,
            "diskSizeGb": str(size),
            "status": "READY",
            "guestOsFeatures": [{"type": one} for one in FEATURES],
            "storageLocations": ["us"],
            "creationTimestamp": BEGAN,
            "selfLink": ROOT + path,
        }
    return made


def families(project: str) -> dict[str, dict[str, Any]]:
    """Return a project's published images by family."""
    return {one["family"]: one for path, one in _images().items() if path.startswith(f"projects/{project}/")}


def published(path: str) -> dict[str, Any] | None:  # noqa: PLR0911 (one a kind)
    """Return what Google publishes under a path, or None."""
    parts = path.split("/")
    match parts:
        case ["projects", project, "global", "images", "family", family]:
            return families(project).get(family)
        case ["projects", _, "global", "images", _]:
            return _images().get(path)
        case ["projects", _, "regions", name] if name in ZONES:
            return _row(path, "region", name, zones=[_sibling(path, "zones", zone) for zone in zones(name)])
        case ["projects", _, "zones", name] if name in zones():
            return _row(path, "zone", name, region=_sibling(path, "regions", region_of(name)))
        case ["projects", _, "zones", zone, "machineTypes", name] if zone in zones() and name in MACHINES:
            cpus, memory = MACHINES[name]
            return _row(path, "machineType", name, zone=zone, guestCpus=cpus, memoryMb=memory)
        case ["projects", _, "zones", zone, "diskTypes", name] if zone in zones() and name in DISKS:
            return _row(path, "diskType", name, zone=zone, defaultDiskSizeGb="100")
    return None


def zones(region: str = "") -> list[str]:
    """Return the zones, of one region or of all."""
    return [f"{name}-{letter}" for name, letters in ZONES.items() if region in ("", name) for letter in letters]


def region_of(zone: str) -> str:
    """Return the region that a zone is in."""
    return zone.rpartition("-")[0]


def listed(collection: str, parent: str) -> list[dict[str, Any]]:
    """Return what is published right below a parent ("projects/p/zones/z")."""
    project = parent.split("/")[1]
    names: dict[str, list[str]] = {
        "regions": list(ZONES),
        "zones": zones(),
        "machineTypes": sorted(MACHINES),
        "diskTypes": sorted(DISKS),
        "images": [one["name"] for one in families(project).values()],
    }
    found = [published(f"{parent}/{collection}/{name}") for name in names.get(collection, [])]
    return [one for one in found if one is not None]


def _sibling(path: str, collection: str, name: str) -> str:
    return f"{ROOT}{path.rsplit('/', 2)[0]}/{collection}/{name}"


def _row(path: str, kind: str, name: str, **more: Any) -> dict[str, Any]:
    identity = str(sum(ord(one) * 31**place for place, one in enumerate(path)) % 2**63)
    return {
        "kind": f"compute#{kind}",
        "id": identity,
        "name": name,
        "selfLink": ROOT + path,
        "creationTimestamp": BEGAN,
        **({"status": "UP"} if kind in ("region", "zone") else {}),
        **more,
    }

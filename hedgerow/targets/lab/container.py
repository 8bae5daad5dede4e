"""A host as a container: systemd-nspawn on an unpacked root. It shares the kernel of this controller."""

from __future__ import annotations

from pathlib import Path

from hedgerow.targets.lab import cgroups
from hedgerow.targets.lab.commands import attempt, run
from hedgerow.targets.lab.places import HostPlace, Machine

KERNEL = "container"
BOOT_SECONDS = 90
STOP_SECONDS = 30
PATIENCE = 1.0

NSPAWN_RUN = Path("/run/systemd/nspawn")
NSPAWN_KINDS = ("propagate", "unix-export")


def boots_from(place: HostPlace) -> Path:
    return place.root


def finish(place: HostPlace) -> None:
    """Make the half made root the host's."""
    place.half_made.rename(place.root)


def interface(machine: Machine) -> str:
    """Return how the host's networkd knows its interface. systemd-nspawn calls it host0 (--network-bridge=)."""
    return "Name=host0"


def limits_enforced() -> bool:
    return cgroups.limits_enforced()


def command(machine: Machine, bridge: str) -> list[str]:
    """Return the command that runs a host until it is shut down."""
    return [
        # Hosts have version 2 of cgroups, whatever is mounted here.
        *("env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "systemd-nspawn"),
        "--settings=no",
        "--boot",
        f"--directory={machine.place.root}",
        f"--machine={machine.name}",
        f"--hostname={machine.host}",
        f"--network-bridge={bridge}",
        "--register=no",
        "--keep-unit",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
        # Podman inside mounts file systems, keeps keyrings and loads its device filter.
        "--capability=all",
        "--system-call-filter=keyctl bpf add_key @mount",
    ]


def sweep(machine: Machine) -> None:
    """Remove what systemd-nspawn keeps under /run for a host, and leaves there when it is killed."""
    status, output, _ = attempt(["findmnt", "--raw", "--noheadings", "--output", "TARGET"])
    mounted = output.splitlines() if status == 0 else []
    for kind in NSPAWN_KINDS:
        folder = NSPAWN_RUN / kind / machine.name
        if str(folder) in mounted:
            run(["umount", str(folder)])
        if folder.is_dir():
            folder.rmdir()
    if machine.place.root.exists():
        inode = machine.place.root.stat()
        (NSPAWN_RUN / "locks" / f"inode-{inode.st_dev}:{inode.st_ino}").unlink(missing_ok=True)

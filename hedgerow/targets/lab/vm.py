"""A host as a virtual machine: QEMU on a disk image, with a kernel of its own.

There is no boot loader: QEMU loads kernel and initial RAM disk from beside the image, where they were copied when it
was made. A kernel that the host installs later is on its disk and not what boots.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hedgerow.errors import UnreachableError
from hedgerow.targets.lab import image
from hedgerow.targets.lab.commands import attempt, run
from hedgerow.targets.lab.names import hardware_address
from hedgerow.targets.lab.places import HostPlace, Machine

KERNEL = "metal"
# Without KVM a boot to SSH took 24 s on two idle cores; with others at work on them it has taken more than 300.
BOOT_SECONDS = 900
STOP_SECONDS = 120
# Under TCG a question that a container answers at once takes five seconds. At six times as long between two, the health
# questions of eleven services that start at once left their guest no time to start them.
PATIENCE = 30.0

QEMU = "qemu-system-x86_64"
MEMORY_MIB = 4096
CORES = 4
DISK_BYTES = 24 * 1024**3
# Empty, for whoever declares `encrypted_volume`: /dev/vdb. A file with holes takes no room.
SECOND_DISK_BYTES = 16 * 1024**3
# A lab's guest runs nothing of a stranger's. Where page tables are kept apart (PTI), each system call costs TCG every
# address it has translated: a third of all time.
BOOT_LINE = "root=/dev/vda rw console=ttyS0 mitigations=off init_on_alloc=0"
FSTAB = "/dev/vda / ext4 rw,discard,errors=remount-ro 0 1\n"

# A guest without a disk: its kernel says what it is, finds no root, and ends.
TRIAL = ("-append", "console=ttyS0 panic=-1", "-no-reboot")
TRIAL_SAYS = "Linux version"
TRIAL_SECONDS = 20

ACCELERATION = {
    "kvm": ("-accel", "kvm", "-cpu", "host"),
    # With "max", which claims all that TCG can do, Debian 13's kernel panicked. ClickHouse asks for AVX2, which this
    # one is the first to have.
    "tcg": ("-accel", "tcg,thread=multi", "-cpu", "Haswell-noTSX"),
}

# Runs in the host's folder, so that no path of ours is read as QEMU's syntax. QEMU takes a SIGTERM for a pulled plug;
# so it is pressed as a power button, over the monitor. The tap device is QEMU's own and goes when QEMU goes, however
# that happens; the script that joins it to the bridge gets its name.
RUNNER = r"""
set -eu
cd "$1"
bridge=$2
shift 2
rm -f monitor
mkfifo -m 600 monitor
printf '#!/bin/sh\nexec ip link set dev "$1" master %s up\n' "$bridge" >join-bridge
chmod 700 join-bridge
exec 3<>monitor
trap 'echo system_powerdown >&3' TERM
"$@" -monitor stdio <&3 >/dev/null &
qemu=$!
status=0
wait $qemu || status=$?
while kill -0 $qemu 2>/dev/null; do
  status=0
  wait $qemu || status=$?
done
exit $status
"""


def boots_from(place: HostPlace) -> Path:
    return place.disk


def finish(place: HostPlace) -> None:
    """Make a disk image of the half made root, and copy out what it is booted with. Raises UnreachableError."""
    for name, copy in (("vmlinuz-*", place.kernel), ("initrd.img-*", place.initrd)):
        found = sorted((place.half_made / "boot").glob(name))
        if not found:
            raise UnreachableError(f"the host image holds no /boot/{name}", "Build it anew: remove HEDGEROW_CACHE/lab.")
        shutil.copyfile(found[-1], copy)
    (place.half_made / "etc/fstab").write_text(FSTAB)
    made = place.disk.with_suffix(".new")
    with made.open("wb") as file:
        file.truncate(DISK_BYTES)
    with place.second_disk.open("wb") as file:
        file.truncate(SECOND_DISK_BYTES)
    # The image is a file with holes: it takes the room of what is in it. No loop device, no mount.
    options = ("-q", "-F", "-t", "ext4", "-m", "1", "-E", "lazy_itable_init=1")
    run([*image.WITH_US, "mke2fs", *options, "-d", str(place.half_made), str(made)], seconds=300)
    image.clear(place.half_made)
    made.rename(place.disk)


def interface(machine: Machine) -> str:
    """Return how the host's networkd knows its interface, whatever its kernel calls it."""
    return f"MACAddress={hardware_address(machine.name)}"


def limits_enforced() -> bool:
    return True


def command(machine: Machine, bridge: str) -> list[str]:
    """Return the command that runs a host until it is shut down. Whether by KVM is tried now, with a guest."""
    return [
        *("/bin/sh", "-c", RUNNER, "vm", str(machine.place.folder), bridge),
        *qemu(machine, accelerator(machine.place.kernel)),
    ]


def qemu(machine: Machine, accelerator: str) -> list[str]:
    """Return QEMU's own command. Paths are relative to the host's folder."""
    place = machine.place
    return [
        *(QEMU, "-name", machine.name, *ACCELERATION[accelerator]),
        *("-smp", str(min(CORES, os.cpu_count() or 1)), "-m", str(MEMORY_MIB)),
        *("-no-user-config", "-nodefaults", "-display", "none", "-rtc", "base=utc"),
        *("-kernel", place.kernel.name, "-initrd", place.initrd.name),
        *("-append", BOOT_LINE),
        # A lab's disk need not outlive the controller's power: nobody waits for the real disk.
        *("-drive", f"file={place.disk.name},format=raw,if=virtio,cache=unsafe,discard=unmap"),
        *("-drive", f"file={place.second_disk.name},format=raw,if=virtio,cache=unsafe,discard=unmap"),
        *("-netdev", "tap,id=net,ifname=hgvm%d,script=./join-bridge,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=net,romfile=,mac={hardware_address(machine.name)}"),
        *("-device", "virtio-rng-pci"),
        *("-chardev", f"file,id=console,path={place.console.name},append=on", "-serial", "chardev:console"),
    ]


def sweep(machine: Machine) -> None:
    """Nothing is left: the tap device went with QEMU, and all else lies in the host's folder."""


def accelerator(kernel: Path) -> str:
    """Return `kvm` where this kernel comes up under it, else `tcg`. That the device is there does not say so."""
    return "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) and runs("kvm", kernel) else "tcg"


def runs(accelerator: str, kernel: Path) -> bool:
    """Start a guest with this kernel and see whether it gets as far as to say its name.

    A guest of less proves little: a KVM that is emulated itself runs a boot sector, and stops at the first instruction
    of a newer kind, which kernels unpack themselves with.
    """
    with tempfile.TemporaryDirectory() as folder:
        console = Path(folder) / "console"
        attempt(
            [
                *(QEMU, *ACCELERATION[accelerator], "-m", "512", "-no-user-config", "-nodefaults", "-display", "none"),
                *("-kernel", str(kernel), *TRIAL, "-chardev", f"file,id=console,path={console}"),
                *("-serial", "chardev:console"),
            ],
            seconds=TRIAL_SECONDS,
        )
        return console.exists() and TRIAL_SAYS in console.read_text(errors="replace")

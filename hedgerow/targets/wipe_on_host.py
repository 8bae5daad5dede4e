"""Ends the data of a host, run there as root by the verb `destroy --wipe`; the standard library alone. Prints JSON.

Services that hold or take data stop and start no more. Each file of the given folders is written over once where it
lies, flushed and removed, then the filesystem is told to discard what is free: what NIST SP 800-88 calls clear. Where a
folder lies on an encrypted device (LUKS) that carries nothing of the system, the keys in its header are erased after
that: purge, as a cryptographic erase. What could be neither is said, with why. Safe to run again.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

CHUNK = 1 << 20
STEPS = 3
"""How often services are told to stop: one that ends may start what it wants, and that cancels a stop."""
COPY_ON_WRITE = ("btrfs", "zfs", "bcachefs", "overlay", "f2fs", "nilfs2")
ELSEWHERE = ("nfs", "nfs4", "cifs", "smb3", "fuse", "ceph", "glusterfs", "9p", "virtiofs")
PASSING = ("tmpfs", "ramfs", "proc", "nsfs", "overlay", "mqueue")
"""Mounts inside a folder that hold nothing on a disk of their own."""
PATTERNS = ("hedgerow-*", "postgresql@*")
SYSTEM = ("/", "/usr", "/etc", "/boot", "/home", "/root", "/var", "/var/log", "/var/log/journal", "/var/log/audit")

Row = dict[str, Any]


class Machine:
    """What is asked of the host, so that a test can answer instead."""

    def run(self, *words: str) -> tuple[int, str]:
        """Run a command; return its exit code and what it said."""
        try:
            done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, timeout=1800)
        except (OSError, subprocess.TimeoutExpired) as error:
            return 127, str(error)
        return done.returncode, (done.stdout if done.returncode == 0 else done.stderr + done.stdout).strip()


def stranger(asked: Row, marker: Path) -> str:
    """Return why this host is not the one that was meant, "" where nothing speaks against it."""
    try:
        theirs = json.loads(marker.read_text())["deployment"]
    except (OSError, ValueError, KeyError):
        return ""  # never finished, or wiped before
    return "" if theirs == asked["deployment"] else f"this host is of the deployment {theirs}: nothing was touched"


def stop(machine: Machine, units: Sequence[str], kept: Sequence[str]) -> list[str]:
    """Stop the units and everything of ours but `kept`, for good; return what still runs."""
    _, text = machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", *PATTERNS)
    _, files = machine.run("systemctl", "list-unit-files", "--no-legend", *PATTERNS)
    named = (line.split()[0] for line in f"{text}\n{files}".splitlines() if line.split())
    ours = {name for name in named if not name.endswith("@.service")}
    doomed = sorted({*units, *(ours - {*kept})}, key=lambda name: (not name.endswith((".timer", ".path")), name))
    for _ in range(STEPS):
        machine.run("systemctl", "stop", *doomed)
    for name in doomed:
        machine.run("systemctl", "disable", name)  # one that Quadlet describes has nothing to disable
    return [name for name in doomed if machine.run("systemctl", "is-active", "-q", name)[0] == 0]


def mounts(machine: Machine) -> dict[str, Row]:
    """Return what is mounted: target -> source and filesystem."""
    code, text = machine.run("findmnt", "-J", "-l", "-o", "TARGET,SOURCE,FSTYPE")
    rows = json.loads(text)["filesystems"] if code == 0 else []
    return {row["target"]: row for row in rows}


def mount_of(path: str, mounted: dict[str, Row]) -> Row:
    """Return the mount that a path lies on."""
    parents = [str(each) for each in (Path(path), *Path(path).parents)]
    return next((mounted[each] for each in parents if each in mounted), {"target": "/", "source": "?", "fstype": "?"})


def clear(folder: Path, kept: Sequence[str], mounted: dict[str, Row]) -> Row:
    """Write over, flush and remove each file below a folder; it stays, empty. `kept` below it are left alone."""
    files = written = 0
    problems: list[str] = []
    for path in _bottom_up(folder, kept, mounted):
        try:
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                written += overwrite(path)
                path.unlink()
                files += 1
            elif stat.S_ISDIR(status.st_mode):
                if str(path) not in mounted:
                    path.rmdir()
            else:
                path.unlink()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EBUSY):  # a folder that holds what is kept, or a mount
                problems.append(f"{path}: {error.strerror}")
    left = [str(path) for path in _bottom_up(folder, kept, mounted) if not path.is_dir() or path.is_symlink()]
    problems += [f"{path} is there again" for path in left if not any(path in told for told in problems)]
    return {"path": str(folder), "files": files, "bytes": written, "left": len(left), "problems": problems[:10]}


def _bottom_up(folder: Path, kept: Sequence[str], mounted: dict[str, Row]) -> Iterator[Path]:
    """Give each thing below a folder, contents first; links are not followed, what is only in memory is not entered."""
    for path in sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else ():
        if str(path) in kept or mounted.get(str(path), {}).get("fstype") in PASSING:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _bottom_up(path, kept, mounted)
        yield path


def overwrite(path: Path) -> int:
    """Write random bytes over what a file has on the disk, have them reach it, and return how many they were."""
    written = 0
    with path.open("r+b", buffering=0) as stream:
        if stream.seek(0, os.SEEK_END) == 0:
            return 0
        handle, end = stream.fileno(), os.fstat(stream.fileno()).st_size
        at = 0
        while at < end:
            try:
                at = os.lseek(
                    handle, at, os.SEEK_DATA
                )  # a hole has no bytes to write over, and may be larger than the disk
            except OSError:
                break
            until = os.lseek(handle, at, os.SEEK_HOLE)
            os.lseek(handle, at, os.SEEK_SET)
            while at < until:
                count = os.write(handle, os.urandom(min(CHUNK, until - at)))
                at, written = at + count, written + count
        os.fsync(handle)
    return written


def encrypted(machine: Machine, source: str) -> str:
    """Return the LUKS device that a mounted device lies on, "" where it lies on none."""
    code, text = machine.run("lsblk", "-sJ", "-p", "-o", "NAME,FSTYPE", source)
    if code != 0:
        return ""
    waiting = json.loads(text)["blockdevices"]
    while waiting:
        row = waiting.pop()
        if row.get("fstype") == "crypto_LUKS":
            return str(row["name"])
        waiting += row.get("children", [])
    return ""


def purge(machine: Machine, device: str, mounted: dict[str, Row]) -> str:
    """Erase the keys in a LUKS header once nothing of the device is used; return why not, "" where it was done."""
    code, text = machine.run("lsblk", "-lJ", "-p", "-o", "NAME,MOUNTPOINTS", device)
    rows = json.loads(text)["blockdevices"] if code == 0 else []
    used = [target for row in rows for target in row.get("mountpoints") or () if target]
    if system := [target for target in used if target in SYSTEM or target == "[SWAP]"]:
        return (
            f"{device} carries {', '.join(system)} too: without the keys in its header the machine starts no more;"
            f" `cryptsetup luksErase {device}` on it, when it is to end"
        )
    for target in sorted(used, key=len, reverse=True):
        code, said = machine.run("umount", target)
        if code:
            return f"{target} could not be unmounted: {said}"
    code, said = machine.run("cryptsetup", "-q", "luksErase", device)
    if code:
        return f"cryptsetup luksErase {device}: {said}"
    code, said = machine.run("cryptsetup", "luksDump", "--dump-json-metadata", device)
    if code == 0 and json.loads(said).get("keyslots"):
        return f"{device} still has a key in its header"
    return ""


def media(machine: Machine, row: Row) -> list[str]:
    """Return what overwriting cannot promise on a filesystem, by where it lies."""
    told = []
    if row["fstype"] in COPY_ON_WRITE:
        told.append(f"{row['target']} is {row['fstype']}, which writes elsewhere than over what was there")
    code, text = machine.run("lsblk", "-ndo", "ROTA", str(row["source"]))
    if code == 0 and text.split()[:1] == ["0"]:
        told.append(f"{row['source']} is flash or virtual: blocks that it keeps aside are out of reach")
    return told


def wipe(machine: Machine, asked: Row) -> Row:
    """Do it all, and say what was done and what could not be."""
    running = stop(machine, asked["units"], asked["kept_units"])
    notes = [f"{name} could not be stopped" for name in running]
    mounted = mounts(machine)
    cleared: list[Row] = []
    places: dict[str, Row] = {}
    devices: dict[str, None] = {}
    for name in asked["folders"]:
        row = mount_of(name, mounted)
        if not Path(name).is_dir():
            continue
        if row["fstype"].partition(".")[0] in ELSEWHERE:
            notes.append(f"{name} lies on {row['source']} ({row['fstype']}), another machine's: left as it is")
            continue
        found = clear(Path(name), asked["kept"], mounted)
        notes += found.pop("problems")
        places[row["target"]] = row
        device = encrypted(machine, row["source"])
        devices |= {device: None} if device else {}
        cleared.append({**found, "clear": row["fstype"] not in COPY_ON_WRITE})
    machine.run("systemctl", "daemon-reload")
    for target, row in places.items():
        notes += media(machine, row)
        code, said = machine.run("fstrim", target)
        if code:
            notes.append(f"{target} was not asked to discard what is free: {said.rpartition(chr(10))[2]}")
    purged = []
    for device in devices:
        why = purge(machine, device, mounted)
        if why:
            notes.append(f"not purged: {why}")
        else:
            purged.append(device)
    if swap := [line.split()[0] for line in Path("/proc/swaps").read_text().splitlines()[1:]]:
        notes.append(f"swap was not written over: {', '.join(swap)}")
    return {"cleared": cleared, "purged": purged, "notes": notes, "stopped": not running}


def main() -> None:
    """Answer one question."""
    asked = json.loads(sys.argv[1])
    why = stranger(asked, Path("/etc/hedgerow/health/question.json"))
    print(json.dumps({"refused": why} if why else wipe(Machine(), asked)))


if __name__ == "__main__":
    main()

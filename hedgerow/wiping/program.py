"""Runs on the host, as root, by its own Python: ends our services and destroys their data. Knows nothing of the rest.

Told by one JSON argument: `data`, the folders, and `keep`, a folder that is never entered. Prints a JSON list of rows:
action (delete, keep, failed), kind, name, how. A thing that is not there has no row, so a second run is quiet.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

Row = dict[str, str]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
CHUNK = 1 << 20
STORES = ("nginx.service", "postgresql.service", "postgresql@*.service", "valkey-server.service", "valkey.service")
OURS = ("hedgerow-alerts", "hedgerow-backup", "hedgerow-health", "hedgerow-pressure")
QUADLETS = "/etc/containers/systemd/"
OVERWRITTEN = "overwritten with random bytes, flushed, removed"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the system's and return what it said."""
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    return subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, env=env, cwd="/")


def units(run: Run) -> list[str]:
    """Return the units that hold data or serve it, timers first: none may start another again."""
    listed = run("systemctl", "list-units", "--all", "--plain", "--no-legend", "--type=service,timer,socket,path")
    names = [line.split()[0] for line in listed.stdout.splitlines() if line.split()]
    shown = run("systemctl", "show", "--property=Id,SourcePath", *names).stdout if names else ""
    found = []
    for block in shown.split("\n\n"):
        facts = dict(line.partition("=")[::2] for line in block.splitlines())
        name = facts.get("Id", "")
        store = any(Path(name).match(pattern) for pattern in STORES)
        if store or name.rpartition(".")[0] in OURS or facts.get("SourcePath", "").startswith(QUADLETS):
            found.append(name)
    return sorted(found, key=lambda name: (not name.endswith((".timer", ".path", ".socket")), name))


def stop(run: Run) -> list[Row]:
    """End and disable each of those units, then what Podman may still hold; what stays up is a failure."""
    names = units(run)
    if not names:
        return []
    run("systemctl", "disable", "--now", *names)  # complains of generated units, and stops them all the same
    run("systemctl", "stop", *names)
    run("podman", "rm", "--all", "--force", "--time", "10")
    up = [name for name in names if run("systemctl", "is-active", name).stdout.strip() in ("active", "deactivating")]
    if up:
        return [{"action": "failed", "kind": "service", "name": name, "how": "could not be stopped"} for name in up]
    return [{"action": "delete", "kind": "service", "name": name, "how": "stopped and disabled"} for name in names]


def mounts(run: Run) -> dict[str, str]:
    """Return where something is mounted, and from which device."""
    said = run("findmnt", "--json", "--list", "--output", "TARGET,SOURCE").stdout
    rows = json.loads(said)["filesystems"] if said.strip() else []
    return {row["target"]: row["source"] or "" for row in rows}


def luks_under(device: str, run: Run) -> str:
    """Return the device whose LUKS header opens this one, "" where it is not LUKS or holds more than this one."""
    said = run("lsblk", "--json", "--inverse", "--paths", "--output", "NAME,TYPE,FSTYPE", device).stdout
    rows = json.loads(said).get("blockdevices", []) if said.strip() else []
    if len(rows) != 1 or rows[0].get("type") != "crypt":
        return ""  # a volume group between them may hold others' data under the same header
    below = rows[0].get("children", [])
    return below[0]["name"] if len(below) == 1 and below[0].get("fstype") == "crypto_LUKS" else ""


def erase(place: str, device: str, header: str, run: Run) -> Row:
    """Let go of a volume of ours and erase its header: every key slot, so that no passphrase opens it any more."""
    row = {"kind": "volume", "name": place}
    for words in (("umount", place), ("cryptsetup", "close", device)):
        said = run(*words)
        if said.returncode != 0:
            return row | {"action": "failed", "how": f"{words[0]}: {said.stderr.strip()}"}
    said = run("cryptsetup", "erase", "--batch-mode", header)
    slots = run("cryptsetup", "luksDump", header).stdout
    if said.returncode != 0 or has_key_slots(slots):
        return row | {
            "action": "failed",
            "how": f"cryptsetup erase {header}: {said.stderr.strip() or 'a slot is left'}",
        }
    return row | {"action": "delete", "how": f"LUKS header of {header} erased: no key slot is left"}


def has_key_slots(dump: str) -> bool:
    """Say whether what luksDump prints, of LUKS 1 or 2, names a key slot that is in use."""
    inside = False
    for line in dump.splitlines():
        if line.startswith("Key Slot ") and line.rstrip().endswith("ENABLED"):
            return True
        if not line.startswith((" ", "\t")):
            inside = line.startswith("Keyslots:")
        elif inside and line.strip()[:1].isdigit():
            return True
    return False


def overwrite(path: Path) -> None:
    """Write random bytes over a file's content, and have them reach the disk. Raises OSError."""
    size = path.stat().st_size
    with path.open("r+b", buffering=0) as stream:
        left = size
        while left > 0:
            left -= stream.write(secrets.token_bytes(min(CHUNK, left))) or 0
        os.fsync(stream.fileno())


def entries(folder: Path, keep: str, device: int) -> Iterator[Path]:
    """Yield everything below a folder, the deepest first; never `keep`, nor what is mounted in there."""
    for path in sorted(folder.iterdir()):
        facts = path.lstat()
        if str(path) == keep or facts.st_dev != device:
            continue
        if stat.S_ISDIR(facts.st_mode):
            yield from entries(path, keep, device)
        yield path


def clear(place: str, keep: str) -> list[Row]:
    """Overwrite each file below a place and remove all of it; no row where there is nothing."""
    folder = Path(place)
    if folder.is_symlink() or not folder.is_dir() or not any(folder.iterdir()):
        return []
    files = size = 0
    wrong = []
    for path in entries(folder, keep, folder.lstat().st_dev):
        facts = path.lstat()
        try:
            if stat.S_ISREG(facts.st_mode):
                overwrite(path)
                files, size = files + 1, size + facts.st_size
            if stat.S_ISDIR(facts.st_mode):
                if not any(path.iterdir()):
                    path.rmdir()
            else:
                path.unlink()
        except OSError as error:
            wrong.append(f"{path}: {error.strerror}")
    row = {"kind": "data", "name": place}
    if wrong:
        return [row | {"action": "failed", "how": f"{len(wrong)} could not be destroyed, {wrong[0]}"}]
    return [row | {"action": "delete", "how": f"{files} files, {size} bytes: {OVERWRITTEN}"}]


def wipe(places: list[str], keep: str, run: Run = run) -> list[Row]:
    """Destroy the data in these places: a volume of its own by its LUKS header, everything else by overwriting."""
    rows = []
    mounted = mounts(run)
    for place in places:
        for target in sorted((target for target in mounted if f"{target}/".startswith(f"{place}/")), reverse=True):
            header = luks_under(mounted[target], run) if mounted[target].startswith("/dev/") else ""
            if header:
                rows.append(erase(target, mounted[target], header, run))
            elif target != place:
                rows += clear(target, keep) if mounted[target].startswith("/dev/") else []
                run("umount", target)
        rows += clear(place, keep)
    if any(row["action"] == "delete" for row in rows):
        run("fstrim", "--all", "--quiet-unsupported")
    return rows


def main() -> None:
    """Do what the argument says, and print the rows; data is left alone while a service that holds it is up."""
    asked = json.loads(sys.argv[1])
    rows = stop(run)
    if not any(row["action"] == "failed" for row in rows):
        rows += wipe(asked["data"], asked["keep"])
        run("systemctl", "daemon-reload")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()

"""System packages that a verb needs on the controller, and getting them with the operator's consent."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hedgerow.declaration import Aws, Gcp, Lab, OnPrem
from hedgerow.errors import CallError

LAB = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    # What the host image is checked against; Debian has it, Ubuntu not.
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
# Where lab hosts are virtual machines: on top of the above. Their firmware comes with QEMU.
LAB_VM = {**LAB, "qemu-system-x86_64": "qemu-system-x86", "mke2fs": "e2fsprogs"}
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Debian's names. Ubuntu has Chromium as a snap alone: there it is installed by hand.
BROWSER = {"chromium": "chromium", "certutil": "libnss3-tools", "npm": "npm"}
SSH = {"ssh": "openssh-client"}
LOCK = Path("/run/lock/hedgerow-packages")
PATIENCE = 300
"""Seconds to wait while unattended upgrades, or a person, hold dpkg's lock."""


def of_target(target: Lab | OnPrem | Aws | Gcp) -> Mapping[str, str]:
    """Return the commands and files that a target needs here, each with its Debian package."""
    if target.kind == "lab":
        return LAB_VM if target.machine == "vm" else LAB
    return SSH


def find(name: str) -> str | None:
    """Return where a command or a file is; a service's or cron's PATH may lack the folders of system commands."""
    if name.startswith("/"):
        return name if Path(name).exists() else None
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def missing(needed: Mapping[str, str], find: Callable[[str], str | None] = find) -> tuple[str, ...]:
    """Return the Debian packages of the commands and files that are not there, each once, in order."""
    return tuple(dict.fromkeys(package for name, package in needed.items() if find(name) is None))


def provide(commands: Mapping[str, str], *, yes: bool, say: Callable[[str], None]) -> None:
    """Install what is missing. On a terminal and without `yes`, ask first. Raises CallError."""
    packages = missing(commands)
    if not packages:
        return
    line = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0:
        raise CallError(f"system packages are missing: {', '.join(packages)}", f"As root: {line}")
    if shutil.which("apt-get") is None:
        raise CallError(f"commands are missing: {', '.join(commands)}", "Install them; this system has no apt-get.")
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        print(
            f"These system packages are missing: {', '.join(packages)}. Install them now? [y/N] ",
            end="",
            file=sys.stderr,
        )
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() != "y":
            raise CallError("nothing was installed", f"Install them yourself: {line}")
    # One installer at a time: apt-get waits for nobody who reads its lists, and what is missing may be there by then.
    with LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if packages := missing(commands):
            say(f"installing system packages: {', '.join(packages)}")
            _install(packages)


def _install(packages: Sequence[str]) -> None:
    """Install Debian packages; waits for somebody else's apt to end. Raises CallError."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", f"-oDPkg::Lock::Timeout={PATIENCE}", *packages],
    ):
        answer = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=900, check=False)
        if answer.returncode:
            raise CallError(
                f"{' '.join(words)} failed: {answer.stderr.strip()[-800:]}", "Mend apt, then run this again."
            )

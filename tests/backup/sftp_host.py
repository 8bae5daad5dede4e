"""Another host that takes backups by SFTP: the lab's own image, with its sshd on an address of its own."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hedgerow.targets.lab import image

ACCOUNT, FOLDER = "acme", "/backups"
# An account that can do nothing but SFTP, and sees nothing but its own folder.
SETTINGS = f"""
Subsystem sftp internal-sftp
AuthenticationMethods publickey
AllowUsers {ACCOUNT}
ChrootDirectory /srv/acme
ForceCommand internal-sftp
AllowTcpForwarding no
PidFile none
"""


@contextmanager
def serving(folder: Path, tar: Path, address: str, port: int = 22) -> Iterator[list[str]]:
    """Serve; yields the host's keys, for `host_keys`. `folder` then holds the key that is let in, backup-key."""
    root = folder / "sftp-host"
    image.unpack(tar, root)

    def within(*words: str) -> str:
        return subprocess.run(
            ["chroot", str(root), *words], capture_output=True, text=True, timeout=60, check=True
        ).stdout

    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "acme", "-f", str(folder / "backup-key")],
        check=True,
        timeout=60,
    )
    within("useradd", "--create-home", "--password", "*", "--shell", "/usr/sbin/nologin", ACCOUNT)
    within("install", "-d", "-m", "700", "-o", ACCOUNT, f"/home/{ACCOUNT}/.ssh")
    shutil.copy(folder / "backup-key.pub", root / f"home/{ACCOUNT}/.ssh/authorized_keys")
    within("install", "-d", "/srv/acme", "/run/sshd")
    within("install", "-d", "-m", "700", "-o", ACCOUNT, f"/srv/acme{FOLDER}")
    within("ssh-keygen", "-A")
    (root / "etc/ssh/sshd_backup").write_text(f"ListenAddress {address}:{port}\n{SETTINGS}")
    line = ["chroot", str(root), "/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_backup"]
    with (folder / "sshd.log").open("w") as log, subprocess.Popen(line, stderr=log) as server:
        try:
            time.sleep(1)
            assert server.poll() is None, (folder / "sshd.log").read_text()
            keys = sorted((root / "etc/ssh").glob("ssh_host_*_key.pub"))
            yield [" ".join(key.read_text().split()[:2]) for key in keys]
        finally:
            server.terminate()
            server.wait(10)
            shutil.rmtree(root)

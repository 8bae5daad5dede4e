"""What a new machine does at its first boot, before anybody reaches it: cloud-init's user data."""

from __future__ import annotations

import json
import textwrap

MARK = "/var/lib/hedgerow-first-boot"
"""Is there once the first boot has done everything, on the disk that it then runs from."""

# The second disk becomes /var, where everything that a deployment keeps lies. Programs have files of the old /var open:
# the machine starts anew at once. Without a second disk there is nothing to move.
MOVE = f"""\
#!/bin/sh
set -eu
test ! -e {MARK} || exit 0
root=$(lsblk -nspo NAME,TYPE "$(findmnt -no SOURCE /)" 2>/dev/null | awk '$2 == "disk" {{print $1; exit}}')
test -n "$root" || {{ touch {MARK}; exit 0; }}
disk=$(lsblk -dnpo NAME,TYPE | awk -v root="$root" '$2 == "disk" && $1 != root {{print $1; exit}}')
test -n "$disk" || {{ touch {MARK}; exit 0; }}
blkid "$disk" >/dev/null || mkfs.ext4 -q -L hedgerow-var "$disk"
mount LABEL=hedgerow-var /mnt
cp -ax /var/. /mnt/
touch /mnt/lib/{MARK.rsplit("/", 1)[1]}
umount /mnt
grep -q LABEL=hedgerow-var /etc/fstab || echo 'LABEL=hedgerow-var /var ext4 defaults,nodev 0 2' >>/etc/fstab
systemctl --no-block reboot
"""


def user_data(account: str, public_key: str) -> str:
    """Return the user data. It can be read by whoever may describe the instance, and holds no secret.

    `account` becomes the name of the image's own account, with its rights (cloud-init, Users and Groups, `user`).
    """
    return (
        "#cloud-config\n"
        f"user: {json.dumps({'name': account})}\n"
        "disable_root: true\n"
        "ssh_pwauth: false\n"
        f"ssh_authorized_keys: {json.dumps([public_key])}\n"
        "write_files:\n"
        "  - path: /usr/local/sbin/hedgerow-first-boot\n"
        '    permissions: "0755"\n'
        f"    content: |\n{textwrap.indent(MOVE, '      ')}"
        "runcmd:\n"
        "  - [/usr/local/sbin/hedgerow-first-boot]\n"
    )

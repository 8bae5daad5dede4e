"""What a new machine does before anybody works with it: /var moves onto the second disk."""

from __future__ import annotations

MARK = "/var/lib/hedgerow-first-boot"
"""Is there once the first boot has done everything, on the disk that it then runs from."""

NOTHING = "#!/bin/sh\n"
"""A script that does nothing, where its absence would let another's run."""

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

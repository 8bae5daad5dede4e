"""Files: who may read what is secret, and who may change what is not hers."""

from __future__ import annotations

import shlex

import pytest

from checks.gathered import PRIVATE_KEYS, private_keys

# A folder that others cannot enter hides all that lies in it; what is not a disk is not looked at.
WORLD_WRITABLE = (
    "find / \\( -fstype proc -o -fstype sysfs -o -fstype tmpfs -o -fstype devtmpfs -o -fstype devpts -o -fstype cgroup2"
    " -o -fstype mqueue -o -fstype overlay -o -fstype nfs -o -fstype nfs4 -o -fstype cifs \\) -prune"
    " -o -type d ! -perm -0001 -prune"
    " -o \\( -type f -perm -0002 -o -type d -perm -0002 ! -perm -1000 \\) -print"
)
HOMES = (
    "getent passwd | awk -F: '$3 == 0 || ($3 >= 1000 && $3 < 60000) {print $6}' | sort -u"
    ' | while read -r home; do if test -d "$home"; then stat -c "%a %n" "$home"; fi; done'
)
HASHES = "stat -c '%a %U %G %n' /etc/shadow /etc/gshadow /etc/sudoers"
TEMPORARY = "findmnt -rno TARGET,OPTIONS /tmp"

ASK_AHEAD = (WORLD_WRITABLE, PRIVATE_KEYS)


@pytest.mark.control("files.homes-private")
def test_homes_are_closed_to_others(host, finding):
    """Root's home counts as one."""
    finding.expect("homes have mode 0750 or tighter")
    rows = [line.split(" ", 1) for line in finding.ask(host, HOMES).stdout.splitlines()]
    opened = [f"{path} ({mode})" for mode, path in rows if int(mode, 8) & 0o027]
    finding.observe(", ".join(f"{path} {mode}" for mode, path in rows))
    assert rows, "no home at all was found"
    assert not opened, f"open to others: {', '.join(opened)}"


@pytest.mark.control("files.credentials-protected")
def test_secrets_are_closed_to_others(host, finding):
    """Hashes of passwords by their known place; private keys wherever they lie, found by what is in them."""
    finding.expect("hashes and private keys: nothing for others, no writing for a group, owned by root or a service")
    keys = private_keys(host, finding)
    listing = finding.ask(host, HASHES).stdout
    if keys:
        listing += finding.ask(host, f"stat -c '%a %U %G %n' {shlex.join(keys)}").stdout
    rows = [line.split(" ", 3) for line in listing.splitlines()]
    opened = [f"{path} ({mode} {owner}:{group})" for mode, owner, group, path in rows if int(mode, 8) & 0o027]
    finding.observe(f"{len(rows)} files looked at, too open: {', '.join(opened) or 'none'}")
    assert not opened, f"too open: {', '.join(opened)}"


@pytest.mark.control("files.nothing-world-writable")
def test_nobody_changes_what_is_not_hers(host, finding):
    """Temporary folders pass by their sticky bit: in them each changes only her own."""
    finding.expect("no file or folder that everybody can change")
    found = finding.ask(host, WORLD_WRITABLE, timeout=60).stdout.splitlines()
    finding.observe(f"everybody can change: {', '.join(found[:5]) or 'nothing'}")
    assert not found, f"everybody can change {len(found)}: {', '.join(found[:5])}"


@pytest.mark.control("files.tmp-restricted")
def test_temporary_files_carry_no_rights(host, finding):
    """/tmp as it is mounted now, and on its own: an option of the root file system would bind everybody."""
    finding.expect("/tmp is a mount of its own, with nosuid and nodev")
    mounts = finding.ask(host, TEMPORARY, codes=(0, 1)).stdout.split()
    finding.observe(" ".join(mounts) or "/tmp is not mounted")
    assert mounts, "/tmp lies on the root file system"
    missing = {"nosuid", "nodev"} - set(mounts[-1].split(","))
    assert not missing, f"/tmp is mounted without {', '.join(sorted(missing))}"

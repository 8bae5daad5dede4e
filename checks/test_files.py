"""Files: who may read what is secret, and who may change what is not hers."""

from __future__ import annotations

import shlex

import pytest

from checks.gathered import PRIVATE_KEYS, private_keys, walk
from hedgerow.checking import CouldNotAsk

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
SHARED = "findmnt -rno OPTIONS /dev/shm"
TEMPORARY = "findmnt -rno TARGET,OPTIONS /tmp"
LASTING = "findmnt -rno OPTIONS /var/tmp"

# Where programs, and what tells systemd, sudo and shells what to run, lie. Some of it is not everywhere.
PROGRAMS = (
    "find -L /usr/bin /usr/sbin /usr/lib/systemd /usr/libexec /usr/local /etc/systemd/system /etc/sudoers.d /etc/pam.d"
    " /etc/profile.d /etc/cron.d /etc/cron.daily /etc/ld.so.conf.d -xdev \\( -type f -o -type d \\)"
    " \\( ! -user root -o -perm -0002 -o -perm -0020 ! -group root \\) -printf '%m %u:%g %p\\n'"
    " -o -path /usr/bin/env -printf 'looked\\n' 2>/dev/null; true"
)
# What containers are made of is nobody's to start on the host: it lies below a folder of root's alone.
SET_ID = (
    "find / -xdev \\( -path /proc -o -path /sys -o -path /var/lib/containers \\) -prune"
    " -o -type f -perm /6000 -printf '%f %m %u:%g %p\\n'"
)
# By packages of Debian's and Ubuntu's own: passwd, login, util-linux, mount, sudo, dbus, openssh, pam, fuse3, cron,
# polkit, uidmap, bsdutils, postfix, plocate, and snapd's on Ubuntu.
KNOWN_SET_ID = {
    *("chage", "chfn", "chsh", "expiry", "gpasswd", "newgrp", "passwd", "su", "sudo", "mount", "umount", "pkexec"),
    *("dbus-daemon-launch-helper", "polkit-agent-helper-1", "ssh-keysign", "ssh-agent", "newuidmap", "newgidmap"),
    *("unix_chkpwd", "pam_extrausers_chkpwd", "fusermount", "fusermount3", "crontab", "at", "wall", "write"),
    *("bsd-write", "dotlockfile", "utempter", "snap-confine", "postdrop", "postqueue", "plocate", "lockfile-create"),
}

ASK_AHEAD = (WORLD_WRITABLE, PRIVATE_KEYS, PROGRAMS, SET_ID)


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
    found = walk(host, finding, WORLD_WRITABLE)
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


@pytest.mark.control("files.shm-restricted")
def test_nothing_in_shared_memory_runs(host, finding):
    """As it is mounted now; everybody may write there, and nothing of it is ever on a disk."""
    finding.expect("/dev/shm is mounted with nosuid, nodev and noexec")
    mounts = finding.ask(host, SHARED, codes=(0, 1)).stdout.split()
    assert mounts, "/dev/shm is no mount of its own"
    missing = {"nosuid", "nodev", "noexec"} - set(mounts[-1].split(","))
    assert not missing, f"/dev/shm is mounted without {', '.join(sorted(missing))}"


@pytest.mark.control("files.var-tmp-restricted")
def test_lasting_temporary_files_lend_nothing(host, finding):
    """As it is mounted now. Programs may run there: the tools that make a boot image need that."""
    finding.expect("/var/tmp is a mount of its own, with nosuid and nodev")
    mounts = finding.ask(host, LASTING, codes=(0, 1)).stdout.split()
    assert mounts, "/var/tmp is no mount of its own"
    missing = {"nosuid", "nodev"} - set(mounts[-1].split(","))
    assert not missing, f"/var/tmp is mounted without {', '.join(sorted(missing))}"


@pytest.mark.control("files.programs-protected")
def test_only_root_changes_what_root_runs(host, finding):
    """Links are followed: what they point at is what runs."""
    finding.expect("programs, units and what log-ins run: root's, and nobody else's to change")
    found = finding.ask(host, PROGRAMS, timeout=60).stdout.splitlines()
    if not found:
        raise CouldNotAsk("not even /usr/bin/env was looked at")
    found = [row for row in found if row != "looked"]
    finding.observe(f"others could change: {', '.join(found[:5]) or 'nothing'}")
    assert not found, f"others could change {len(found)}: {', '.join(found[:5])}"


@pytest.mark.control("files.setuid-known")
def test_only_known_programs_lend_rights(host, finding):
    finding.expect("set-user-id and set-group-id on programs of the distribution that need it, and on no other")
    rows = [line.split(" ", 3) for line in walk(host, finding, SET_ID)]
    if not rows:
        raise CouldNotAsk("not even sudo was found")
    strange = [f"{path} ({mode} {owner})" for name, mode, owner, path in rows if not known(name, path)]
    finding.observe(f"{len(rows)} programs, strange: {', '.join(strange) or 'none'}")
    assert not strange, f"lends rights: {', '.join(strange)}"


def known(name, path):
    """Tell whether a program is one of those, where the distribution puts it."""
    return name in KNOWN_SET_ID and path.startswith("/usr/") and not path.startswith("/usr/local/")

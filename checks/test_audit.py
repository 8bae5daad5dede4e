"""The kernel's own record of what people do to the host: asked of the kernel, which tells its rules and its state."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from checks.auditing import Rule, read_rules, unrecorded
from checks.gathered import own_kernel, walk
from hedgerow.checking import CouldNotAsk

STATE = "auditctl -s"
RULES = "auditctl -l"
NEXT = "augenrules --check"
FILES = "find /var/log/audit -printf '%m %U %p\\n'"

LEAST_BACKLOG = 8192
FAILURE = {"1", "2"}  # the kernel says so in its own log, or stops, when it cannot record

IDENTITY = (
    *("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/security/opasswd"),
    *("/etc/pam.d", "/etc/security", "/etc/ssh"),
)
PRIVILEGE = ("/etc/sudoers", "/etc/sudoers.d", "/var/log/sudo.log")
NETWORK = ("/etc/hostname", "/etc/hosts", "/etc/issue", "/etc/issue.net", "/etc/nftables.conf")
STACK = ("/etc/audit", "/etc/hedgerow", "/etc/systemd")
STACK_BY_ROLE = {
    "edge": ("/etc/nginx",),
    "app": ("/etc/containers", "/var/lib/containers/storage/volumes"),
    "data": (
        *("/etc/containers", "/var/lib/containers/storage/volumes"),
        *("/etc/postgresql", "/var/lib/postgresql", "/etc/valkey", "/var/lib/valkey"),
    ),
}
XATTRS = ("setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr")


def state(host, finding) -> dict[str, str]:
    """Return what the kernel says of its record (auditctl(8), -s)."""
    own_kernel(host, finding)
    return dict(re.findall(r"^(\w+) (\S+)", finding.ask(host, STATE).stdout, re.MULTILINE))


def rules(host, finding) -> list[Rule]:
    """Return the rules that the kernel holds."""
    own_kernel(host, finding)
    return read_rules(finding.ask(host, RULES).stdout)


def recorded(host, finding, paths: Iterable[str] = (), calls: Iterable[str] = (), exits: Iterable[str] = ("",)) -> None:
    """Assert that a change below each path, and each system call with each outcome, is recorded."""
    paths, calls = tuple(paths), tuple(calls)
    finding.expect(f"recorded: changes of {', '.join(paths) or 'nothing'}; calls {', '.join(calls) or 'none'}")
    held = rules(host, finding)
    missing = unrecorded(held, paths, calls, exits)
    finding.observe(f"not recorded: {', '.join(missing) or 'nothing of it'}")
    assert not missing, f"not recorded: {', '.join(missing)}"


@pytest.mark.control("audit.running")
def test_the_record_is_kept(host, finding):
    """`pid` is the daemon that takes the kernel's events; without one they are lost once its list is full."""
    finding.expect(f"enabled, handed to a daemon, backlog_limit of {LEAST_BACKLOG} or more, failures told")
    now = state(host, finding)
    finding.observe(", ".join(f"{name} {now.get(name)}" for name in ("enabled", "failure", "backlog_limit")))
    assert now["enabled"] in {"1", "2"}, "the kernel records nothing"
    assert now["pid"] != "0", "no daemon takes what the kernel records"
    assert int(now["backlog_limit"]) >= LEAST_BACKLOG, f"only {now['backlog_limit']} events may wait"
    assert now["failure"] in FAILURE, "what cannot be recorded is lost without a word"


@pytest.mark.control("audit.locked")
def test_nobody_changes_the_rules(host, finding):
    """Locked now, and no other rules wait for the next start of the host."""
    finding.expect("enabled 2 (locked until the host restarts), and the same rules for then")
    locked = state(host, finding)["enabled"]
    then = finding.ask(host, NEXT).stdout.strip()
    finding.observe(f"enabled {locked}; {then}")
    assert locked == "2", "whoever is root can switch the record off and on again"
    assert "No change" in then, "other rules wait for the next start"


@pytest.mark.control("audit.private")
def test_the_record_is_roots_alone(host, finding):
    """It quotes arguments and paths, and it is what an intruder would read first."""
    finding.expect("/var/log/audit and all in it: root's, and nothing for others")
    own_kernel(host, finding)
    rows = [line.split(" ", 2) for line in walk(host, finding, FILES)]
    if len(rows) < 2:
        raise CouldNotAsk("there is no record in /var/log/audit")
    # A file that was rotated has lost its owner's write bit; a folder's group may be given nothing either.
    wrong = sorted(path for mode, owner, path in rows if owner != "0" or int(mode, 8) & 0o077)
    finding.observe(f"open to others: {', '.join(wrong) or 'none'}")
    assert not wrong, f"open to others: {', '.join(wrong)}"


@pytest.mark.control("audit.identity")
def test_changes_of_accounts_are_recorded(host, finding):
    """Accounts, groups, how one logs in, and with which keys."""
    recorded(host, finding, IDENTITY)


@pytest.mark.control("audit.privilege")
def test_the_use_of_power_is_recorded(host, finding):
    """Whatever runs with rights that are not those of who started it: sudo, su, every set-user-id program."""
    recorded(host, finding, PRIVILEGE, ("execve", "execveat"))


@pytest.mark.control("audit.time")
def test_who_sets_the_clock_is_recorded(host, finding):
    """Only people: chronyd corrects it all the time."""
    recorded(host, finding, ("/etc/localtime", "/etc/chrony"), ("adjtimex", "settimeofday", "clock_settime"))


@pytest.mark.control("audit.network")
def test_changes_of_the_network_are_recorded(host, finding):
    """Names, addresses, what is shown before a login, and the firewall."""
    recorded(host, finding, NETWORK, ("sethostname", "setdomainname"))


@pytest.mark.control("audit.permissions")
def test_changes_of_rights_are_recorded(host, finding):
    """Owner, mode and attributes, wherever the file lies."""
    recorded(host, finding, (), ("fchmod", "fchmodat", "fchown", "fchownat", *XATTRS))


@pytest.mark.control("audit.refusals")
def test_refused_access_is_recorded(host, finding):
    """Who tries doors: files that people were refused to open, by either of the kernel's two answers."""
    recorded(host, finding, (), ("openat", "truncate", "ftruncate"), ("EACCES", "EPERM"))


@pytest.mark.control("audit.deletion")
def test_deletion_is_recorded(host, finding):
    """Names taken away, and names given to other files."""
    recorded(host, finding, (), ("unlinkat", "renameat", "renameat2"))


@pytest.mark.control("audit.modules")
def test_changes_of_the_kernel_are_recorded(host, finding):
    """Modules that come and go, and file systems that are mounted."""
    calls = ("init_module", "finit_module", "delete_module", "mount", "umount2")
    recorded(host, finding, ("/etc/modprobe.d",), calls)


@pytest.mark.control("audit.stack")
def test_changes_of_the_stack_are_recorded(host, finding, here):
    """Its configuration and its data, on the host that has them."""
    mine = [path for role in here.roles for path in STACK_BY_ROLE.get(role, ())]
    recorded(host, finding, dict.fromkeys([*STACK, *mine]))

"""Updates: whether they come by themselves, whether any waits, and whether there are any to come."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest

from hedgerow.checking import CouldNotAsk

SETTINGS = "apt-config dump"
TIMERS = "systemctl is-active apt-daily.timer apt-daily-upgrade.timer"
# What a candidate waits for, held back or not; simulating the upgrade takes apt twice as long.
WAITING = "apt list --upgradable"
LISTS = "find /var/lib/apt/lists -maxdepth 1 -name '*Release' -printf '%f\\n'"
FETCHED = "stat -c %Y /var/lib/apt/lists /var/lib/apt/lists/partial"
RESTART = "find /run -maxdepth 1 -name reboot-required -printf '%T@\\n'"
RELEASE = "cat /etc/os-release"

ASK_AHEAD = (WAITING,)

DAY = 86_400
OLDEST_LISTS_DAYS = 7
LONGEST_RESTART_DAYS = 7

# Last day of security updates by the distribution itself: Debian's release calendar (security
# team, then LTS is by others) and Ubuntu's (standard support).
SUPPORTED_UNTIL = {
    ("debian", "13"): date(2028, 8, 9),
    ("ubuntu", "24.04"): date(2029, 5, 31),
}


@pytest.mark.control("updates.automatic")
def test_security_updates_install_themselves(host, finding):
    """Three things are needed: apt's daily switch, the timers that pull it, and an origin that means security."""
    finding.expect("unattended upgrades daily, both timers active, an origin of security updates")
    settings = finding.ask(host, SETTINGS).stdout
    daily = dict(
        re.findall(r'^APT::Periodic::(Update-Package-Lists|Unattended-Upgrade) "(\S*)";', settings, re.MULTILINE)
    )
    origins = re.findall(r'^Unattended-Upgrade::(?:Origins-Pattern|Allowed-Origins):: "(.*)";', settings, re.MULTILINE)
    timers = finding.ask(host, TIMERS, codes=(0, 3, 4)).stdout.split()
    finding.observe(f"{daily or 'no daily run'}, timers {' '.join(timers)}, {len(origins)} origins")
    assert daily.get("Update-Package-Lists") == "1", "package lists are not renewed daily"
    assert daily.get("Unattended-Upgrade") == "1", "updates are not installed daily"
    assert timers == ["active", "active"], "the timers that start updates are not active"
    assert any("ecurity" in origin for origin in origins), "no origin of security updates is allowed"


@pytest.mark.control("updates.none-overdue")
def test_no_security_update_waits(host, finding):
    """apt's own list. Old lists know of no update, so their age counts too; so does a restart put off."""
    finding.expect(
        f"no security update waits, lists at most {OLDEST_LISTS_DAYS} days old,"
        f" no restart put off for {LONGEST_RESTART_DAYS} days"
    )
    if not finding.ask(host, LISTS).stdout.strip():
        raise CouldNotAsk("the host has no package lists: whether an update waits cannot be known")
    now = datetime.now(UTC).timestamp()
    age = (now - max(int(line) for line in finding.ask(host, FETCHED).stdout.split())) / DAY
    lines = finding.ask(host, WAITING, timeout=60).stdout.splitlines()
    waiting = [line.partition("/")[0] for line in lines if "/" in line and "ecurity" in line.split()[0]]
    asked_for = [float(line) for line in finding.ask(host, RESTART).stdout.split()]
    put_off = (now - min(asked_for)) / DAY if asked_for else 0.0
    finding.observe(
        f"security updates waiting: {', '.join(waiting[:8]) or 'none'}; lists {age:.1f} days old;"
        f" restart {f'wanted for {put_off:.0f} days' if asked_for else 'not needed'}"
    )
    assert not waiting, f"{len(waiting)} security updates wait: {', '.join(waiting[:8])}"
    assert age <= OLDEST_LISTS_DAYS, f"the package lists are {age:.0f} days old"
    assert put_off <= LONGEST_RESTART_DAYS, f"a restart that an update needs was put off for {put_off:.0f} days"


@pytest.mark.control("updates.supported-release")
def test_the_release_is_supported(host, finding):
    """The distribution's name for itself against its maker's calendar."""
    finding.expect(f"one of {', '.join(' '.join(release) for release in SUPPORTED_UNTIL)}, within its support")
    said = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]+)"?$', finding.ask(host, RELEASE).stdout, re.MULTILINE))
    release = (said.get("ID", "?"), said.get("VERSION_ID", "?"))
    finding.observe(" ".join(release))
    assert release in SUPPORTED_UNTIL, f"{' '.join(release)} is not among the releases this installer supports"
    end = SUPPORTED_UNTIL[release]
    assert datetime.now(UTC).date() <= end, f"security updates for {' '.join(release)} ended on {end}"

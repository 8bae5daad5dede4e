"""AppArmor as the kernel tells of it: which profiles it holds, and which of them each process is under."""

from __future__ import annotations

import re

import pytest

from checks.gathered import own_kernel
from hedgerow.checking import CouldNotAsk

ENABLED = "cat /sys/module/apparmor/parameters/enabled || test ! -e /sys/module/apparmor"
LOADED = "cat /sys/kernel/security/apparmor/profiles"
PROGRAMS = "find /proc/[0-9]*/exe -ignore_readdir_race -prune -printf '%p %l\\n' 2>/dev/null"
LABELS = "grep -s . /proc/[0-9]*/attr/current | tr -d '\\0'"
PROFILE = re.compile(r"^(.+) \((\w+)\)$", re.MULTILINE)

NEEDED = "/usr/sbin/chronyd"
"""The program of every host's that Debian and Ubuntu have a profile for."""

PACKAGED_SO = re.compile(r"unix-chkpwd|unprivileged_userns|transmission.*|sbuild.*|Xorg|plasmashell")
"""Profiles that Debian 13's package of 4.1 says are only to complain; the programs of most are not here."""


def numbered(lines):
    """Return what is told of each process: /proc/NUMBER/file and a separator before it."""
    return {int(found[1]): found[2] for line in lines if (found := re.match(r"/proc/(\d+)/\S+?[: ](.*)$", line))}


@pytest.mark.control("apparmor.enforced")
def test_programs_are_held_by_their_profiles(host, finding):
    """What started before its profile was loaded stays free of it until it starts anew: so each process is asked."""
    finding.expect("AppArmor on, no profile weakened to complaining, and who has a profile under it")
    own_kernel(host, finding)
    enabled = finding.ask(host, ENABLED).stdout.strip()
    if enabled != "Y":
        finding.observe("the kernel runs without AppArmor")
    assert enabled == "Y", "the kernel runs without AppArmor"
    loaded = dict(PROFILE.findall(finding.ask(host, LOADED).stdout))
    programs = numbered(finding.ask(host, PROGRAMS, codes=(0, 1)).stdout.splitlines())
    labels = numbered(finding.ask(host, LABELS, codes=(0, 1, 2)).stdout.splitlines())
    if not programs or not labels:
        raise CouldNotAsk("the kernel tells of no process")
    weak = sorted(
        name
        for name, mode in loaded.items()
        if mode == "complain" and not PACKAGED_SO.fullmatch(name.partition("//")[0])
    )
    free = sorted(
        {
            program
            for number, program in programs.items()
            if (program in loaded or program == NEEDED)
            and number in labels
            and labels[number] != f"{program} (enforce)"
        }
    )
    held = sorted({program for number, program in programs.items() if labels.get(number) == f"{program} (enforce)"})
    finding.observe(
        f"held: {', '.join(held) or 'nothing'}; only complaining: {', '.join(weak) or 'none'};"
        f" free of their profile: {', '.join(free) or 'none'}"
    )
    assert not weak, f"only complains: {', '.join(weak)}"
    assert not free, f"runs free of its profile: {', '.join(free)}"
    assert held, "no process is held by a profile"

"""The kernel's settings, as it says itself."""

from __future__ import annotations

import re

import pytest

from hedgerow.checking import NotExercised

NETWORK = "sysctl -a --pattern '^net\\.ipv[46]\\.(conf\\.|icmp_|tcp_syncookies)'"
MEMORY = {
    "kernel.randomize_va_space": {"2"},
    "kernel.kptr_restrict": {"1", "2"},
    "kernel.dmesg_restrict": {"1"},
    "kernel.yama.ptrace_scope": {"1", "2", "3"},
    "fs.suid_dumpable": {"0"},
    "fs.protected_symlinks": {"1"},
    "fs.protected_hardlinks": {"1"},
    "fs.protected_fifos": {"1", "2"},
    "fs.protected_regular": {"1", "2"},
}

# What modprobe would do, put together of all its files, and what is there already; names are told with underscores.
WOULD_LOAD = "modprobe --showconfig"
LOADED = "cut -d' ' -f1 /proc/modules"
DENIED = {
    *("usb_storage", "firewire_core", "cfg80211", "bluetooth"),
    *("cramfs", "freevxfs", "hfs", "hfsplus", "jffs2", "dccp", "sctp", "rds", "tipc"),
}

# What must hold on every interface: the kernel joins some of these with `all` by OR (ip-sysctl, conf/*).
EVERYWHERE = {
    r"net\.ipv4\.conf\..+\.(accept_redirects|secure_redirects|send_redirects|accept_source_route)": {"0"},
    r"net\.ipv6\.conf\..+\.(accept_redirects|accept_source_route)": {"0", "-1"},
    r"net\.ipv4\.conf\.(all|default)\.log_martians": {"1"},
    r"net\.ipv4\.conf\.all\.rp_filter": {"1", "2"},
    r"net\.ipv4\.icmp_echo_ignore_broadcasts": {"1"},
    r"net\.ipv4\.icmp_ignore_bogus_error_responses": {"1"},
    r"net\.ipv4\.tcp_syncookies": {"1"},
}


@pytest.mark.control("kernel.network-parameters")
def test_routing_hints_are_neither_believed_nor_sent(host, finding):
    """Every interface is looked at, those of containers too; IPv6's keys are absent where it is off."""
    finding.expect("no redirects, no source routing; reverse path filter, martians logged, SYN cookies")
    settings = dict(
        line.replace(" ", "").split("=", 1) for line in finding.ask(host, NETWORK).stdout.splitlines() if "=" in line
    )
    wrong, seen = [], 0
    for pattern, allowed in EVERYWHERE.items():
        found = {key: value for key, value in settings.items() if re.fullmatch(pattern, key)}
        assert found or "ipv6" in pattern, f"the kernel has no {pattern}"
        seen += len(found)
        wrong += [f"{key}={value}" for key, value in found.items() if value not in allowed]
    finding.observe(f"{seen} settings, not as expected: {', '.join(sorted(wrong)) or 'none'}")
    assert not wrong, f"not as expected: {', '.join(sorted(wrong))}"


@pytest.mark.control("kernel.memory-protected")
def test_programs_cannot_read_each_other(host, finding):
    """These belong to the kernel, not to the host: a container has its host's."""
    finding.expect(", ".join(f"{key}={'|'.join(sorted(values))}" for key, values in MEMORY.items()))
    container = finding.ask(host, "systemd-detect-virt --container", codes=(0, 1)).stdout.strip()
    if container != "none":
        raise NotExercised(f"a {container} container shares its host's kernel and cannot set these")
    lines = finding.ask(host, f"sysctl {' '.join(MEMORY)}").stdout.splitlines()
    settings = dict(line.replace(" ", "").split("=", 1) for line in lines)
    wrong = [f"{key}={settings.get(key)}" for key, allowed in MEMORY.items() if settings.get(key) not in allowed]
    finding.observe(", ".join(f"{key}={value}" for key, value in settings.items()))
    assert not wrong, f"not as expected: {', '.join(wrong)}"


@pytest.mark.control("kernel.core-dumps-off")
def test_a_crash_leaves_no_copy_of_memory(host, finding):
    """Two ways lead to a core file: services get systemd's limit, sessions that of PAM. This channel is a session."""
    finding.expect("core file limit 0, for services and for sessions")
    services = finding.ask(host, "systemctl show -p DefaultLimitCORE --value").stdout.strip()
    sessions = finding.ask(host, "ulimit -H -c").stdout.strip()
    finding.observe(f"services {services}, sessions {sessions}")
    assert services == "0", f"a service that crashes may write {services} bytes of its memory to disk"
    assert sessions == "0", f"a program in a session may write {sessions} blocks of its memory to disk"


@pytest.mark.control("kernel.modules-denied")
def test_what_nobody_needs_is_not_loaded(host, finding):
    """Whoever asks for one, by modprobe or by plugging something in, gets a program that fails in its place."""
    finding.expect(f"not loaded, and not to be: {', '.join(sorted(DENIED))}")
    container = finding.ask(host, "systemd-detect-virt --container", codes=(0, 1)).stdout.strip()
    if container != "none":
        raise NotExercised(f"a {container} container shares its host's kernel, and loads nothing into it")
    rows = [line.split() for line in finding.ask(host, WOULD_LOAD).stdout.splitlines()]
    refused = {row[1].replace("-", "_") for row in rows if row[:1] == ["install"] and row[2:] in (["/bin/false"],)}
    there = set(finding.ask(host, LOADED).stdout.split()) & DENIED
    finding.observe(
        f"to be had: {', '.join(sorted(DENIED - refused)) or 'none'}; loaded: {', '.join(sorted(there)) or 'none'}"
    )
    assert not DENIED - refused, f"would be loaded: {', '.join(sorted(DENIED - refused))}"
    assert not there, f"loaded already: {', '.join(sorted(there))}"

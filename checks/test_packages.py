"""Packages: where they come from, and what has no business here."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hedgerow.checking import CouldNotAsk, NotExercised

SETTINGS = "apt-config dump"

# Both forms of sources.list(5): an option in brackets, and a field of its own.
BLIND = (
    "grep -rHiE '^[^#]*(trusted|allow-insecure|allow-weak)(=|: *)yes' /etc/apt --include='*.list' --include='*.sources'"
)
FETCHED = "find /var/lib/apt/lists -maxdepth 1 -name '*Release*' -printf '%f\\n'"
INSTALLED = "dpkg-query -W -f '${db:Status-Status} ${Package}\\n'"

# Services that talk in clear, serve a desktop, or stand in for what the stack brings itself (CIS Debian
# Linux 12 Benchmark, 2.1 and 2.2). Debian's telnet and ftp clients go with them.
# fmt: off
SUPERFLUOUS = frozenset({
    # Servers and clients that talk in clear
    "atftpd", "ftp", "ftpd", "inetutils-ftpd", "inetutils-inetd", "inetutils-telnet", "inetutils-telnetd", "nis",
    "openbsd-inetd", "proftpd-basic", "proftpd-core", "rsh-client", "rsh-redone-server", "rsh-server", "talk",
    "talkd", "telnet", "telnetd", "tftpd", "tftpd-hpa", "tnftp", "vsftpd", "xinetd", "ypserv",
    # File, print, directory, mail and name services
    "avahi-daemon", "bind9", "cups-daemon", "dovecot-core", "exim4-daemon-light", "isc-dhcp-server",
    "nfs-kernel-server", "rpcbind", "samba", "slapd", "snmpd", "squid",
    # A second web server, a second container engine, a desktop
    "apache2", "docker.io", "lighttpd", "xserver-xorg-core",
})
# fmt: on
# Names in the path by which a compiler is called, with the machine it builds for in front and its version behind.
COMPILERS = (
    "compgen -c | grep -xE '(.*-)?(gcc|g[+][+]|cc|c[+][+]|cpp|clang|tcc|gfortran|rustc|go)(-[0-9.]+)?' | sort -u"
)
# Of files that packages bring, those that are not what their sums say; c marks settings, which are there to be changed.
CHANGED = "dpkg --verify"
PROGRAMS = re.compile(r"^..5\S* +(/(?:usr/)?(?:s?bin|lib|libexec)/.+)$", re.MULTILINE)
SUMS = (
    "dpkg-query -W -f='${db:Status-Abbrev}${binary:Package} ${Version}\\n' | sed -n 's/^ii  *//p'; echo;"
    " cd /var/lib/dpkg/info && sha256sum -- *.md5sums"
)
DOORS = (
    "APT::Get::AllowUnauthenticated",
    "Acquire::AllowInsecureRepositories",
    "Acquire::AllowWeakRepositories",
    "Acquire::AllowDowngradeToInsecureRepositories",
)


ASK_AHEAD = (CHANGED,)


@pytest.mark.control("packages.signed")
def test_only_signed_sources(host, finding):
    """What apt would hold to, whichever file it read that in; what it read of its sources; what it fetched."""
    finding.expect("no door past the signature is open, no source is believed blindly, every list came signed")
    settings = finding.ask(host, SETTINGS).stdout
    doors = [
        name
        for name in DOORS
        if re.search(rf'^{re.escape(name)} "(1|true|yes|on|with|enable)";', settings, re.MULTILINE | re.IGNORECASE)
    ]
    blind = sorted({line.partition(":")[0] for line in finding.ask(host, BLIND, codes=(0, 1)).stdout.splitlines()})
    fetched = set(finding.ask(host, FETCHED).stdout.split())
    plain = sorted(name for name in fetched if name.endswith("_Release") and f"{name}.gpg" not in fetched)
    finding.observe(f"open: {', '.join(doors) or 'none'}; blind: {', '.join(blind) or 'none'}; {len(fetched)} lists")
    assert not doors, f"apt would take unsigned packages: {', '.join(doors)}"
    assert not blind, f"sources are believed without a signature: {', '.join(blind)}"
    assert not plain, f"lists came without a signature: {', '.join(plain)}"


@pytest.mark.control("packages.unmodified")
def test_programs_are_as_they_were_packaged(host, finding):
    """What is missing is passed over: images leave out much, and a program that is gone runs nothing."""
    finding.expect("no program and no library differs from what its package brought")
    changed = PROGRAMS.findall(finding.ask(host, CHANGED, timeout=60, codes=(0, 1)).stdout)
    finding.observe(f"changed: {', '.join(changed[:5]) or 'none'}")
    assert not changed, f"not as packaged: {', '.join(changed[:5])}"


@pytest.mark.control("packages.sums-known")
def test_the_sums_are_those_that_were_first_seen(host, finding, declared):
    """Whoever is root on a host can change a program and its sum, and not what was seen of that version elsewhere."""
    finding.expect("each package's list of sums as it was when this version was first seen")
    path = Path(declared.baseline_file)
    if not path.exists():
        raise NotExercised("nothing was seen of this host yet: this run takes its baseline")
    known = json.loads(path.read_text(encoding="utf-8"))
    packages, _, lists = finding.ask(host, SUMS).stdout.partition("\n\n")
    named = {file.removesuffix(".md5sums"): total for total, file in (line.split() for line in lists.splitlines())}
    rows = [line.split() for line in packages.splitlines()]
    now = {f"{name} {version}": named[name] for name, version in rows if name in named}
    if not now:
        raise CouldNotAsk("dpkg tells of no package with sums")
    # A list that is gone is no list that agrees: dpkg holds nothing of such a package against anything.
    there = {f"{name} {version}" for name, version in rows}
    changed = sorted(package for package in there & known.keys() if now.get(package) != known[package])
    new = len(now.keys() - known.keys())
    finding.observe(f"{len(now)} packages, {new} seen for the first time, changed: {', '.join(changed[:5]) or 'none'}")
    assert not changed, f"sums other than those first seen of this version: {', '.join(changed[:5])}"


@pytest.mark.control("packages.minimal")
def test_nothing_superfluous(host, finding):
    """Names of packages, as dpkg has them installed."""
    finding.expect("no clear-text or desktop service is installed")
    rows = [line.split() for line in finding.ask(host, INSTALLED).stdout.splitlines()]
    installed = {name for status, name in rows if status == "installed"}
    found = sorted(installed & SUPERFLUOUS)
    finding.observe(f"{len(installed)} packages, superfluous: {', '.join(found) or 'none'}")
    assert not found, f"installed without need: {', '.join(found)}"


@pytest.mark.control("packages.no-compilers")
def test_nothing_compiles(host, finding):
    """By name, whatever package or person brought it."""
    finding.expect("no compiler in root's path")
    found = finding.ask(host, COMPILERS, codes=(0, 1)).stdout.split()
    finding.observe(f"compilers: {', '.join(found) or 'none'}")
    assert not found, f"a compiler lies ready: {', '.join(found)}"

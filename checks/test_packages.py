"""Packages: where they come from, and what has no business here."""

from __future__ import annotations

import re

import pytest

SETTINGS = "apt-config dump"
SOURCES = "apt-get indextargets --format '$(TRUSTED) $(REPO_URI)'"
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
DOORS = (
    "APT::Get::AllowUnauthenticated",
    "Acquire::AllowInsecureRepositories",
    "Acquire::AllowWeakRepositories",
    "Acquire::AllowDowngradeToInsecureRepositories",
)


@pytest.mark.control("packages.signed")
def test_only_signed_sources(host, finding):
    """apt says what it would hold to, whichever file it read that in."""
    finding.expect("no door past the signature is open, and no source is trusted unsigned")
    settings = finding.ask(host, SETTINGS).stdout
    doors = [
        name
        for name in DOORS
        if re.search(rf'^{re.escape(name)} "(1|true|yes|on|with|enable)";', settings, re.MULTILINE | re.IGNORECASE)
    ]
    targets = [line.split(" ", 1) for line in finding.ask(host, SOURCES).stdout.splitlines()]
    blind = sorted({uri for trusted, uri in targets if trusted.lower() == "yes"})
    finding.observe(f"open: {', '.join(doors) or 'none'}; trusted unsigned: {', '.join(blind) or 'none'}")
    assert not doors, f"apt would take unsigned packages: {', '.join(doors)}"
    assert not blind, f"sources believed without a signature: {', '.join(blind)}"


@pytest.mark.control("packages.minimal")
def test_nothing_superfluous(host, finding):
    """Names of packages, as dpkg has them installed."""
    finding.expect("no clear-text or desktop service is installed")
    rows = [line.split() for line in finding.ask(host, INSTALLED).stdout.splitlines()]
    installed = {name for status, name in rows if status == "installed"}
    found = sorted(installed & SUPERFLUOUS)
    finding.observe(f"{len(installed)} packages, superfluous: {', '.join(found) or 'none'}")
    assert not found, f"installed without need: {', '.join(found)}"

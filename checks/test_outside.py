"""The view from outside: connections from this controller, by its own address and by a stranger's."""

from __future__ import annotations

import pytest

from checks.gathered import LISTENERS
from checks.nftables import within
from hedgerow.checking import NotExercised
from hedgerow.outside import OPEN

# Beside what listens now: doors that are often left open, so that something which listens only
# for a moment, or hides from ss in a namespace of its own, has a chance to be seen.
OFTEN_OPEN = (
    *(21, 22, 23, 25, 53, 80, 110, 111, 139, 143, 389, 443, 445, 631, 873, 1080, 1433, 1521, 2049, 2181, 2375, 2376),
    *(3000, 3128, 3306, 3389, 4369, 5000, 5432, 5601, 5672, 5900, 6379, 6380, 6443, 7000, 7233, 8000, 8080, 8081),
    *(8123, 8443, 8888, 9000, 9001, 9009, 9090, 9092, 9093, 9100, 9200, 9440, 10250, 11211, 15672, 19000, 27017),
)
DATA_PORTS = (5432, 6379, 6380)


def listening(host, finding) -> set[int]:
    """Return the TCP ports on which something listens, on whatever address."""
    rows = (line.split() for line in finding.ask(host, LISTENERS).stdout.splitlines())
    return {int(row[4].rpartition(":")[2]) for row in rows if row[0] == "tcp"}


def views(outside) -> dict[str, str]:
    """Return whence we can look: "controller" always, "stranger" where there is one."""
    seen = {"controller": outside.controller}
    return seen | ({"stranger": outside.stranger} if outside.stranger else {})


@pytest.mark.control("outside.only-declared-ports")
def test_only_declared_ports_answer(host, finding, declared, outside, here):
    """A port may answer only whom the declaration lets in: SSH its networks, the edge its two."""
    allowed_from = {declared.ssh_port: set(declared.ssh_from)}
    if "edge" in here.roles:
        everybody = {*declared.interface_from, *declared.ingest_from}
        allowed_from |= {80: everybody, 443: everybody}
    finding.expect(f"open: {', '.join(map(str, sorted(allowed_from)))}, each to its declared networks, and no other")
    ports = sorted(listening(host, finding) | set(OFTEN_OPEN))
    surprises, seen = [], []
    for who, address in views(outside).items():
        # We came in by SSH, so it is open to us; knocking without proving anything would earn us a penalty.
        tried = [port for port in ports if port != declared.ssh_port or who != "controller"]
        finding.asked(f"TCP connect from {address} ({who}) to {len(tried)} ports of {outside.address}")
        opened = [port for port, state in outside.knock(address, tried).items() if state == OPEN]
        seen.append(f"{who} finds open {', '.join(map(str, sorted(opened))) or 'none'}")
        surprises += [f"{p} to {who}" for p in sorted(opened) if not within(address, allowed_from.get(p, ()))]
    finding.observe("; ".join(seen))
    assert not surprises, f"open without being declared: {', '.join(surprises)}"


@pytest.mark.control("outside.data-tier-closed")
def test_databases_answer_nobody_outside(finding, outside):
    """Their standard ports, tried from every address we have."""
    finding.expect(f"no answer on {', '.join(map(str, DATA_PORTS))}")
    opened = []
    for who, address in views(outside).items():
        finding.asked(f"TCP connect from {address} ({who}) to {outside.address} ports {DATA_PORTS}")
        opened += [f"{port} to {who}" for port, state in outside.knock(address, DATA_PORTS).items() if state == OPEN]
    finding.observe(f"open: {', '.join(opened) or 'none'}")
    assert not opened, f"a database answers: {', '.join(opened)}"


@pytest.mark.control("outside.ssh-closed-to-strangers")
def test_strangers_get_no_answer_from_ssh(finding, declared, outside):
    """From an address that the declaration does not let in."""
    finding.expect(f"no connection to port {declared.ssh_port} for a stranger")
    stranger = outside.as_stranger()
    if within(stranger, declared.ssh_from):
        raise NotExercised(f"our second address {stranger} lies within access.ssh_from: it is no stranger here")
    finding.asked(f"TCP connect from {stranger} to {outside.address} port {declared.ssh_port}")
    state = outside.knock(stranger, [declared.ssh_port])[declared.ssh_port]
    finding.observe(f"port {declared.ssh_port} is {state} to {stranger}")
    assert state != OPEN, f"SSH answers {stranger}, which is on no list"

"""The view from outside: connections from this controller, by its own address and by a stranger's."""

from __future__ import annotations

import pytest
import testinfra.host

from checks.gathered import LISTENERS
from checks.nftables import within
from hedgerow.checking import Finder, NotExercised
from hedgerow.outside import OPEN, Outside
from hedgerow.sheet import Sheet

# Beside what listens now: doors that are often left open, so that something which listens only
# for a moment, or hides from ss in a namespace of its own, has a chance to be seen.
OFTEN_OPEN = (
    *(21, 22, 23, 25, 53, 80, 110, 111, 139, 143, 389, 443, 445, 631, 873, 1080, 1433, 1521, 2049, 2181, 2375, 2376),
    *(3000, 3128, 3306, 3389, 4369, 5000, 5432, 5601, 5672, 5900, 6379, 6380, 6443, 7000, 7233, 8000, 8080, 8081),
    *(8123, 8443, 8888, 9000, 9001, 9009, 9090, 9092, 9093, 9100, 9200, 9440, 10250, 11211, 15672, 19000, 27017),
)
DATA_PORTS = (5432, 6379, 6380)


def look_ahead(host: testinfra.host.Host, sheet: Sheet) -> dict[str, dict[int, str]]:
    """Knock at every port that listens and those often open, from all our addresses at once.

    Whoever is dropped hears nothing, so this takes its whole time; it runs beside the other checks.
    """
    rows = (line.split() for line in Finder().ask(host, LISTENERS).stdout.splitlines())
    listening = {int(row[4].rpartition(":")[2]) for row in rows if row[0] == "tcp"}
    ports = listening | set(OFTEN_OPEN) | {sheet.declared.ssh_port}
    # By SSH the controller came in; a knock there that then proves nothing earns it a penalty of sshd's.
    tries = {sheet.controller: ports - {sheet.declared.ssh_port}}
    if sheet.stranger:
        tries[sheet.stranger] = ports
    return Outside(sheet.host.address, sheet.controller, sheet.stranger).knock_all(tries)


def opened(looked: dict[str, dict[int, str]]) -> list[tuple[int, str]]:
    """Return each port that answered, with our address that it answered to."""
    return sorted(
        (port, source) for source, states in looked.items() for port, state in states.items() if state == OPEN
    )


@pytest.mark.control("outside.only-declared-ports")
def test_only_declared_ports_answer(finding, declared, here, looked):
    """A port may answer only whom the declaration lets in: SSH its networks, the edge its two."""
    allowed_from = {declared.ssh_port: set(declared.ssh_from)}
    if "edge" in here.roles:
        everybody = {*declared.interface_from, *declared.ingest_from}
        allowed_from |= {80: everybody, 443: everybody}
    finding.expect(f"open: {', '.join(map(str, sorted(allowed_from)))}, each to its declared networks, and no other")
    tries = ", ".join(f"from {source} to {len(states)} ports" for source, states in looked.items())
    finding.asked(f"TCP connect to {here.address}: {tries}")
    answered = opened(looked)
    finding.observe(
        f"open: {', '.join(f'{port} to {source}' for port, source in answered) or 'none'}, beside our own SSH"
    )
    surprises = [f"{port} to {source}" for port, source in answered if not within(source, allowed_from.get(port, ()))]
    assert not surprises, f"open without being declared: {', '.join(surprises)}"


@pytest.mark.control("outside.data-tier-closed")
def test_databases_answer_nobody_outside(finding, here, looked):
    """Their standard ports, tried from every address we have."""
    finding.expect(f"no answer on {', '.join(map(str, DATA_PORTS))}")
    finding.asked(f"TCP connect to {here.address} ports {DATA_PORTS} from {', '.join(looked)}")
    answered = [f"{port} to {source}" for port, source in opened(looked) if port in DATA_PORTS]
    finding.observe(f"open: {', '.join(answered) or 'none'}")
    assert not answered, f"a database answers: {', '.join(answered)}"


@pytest.mark.control("outside.ssh-closed-to-strangers")
def test_strangers_get_no_answer_from_ssh(finding, declared, outside, looked):
    """From an address that the declaration does not let in."""
    finding.expect(f"no connection to port {declared.ssh_port} for a stranger")
    stranger = outside.as_stranger()
    if within(stranger, declared.ssh_from):
        raise NotExercised(f"our second address {stranger} lies within access.ssh_from: it is no stranger here")
    finding.asked(f"TCP connect from {stranger} to {outside.address} port {declared.ssh_port}")
    state = looked[stranger][declared.ssh_port]
    finding.observe(f"port {declared.ssh_port} is {state} to {stranger}")
    assert state != OPEN, f"SSH answers {stranger}, which is on no list"

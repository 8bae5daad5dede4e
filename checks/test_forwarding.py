"""Whether a copy of the record leaves the host, to whom, and whether anybody else could take it."""

from __future__ import annotations

import json
import re

import pytest

from checks.gathered import loaded
from checks.on_host import program
from hedgerow.checking import CouldNotAsk, NotExercised

UNIT = "hedgerow-forwarding.service"
FOLDER = "/etc/hedgerow/forwarding"
SETTINGS = f"{FOLDER}/rsyslog.conf"
STATE = f"systemctl show -p ActiveState,UnitFileState,MainPID {UNIT}"
WAYS = "ss -tunpH"
# A line of our own, and how far the forwarder has come in the journal: until it is past that line, or five seconds on.
# Times are microseconds since 1970; "t" is the time of the entry that a place in the journal names, in hexadecimal.
MARKED = (
    "began=$(date +%s%6N); logger -t hedgerow-verify 'does this line leave the host?';"
    " for _ in $(seq 50); do at=$(grep -oE ';t=[0-9a-f]+' /var/lib/hedgerow-logs/position | cut -c4-);"
    ' [ -n "$at" ] && [ $((16#$at)) -ge $began ] && break; sleep 0.1; done; echo $began $((16#${at:-0}))'
)
LATE = 5 * 60
PEER = re.compile(r"(\S+:\d+)\s+users:")

ASK_AHEAD = (STATE,)


def undeclared(host, finding) -> None:
    """Nobody is to be told: then nothing may tell. Raises NotExercised where that is so."""
    state = finding.ask(host, STATE).stdout
    finding.observe("a forwarder runs" if "ActiveState=active" in state else "no forwarder runs")
    assert "ActiveState=active" not in state, "the record leaves the host, and no collector is declared"
    raise NotExercised("no collector is declared (log_collector in deploy.yml): the record stays on the host")


def peers(text: str, process: str) -> list[str]:
    """Return address:port of everybody a process is connected with, as ss(8) lists them."""
    mine = [PEER.search(line) for line in text.splitlines() if f"pid={process}," in line]
    return sorted(match[1] for match in mine if match)


@pytest.mark.control("forwarding.delivered")
def test_the_record_reaches_the_collector(host, finding, declared):
    """No queue lies between journal and collector, so the forwarder's place in the journal is what was handed over."""
    collector = declared.collector
    finding.expect(
        f"one connection, to {collector.address}:{collector.port}; a line of this check handed over within"
        f" {LATE // 60} minutes; back after a restart"
        if collector
        else "no forwarder"
    )
    if collector is None:
        undeclared(host, finding)
    state = dict(line.split("=", 1) for line in finding.ask(host, STATE).stdout.splitlines())
    assert state.get("ActiveState") == "active", "no forwarder runs: nothing leaves the host"
    began, reached = map(int, finding.ask(host, MARKED, timeout=60).stdout.split())
    behind = max(0, began - reached) / 1e6
    ways = peers(finding.ask(host, WAYS).stdout, state["MainPID"])
    said = f"{behind:.0f} s behind" if reached else "it has handed over nothing yet"
    finding.observe(f"connected with {', '.join(ways) or 'nobody'}; {said}; {state.get('UnitFileState')}")
    assert state.get("UnitFileState") == "enabled", "after a restart nothing leaves the host"
    others = sorted(set(ways) - {f"{collector.address}:{collector.port}"})
    assert not others, f"it talks with {', '.join(others)}, which is not declared"
    assert ways, f"there is no connection to {collector.address}:{collector.port}"
    assert reached, "nothing was handed over yet"
    assert behind <= LATE, f"what was written in the last {behind / 60:.0f} minutes is not at the collector"


@pytest.mark.control("forwarding.collector-proven")
def test_nobody_else_gets_the_record(host, finding, declared):
    """Two impostors on the loopback, which the forwarder's own program meets with the settings that it runs with."""
    collector = declared.collector
    finding.expect("an impostor with a certificate that nobody vouches for, and one with another name, get nothing")
    if collector is None:
        undeclared(host, finding)
    loaded(host, finding, UNIT, FOLDER)
    said = json.loads(finding.ask(host, program("false_collector", SETTINGS, collector.host), timeout=60).stdout)
    answers, declared_one = said["impostors"], said["trusts"] == collector.authority
    seen = [f"{who}: {'TLS' if row['tls'] else 'no TLS'}, {row['bytes']} bytes" for who, row in answers.items()]
    finding.observe(f"{'; '.join(seen)}; trusts {'the declared authority' if declared_one else 'somebody else'}")
    if missed := [who for who, row in answers.items() if not row["reached"]]:
        raise CouldNotAsk(f"the forwarder did not come to the impostor: {', '.join(missed)}")
    plain = [who for who, row in answers.items() if not row["tls"]]
    assert not plain, "it talks without TLS"
    told = [who for who, row in answers.items() if row["bytes"]]
    assert not told, f"it hands the record to an impostor ({', '.join(told)})"
    assert declared_one, "it believes other authorities than the declared one"

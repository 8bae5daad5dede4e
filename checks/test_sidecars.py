"""Side-cars: one beside each service that uses the event log, in its network and with nothing else of the host."""

from __future__ import annotations

import pytest

from hedgerow.checking import CouldNotAsk, NotExercised

SHOW = "systemctl show --property Id,ActiveState,MainPID,User,DynamicUser {}"
# Of each main process: who it is, what it may, and that it has another network than the host.
LOOK = (
    "for pid in {}; do"
    " echo \"$pid $(awk '/^Uid:/{{u=$2}} /^CapEff:/{{c=$2}} /^NoNewPrivs:/{{n=$2}} /^Seccomp:/{{s=$2}}"
    " END{{print u,c,n,s}}' /proc/$pid/status) $(readlink /proc/$pid/ns/net) $(readlink /proc/1/ns/net)\"; done"
)


@pytest.mark.control("sidecars.confined")
def test_it_has_a_network_and_nothing_else(finding, host, declared):
    services = sorted({service for service, store, _, _ in declared.hops if store == "kafka"})
    if not services:
        raise NotExercised("no service of this host has a side-car")
    finding.expect(f"active beside {', '.join(services)}: no root, no capability, no new privileges, filtered calls")
    units = [f"hedgerow-sidecar-{service}.service" for service in services]
    blocks = finding.ask(host, SHOW.format(" ".join(units))).stdout.strip().split("\n\n")
    shown = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in blocks]
    away = [each["Id"] for each in shown if each["ActiveState"] != "active" or each["MainPID"] == "0"]
    finding.observe(f"{len(shown)} side-cars; not running: {away or 'none'}")
    assert not away, f"does not run: {', '.join(away)}"
    rows = finding.ask(host, LOOK.format(" ".join(each["MainPID"] for each in shown))).stdout.splitlines()
    found = {row.split()[0]: row.split()[1:] for row in rows}
    if any(len(found.get(each["MainPID"], [])) != 6 for each in shown):
        raise CouldNotAsk("a side-car ended while it was looked at")
    loose = []
    for each in shown:
        user, capabilities, privileges, seccomp, network, hosts = found[each["MainPID"]]
        faults = [
            "runs as root" * (user == "0"),
            f"has capabilities {capabilities}" * bool(int(capabilities, 16)),
            "may gain privileges" * (privileges != "1"),
            "makes any system call" * (seccomp != "2"),
            "is in the host's network" * (network == hosts),
        ]
        loose += [f"{each['Id']} {fault}" for fault in faults if fault]
    finding.observe("; ".join(loose) or f"{len(shown)} side-cars, each confined")
    assert not loose, "; ".join(loose)

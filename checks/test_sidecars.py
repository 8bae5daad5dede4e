"""Side-cars: one beside each service that asks others or is asked, in its network and with nothing else of the host."""

from __future__ import annotations

import json

import pytest

from checks.in_containers import INSIDE, REFUSALS
from checks.on_host import program
from checks.tls import CA
from hedgerow.checking import CouldNotAsk, NotExercised
from hedgerow.sheet import Sheet

# Something every service behind a door answers, if only with a refusal of its own.
WORDS = "GET /_hedgerow HTTP/1.0\r\n\r\n"
FILES = "/etc/hedgerow/sidecars/{}.crt"
EDGE = "hedgerow_edge"

SHOW = "systemctl show --property Id,ActiveState,MainPID,User,DynamicUser {}"
# Of each main process: who it is, what it may, and that it has another network than the host.
LOOK = (
    "for pid in {}; do"
    " echo \"$pid $(awk '/^Uid:/{{u=$2}} /^CapEff:/{{c=$2}} /^NoNewPrivs:/{{n=$2}} /^Seccomp:/{{s=$2}}"
    " END{{print u,c,n,s}}' /proc/$pid/status) $(readlink /proc/$pid/ns/net) $(readlink /proc/1/ns/net)\"; done"
)


def account(service: str) -> str:
    """Return who a service is in the certificate that its side-car shows."""
    return f"posthog_{service.replace('-', '_')}"


def entrances(sheet: Sheet) -> str:
    """Return the question whom the doors of this host's services let in: who may, and a neighbour who may not."""
    asked = []
    own = {account(service): FILES.format(service) for service in sheet.declared.sidecars}
    if "edge" in sheet.host.roles:
        own[EDGE] = "/etc/hedgerow/tls/client.crt"
    for service, port, admitted in sheet.declared.doors:
        shown = {
            "known": next((own[name] for name in admitted if name in own), ""),
            "stranger": next((file for name, file in own.items() if name not in (*admitted, account(service))), ""),
        }
        ports = {str(port): {"plain": WORDS, "secure": WORDS}}
        row = {"name": service, "certificate": f"{service}.{INSIDE}", "ca": CA, "ports": ports}
        asked.append({**row, "shown": {who: file for who, file in shown.items() if file}})
    return program("doors", json.dumps(asked))


ASK_AHEAD = (entrances,)


@pytest.fixture
def doors(finding, host, sheet):
    """Return what each door answered. Raises NotExercised where there is none, CouldNotAsk where a service is down."""
    declared = sheet.declared.doors
    if not declared:
        raise NotExercised("no service of this host is asked by others")
    found = json.loads(finding.ask(host, entrances(sheet)).stdout)
    down = [name for name, each in found.items() if not each]
    if down:
        raise CouldNotAsk(f"does not run: {', '.join(down)}")
    return {name: found[name]["ports"][str(port)] for name, port, _ in declared}


@pytest.mark.control("sidecars.tls-only")
def test_a_service_is_asked_over_tls_alone(finding, doors):
    finding.expect("every door proves its service's name in TLS 1.2 or newer, and says nothing in the clear")
    if any("NO_PROTOCOLS_AVAILABLE" in each["old"].get("why", "") for each in doors.values()):
        raise CouldNotAsk("this host's own OpenSSL cannot offer TLS 1.1, so nobody refused it")
    wrong = [f"{name} answers without TLS: {each['plain']}" for name, each in doors.items() if each["plain"]]
    wrong += [f"{name} takes TLS 1.1" for name, each in doors.items() if each["old"]["ok"]]
    wrong += [f"{name}: {each['verified']['why']}" for name, each in doors.items() if not each["verified"]["ok"]]
    finding.observe("; ".join(wrong) or f"{len(doors)} doors: {', '.join(doors)}")
    assert not wrong, "; ".join(wrong)


@pytest.mark.control("sidecars.clients-proven")
def test_a_service_hears_those_that_may_use_it(finding, doors):
    """In TLS 1.3 the client's part of a handshake ends first, so a question is asked: it must get no answer."""
    finding.expect("an answer to those declared, none to a client without a certificate or with another service's")
    tried = [(name, who, each[who]) for name, each in doors.items() for who in ("nameless", "stranger") if who in each]
    let_in = [f"{name} answers a {who} client" for name, who, ended in tried if ended["ok"]]
    shut = [name for name, each in doors.items() if not each.get("known", {"ok": True})["ok"]]
    finding.observe(
        "; ".join(let_in) or f"{len(tried)} strangers tried at {len(doors)} doors; shut to friends: {shut or 'none'}"
    )
    assert not let_in, "; ".join(let_in)
    if shut:
        raise CouldNotAsk(f"no answer even to those who may: {', '.join(shut)}")
    untried = [name for name, each in doors.items() if "stranger" not in each]
    if untried:
        raise CouldNotAsk(f"no certificate of another service was there to be tried at {', '.join(untried)}")
    other = [ended["why"] for _, _, ended in tried if not any(word in ended["why"] for word in REFUSALS)]
    if other:
        raise CouldNotAsk(f"a question ended otherwise: {other[0]}")


@pytest.mark.control("sidecars.confined")
def test_it_has_a_network_and_nothing_else(finding, host, declared):
    services = sorted(declared.sidecars)
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

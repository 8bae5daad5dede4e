"""The log collector: what is refused in its declaration, and what follows from it for firewall, role and check."""

from __future__ import annotations

import pytest

from checks.test_forwarding import peers
from hedgerow import forwarding
from hedgerow.declaration import parse
from hedgerow.errors import DeclarationError
from hedgerow.hosts import Host, Site

LAB = "name: acme\ndomain: analytics.acme.example\ntarget: {kind: lab}\n"
COLLECTOR = "log_collector: {host: logs.acme.example, address: 192.0.2.60, ca_file: collector-ca.pem}\n"
HOST = Host(name="app-1", address="192.0.2.11", private_address="192.0.2.11", user="debian")
SITE = Site((HOST,), controller="192.0.2.1")


def test_without_a_collector_nothing_leaves_and_nothing_is_opened() -> None:
    declaration = parse(LAB)
    assert forwarding.values(declaration, HOST, "", "") == {"forwarding_enabled": False}
    assert forwarding.outbound(declaration) == []
    assert forwarding.clients(declaration, SITE) == []


def test_one_account_may_reach_one_port_of_one_address() -> None:
    (row,) = forwarding.outbound(parse(LAB + COLLECTOR))
    assert (row["to"], row["ports"], row["users"]) == (["192.0.2.60/32"], [6514], [forwarding.ACCOUNT])


def test_each_host_shows_a_certificate_of_its_own() -> None:
    declaration = parse(LAB + COLLECTOR)
    assert forwarding.clients(declaration, SITE) == ["logs_app_1"]
    values = forwarding.values(declaration, HOST, "CA", "CERTIFICATE")
    assert values["forwarding_key"] == "{{ vault.tls.logs_app_1 }}"
    assert (values["forwarding_authority"], values["forwarding_certificate"]) == ("CA", "CERTIFICATE")
    assert (values["forwarding_name"], values["forwarding_port"]) == ("logs.acme.example", 6514)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("logs.acme.example", "192.0.2.60", "is no name that a certificate carries"),
        ("192.0.2.60", "logs.acme.example", "log_collector.address"),
        (", ca_file: collector-ca.pem", "", "ca_file"),
    ],
)
def test_what_cannot_be_proven_is_refused(before: str, after: str, said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        parse(LAB + COLLECTOR.replace(before, after, 1))
    assert said in str(refused.value)


def test_who_a_process_talks_with_is_read_from_its_own_sockets() -> None:
    said = """\
tcp ESTAB 0 0 10.77.0.11:50264 192.0.2.60:6514 users:(("rsyslogd",pid=3095,fd=9))
tcp ESTAB 0 0 10.77.0.11:50270 192.0.2.61:443 users:(("rsyslogd",pid=3095,fd=11))
tcp ESTAB 0 0 10.77.0.11:22 10.77.0.1:40100 users:(("sshd-session",pid=12,fd=4),("sshd-session",pid=9,fd=4))
"""
    assert peers(said, "3095") == ["192.0.2.60:6514", "192.0.2.61:443"]
    assert peers(said, "9") == ["10.77.0.1:40100"], "several processes may hold one"
    assert peers(said, "1") == []

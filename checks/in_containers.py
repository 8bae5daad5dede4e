"""The stores that run in containers, and how they are asked from their own host."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import testinfra.host

from checks.on_host import program
from checks.tls import CA
from hedgerow.checking import CouldNotAsk, Finder, NotExercised
from hedgerow.sheet import Sheet

INSIDE = "hedgerow.internal"
# A question to a Kafka broker for the versions it speaks (ApiVersions, version 0, no client id), its length before it.
VERSIONS = "\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff"
PING = "GET /ping HTTP/1.0\r\n\r\n"
# ClickHouse's own protocol: a hello, a client's name, versions, database, user and password, all empty.
HELLO = "\x00\x00\x16\x04\xa9\xa9\x03\x00\x00\x00"
HTTP2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
STORES = {
    "clickhouse": {"8443": {"plain": PING, "secure": ""}, "9440": {"plain": HELLO, "secure": ""}},
    # S3, and beside it SeaweedFS's own protocol (gRPC, which begins as HTTP/2 does), shut for everybody.
    "seaweedfs": {"8333": {"plain": "GET / HTTP/1.0\r\n\r\n", "secure": ""}, "18333": {"plain": HTTP2, "secure": ""}},
    "kafka": {"9092": {"plain": VERSIONS, "secure": VERSIONS}},
}
LEAST_DAYS = 21
# How a server ends it with a client that it does not know: an alert of TLS (stunnel's, for a name that is not on its
# list, is the internal error), or a connection closed or reset behind it.
REFUSALS = (
    "CERTIFICATE_REQUIRED",
    "CERTIFICATE_UNKNOWN",
    "HANDSHAKE_FAILURE",
    "BAD_CERTIFICATE",
    "TLSV1_ALERT_INTERNAL_ERROR",
    "closed",
    "reset by peer",
)


def question(sheet: Sheet) -> str:
    """Return the question how the containers' stores answer whoever should not get in."""
    ask = [
        {"name": name, "certificate": f"{name}.{INSIDE}", "ca": CA, "ports": ports}
        for name, ports in STORES.items()
        if name in sheet.declared.services
    ]
    return program("doors", json.dumps(ask))


def answer(finding: Finder, host: testinfra.host.Host, sheet: Sheet, store: str) -> dict[str, Any]:
    """Return what a store answered. Raises NotExercised where none is declared, CouldNotAsk where it does not run."""
    if store not in sheet.declared.services:
        raise NotExercised(f"{store} is not deployed on this host")
    found = json.loads(finding.ask(host, question(sheet)).stdout)[store]
    if not found:
        raise CouldNotAsk(f"{store} does not run")
    finding.observe(f"{store} listens on {found['listening']}")
    return dict(found)


def assert_tls_only(finding: Finder, found: dict[str, Any], ports: set[int]) -> None:
    """Assert that only these ports are open for others and that none says anything without TLS, or speaks TLS 1.1."""
    finding.expect(f"only {sorted(ports)} open, no word to a plain client, no TLS 1.1")
    spoke = {port: each["plain"] for port, each in found["ports"].items() if each["plain"]}
    old = [port for port, each in found["ports"].items() if each["old"]["ok"]]
    if any("NO_PROTOCOLS_AVAILABLE" in each["old"].get("why", "") for each in found["ports"].values()):
        raise CouldNotAsk("this host's own OpenSSL cannot offer TLS 1.1, so nobody refused it")
    finding.observe(f"open {found['listening']}; to a plain client: {spoke or 'nothing'}; TLS 1.1: {old or 'refused'}")
    assert set(found["listening"]) <= ports, f"also listens on {sorted(set(found['listening']) - ports)}"
    assert not spoke, f"answers without TLS: {spoke}"
    assert not old, f"takes TLS 1.1 on {old}"


def assert_certificate(finding: Finder, found: dict[str, Any], name: str) -> None:
    """Assert that every port shows a certificate of the private CA for the name, which is not about to end."""
    finding.expect(f"TLS 1.2 or newer, chain of the private CA, for {name}, more than {LEAST_DAYS} days left")
    seen = {port: each["verified"] for port, each in found["ports"].items() if int(port) in found["listening"]}
    finding.observe("; ".join(f"{port}: {each.get('version') or each.get('why')}" for port, each in seen.items()))
    if not seen:
        raise CouldNotAsk("none of its ports is open")
    wrong = {port: each["why"] for port, each in seen.items() if not each["ok"]}
    assert not wrong, f"not verified: {wrong}"
    for port, each in seen.items():
        left = parsedate_to_datetime(each["until"]) - datetime.now(UTC)
        assert left.days >= LEAST_DAYS, f"{port}: ends in {left.days} days"

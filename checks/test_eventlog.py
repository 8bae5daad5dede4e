"""The event log: its door as its own host finds it; what it lets each service do, asked from where that service is."""

from __future__ import annotations

import json

import pytest

from checks import in_containers
from checks.in_containers import INSIDE, REFUSALS
from checks.on_host import program
from hedgerow.checking import CouldNotAsk, NotExercised
from hedgerow.sheet import Sheet

STORE = "kafka"
PORT = 9092
# Where the events of all people come in, and where they go on to ClickHouse; and who of the services is to see which.
TOPICS = ("events_plugin_ingestion", "clickhouse_events_json")
MAY = {
    "hedgerow-capture": {"events_plugin_ingestion"},
    "hedgerow-ingestion-general": {"events_plugin_ingestion", "clickhouse_events_json"},
    "hedgerow-clickhouse": {"clickhouse_events_json"},
    "hedgerow-property-defs-rs": {"clickhouse_events_json"},
    "hedgerow-web": set(),
    "hedgerow-worker": set(),
}
NOT_AUTHORISED = 29


def clients(sheet: Sheet) -> str:
    """Return the question what the event log lets each of this host's services do."""
    places = {f"hedgerow-{service}": port for service, store, _, port in sheet.declared.hops if store == STORE}
    return program("writers", json.dumps(places), json.dumps(TOPICS))


ASK_AHEAD = (in_containers.question, clients)


@pytest.mark.control("eventlog.tls-only")
def test_nothing_is_said_in_the_clear(finding, host, sheet):
    in_containers.assert_tls_only(finding, in_containers.answer(finding, host, sheet, STORE), {PORT})


@pytest.mark.control("eventlog.certificate")
def test_the_certificate_proves_the_name(finding, host, sheet):
    in_containers.assert_certificate(finding, in_containers.answer(finding, host, sheet, STORE), f"{STORE}.{INSIDE}")


@pytest.mark.control("eventlog.clients-proven")
def test_nobody_without_a_certificate_is_heard(finding, host, sheet):
    """In TLS 1.3 the client's part of a handshake ends first, so a question is asked: it must get no answer."""
    finding.expect("no answer to a client that shows no certificate")
    found = in_containers.answer(finding, host, sheet, STORE)["ports"][str(PORT)]
    if not found["verified"]["ok"]:
        raise CouldNotAsk(f"no handshake: {found['verified']['why']}")
    why = found["nameless"].get("why", "")
    finding.observe(f"to a client without a certificate: {why or 'an answer'}")
    assert not found["nameless"]["ok"], "it answers a client that proved nothing"
    if not any(word in why for word in REFUSALS):
        raise CouldNotAsk(f"the question ended otherwise: {why}")


@pytest.mark.control("eventlog.least-privilege")
def test_a_service_sees_its_topics_and_no_others(finding, host, sheet):
    finding.expect(f"of {', '.join(TOPICS)}: capture the first, ClickHouse the second, ingestion both, others neither")
    if not any(store == STORE for _, store, _, _ in sheet.declared.hops):
        raise NotExercised("no service of this host uses the event log")
    found = json.loads(finding.ask(host, clients(sheet)).stdout)
    finding.observe("; ".join(f"{name}: {each['topics'] or each['why']}" for name, each in found.items()))
    deaf = [f"{name}: {each['why']}" for name, each in found.items() if set(each["topics"]) != set(TOPICS)]
    if deaf or not found:
        raise CouldNotAsk(f"the event log did not answer: {'; '.join(deaf) or 'no client runs'}")
    open_to = [
        f"{name}: {topic}"
        for name, each in found.items()
        for topic, error in each["topics"].items()
        if error != NOT_AUTHORISED and topic not in MAY.get(name, set())
    ]
    shut = [
        f"{name}: {topic}"
        for name, each in found.items()
        for topic, error in each["topics"].items()
        if error == NOT_AUTHORISED and topic in MAY.get(name, set())
    ]
    assert not open_to, f"open to a service that has no business there: {', '.join(open_to)}"
    assert not shut, f"closed to a service that needs it: {', '.join(shut)}"

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
ADDRESS = "10.90.2.10"  # its container's, for its own host; services come to the host's own
# Where the events of all people come in, and where they go on to ClickHouse; and who of the services is to see which.
TOPICS = ("events_plugin_ingestion", "clickhouse_events_json")
MAY = {
    "hedgerow-capture": {"events_plugin_ingestion"},
    "hedgerow-ingestion-general": {"events_plugin_ingestion", "clickhouse_events_json"},
    "hedgerow-clickhouse": {"clickhouse_events_json"},
    "hedgerow-property-defs-rs": {"clickhouse_events_json"},
    "hedgerow-livestream": {"events_plugin_ingestion"},
    "hedgerow-plugins": {"events_plugin_ingestion", "clickhouse_events_json"},
    "hedgerow-ingestion-error-tracking": {"clickhouse_events_json"},
    "hedgerow-web": set(),
    "hedgerow-worker": set(),
}
NOT_AUTHORISED = 29


def clients(sheet: Sheet) -> str:
    """Return the question what the event log lets each of this host's services do, and what it holds if it is here."""
    declared = sheet.declared
    places = {f"hedgerow-{service}": port for service, store, _, port in declared.hops if store == STORE}
    here = [ADDRESS, PORT, f"{STORE}.{INSIDE}"] if STORE in declared.services else None
    return program("writers", json.dumps(places), json.dumps(TOPICS), json.dumps(here))


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
    # Whether its alert comes before the connection is reset is a matter of time: each is the same refusal.
    refused = any(word in why for word in REFUSALS)
    finding.observe(f"to a client without a certificate: {'refused' if refused else why or 'an answer'}")
    assert not found["nameless"]["ok"], "it answers a client that proved nothing"
    if not refused:
        raise CouldNotAsk(f"the question ended otherwise: {why}")


@pytest.mark.control("eventlog.least-privilege")
def test_a_service_sees_its_topics_and_no_others(finding, host, sheet):
    """Tried by each client from where it is; and the log itself, where it runs, is asked for its whole access list."""
    finding.expect(
        f"of {', '.join(TOPICS)}: the first for capture and live events, the second for ClickHouse and definitions,"
        " both for ingestion, neither for others; and in the access list what was declared and nothing else"
    )
    if not any(store == STORE for _, store, _, _ in sheet.declared.hops):
        raise NotExercised("no service of this host uses the event log")
    answer = json.loads(finding.ask(host, clients(sheet)).stdout)
    found, held = answer["clients"], answer["log"]
    told = [f"{name}: {each['topics'] or each['why']}" for name, each in found.items()]
    told += [held["why"] or f"{len(held['rights'])} entries in the access list"] if held else []
    finding.observe("; ".join(told))
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
    if held is not None:
        assert_rights(held, sheet.declared.eventlog_rights)


def assert_rights(held, declared):
    """The access list says what was declared, no more and no less."""
    if held["why"]:
        raise CouldNotAsk(f"the event log did not answer its superuser: {held['why']}")
    more = sorted(set(held["rights"]) - set(declared))
    less = sorted(set(declared) - set(held["rights"]))
    assert not more, f"granted, and nobody declared it: {'; '.join(more)}"
    assert not less, f"declared, and not granted: {'; '.join(less)}"


@pytest.mark.control("eventlog.bounded")
def test_each_topic_is_there_and_ends(finding, host, sheet):
    """A topic that nobody declared is told of, for whoever looks; it has the log's own bounds."""
    declared = {name: {"retention.ms": str(ms), "retention.bytes": str(size)} for name, ms, size in topics(sheet)}
    finding.expect(f"{len(declared)} topics, each with its own bounds in time and size")
    held = json.loads(finding.ask(host, clients(sheet)).stdout)["log"]
    if held["why"]:
        raise CouldNotAsk(f"the event log did not answer its superuser: {held['why']}")
    strangers = sorted(held["topics"].keys() - declared.keys())
    told = f"; nobody declared {', '.join(strangers)}" if strangers else ""
    finding.observe(f"{len(held['topics'])} topics{told}")
    wrong = [
        f"{name}: {held['topics'].get(name, 'missing')}"
        for name in declared
        if held["topics"].get(name) != declared[name]
    ]
    assert not wrong, f"not bounded as declared: {'; '.join(wrong)}"


def topics(sheet):
    """Return what was declared of the event log's topics. Raises NotExercised where it does not run."""
    if STORE not in sheet.declared.services:
        raise NotExercised("the event log does not run on this host")
    return sheet.declared.eventlog_topics

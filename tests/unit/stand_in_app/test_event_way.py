"""An event's way in the application: into the event log, out of it, and which settings are refused."""

from __future__ import annotations

import json

import pytest
from stand_in.event_log import client, envelope, opened, outgoing, row
from stand_in.ingest import Event
from stand_in.settings import Settings, SettingsError, read_settings

EVENT = Event("phc_a", "u1", "visit", "who", {"page": "/é"}, "2026-11-25T11:00:00.000123+01:00")
LOG = {
    "KAFKA_HOSTS": "kafka:9093",
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USER": "in",
    "KAFKA_SASL_PASSWORD": "secret-word",
}
CAPTURE = {"REDIS_URL": "redis://user:secret-word@127.0.0.1:6379", **LOG}
STORE = {"CLICKHOUSE_HOST": "clickhouse", "CLICKHOUSE_USER": "web", "CLICKHOUSE_PASSWORD": "secret-word"}
WEB = {
    "SITE_URL": "https://a.example",
    "SECRET_KEY": "k" * 50,
    "DATABASE_URL": "postgres://a?sslmode=verify-full",
    "REDIS_URL": "rediss://user:secret-word@valkey:6379",
}


def test_an_event_is_the_same_out_of_its_envelope() -> None:
    assert opened(json.dumps(envelope(EVENT)).encode()) == EVENT


@pytest.mark.parametrize("value", [None, b"", b"[]", b"{}", b'{"data": "{}"}', b'{"data": 1}', b"\xff"])
def test_what_is_no_event_is_told_so(value: bytes | None) -> None:
    assert opened(value) is None


def test_a_row_has_upstreams_columns_and_its_time_in_utc() -> None:
    made = row(EVENT, 7)
    assert made.pop("created_at")
    assert made == {
        "uuid": "u1",
        "event": "visit",
        "properties": json.dumps({"page": "/é"}),
        "timestamp": "2026-11-25 10:00:00.000123",
        "team_id": 7,
        "distinct_id": "who",
        "elements_chain": "",
    }


def test_only_events_of_projects_go_on() -> None:
    values = [json.dumps(envelope(EVENT)).encode(), b"nothing", None]
    assert [key for key, _ in outgoing(values, {"phc_a": 7})] == ["u1"]
    assert outgoing(values, {"phc_b": 7}) == []


def test_the_client_verifies_the_broker_and_its_name() -> None:
    told = client(Settings(kafka_hosts="kafka:9093", kafka_mechanism="SCRAM-SHA-512", ca_file="/ca"))
    assert told["security.protocol"] == "SASL_SSL"
    assert told["enable.ssl.certificate.verification"] is True
    assert (told["ssl.endpoint.identification.algorithm"], told["ssl.ca.location"]) == ("https", "/ca")


@pytest.mark.parametrize(
    ("service", "environment", "change", "words"),
    [
        ("capture", CAPTURE, {"KAFKA_SECURITY_PROTOCOL": "SSL"}, "KAFKA_SECURITY_PROTOCOL is not SASL_SSL"),
        ("capture", CAPTURE, {"KAFKA_SASL_MECHANISM": "PLAIN"}, "KAFKA_SASL_MECHANISM is none of"),
        ("capture", CAPTURE, {"KAFKA_SASL_PASSWORD": ""}, "KAFKA_SASL_PASSWORD is not set"),
        ("ingestion", {**LOG, "DATABASE_URL": WEB["DATABASE_URL"]}, {"KAFKA_HOSTS": ""}, "KAFKA_HOSTS is not set"),
        ("web", {**WEB, **STORE}, {"CLICKHOUSE_SECURE": "false"}, "CLICKHOUSE_SECURE is not true"),
        ("web", {**WEB, **STORE}, {"CLICKHOUSE_VERIFY": "0"}, "CLICKHOUSE_VERIFY is not true"),
        ("web", {**WEB, **STORE}, {"CLICKHOUSE_USER": ""}, "CLICKHOUSE_USER is not set"),
        ("web", {**WEB, **STORE}, {"CLICKHOUSE_DATABASE": "a; DROP"}, "CLICKHOUSE_DATABASE is not a name"),
    ],
)
def test_a_weaker_way_is_refused_without_a_secret(
    service: str, environment: dict[str, str], change: dict[str, str], words: str
) -> None:
    read_settings(service, environment)
    with pytest.raises(SettingsError, match=words) as refused:
        read_settings(service, {**environment, **change})
    assert "secret-word" not in str(refused.value)


def test_without_an_event_log_everything_is_as_before() -> None:
    assert read_settings("capture", {"REDIS_URL": CAPTURE["REDIS_URL"]}).kafka_hosts == ""
    assert read_settings("web", WEB).clickhouse_host == ""

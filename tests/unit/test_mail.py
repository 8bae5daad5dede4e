"""Mail: refused without TLS, told to those that send it alone, and one way out for just these."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from checks import inside
from checks import test_posthog_settings as checks
from hedgerow import mail
from hedgerow.declaration import Around, parse
from hedgerow.declaration import Mail as Declared
from hedgerow.errors import DeclarationError
from hedgerow.sheet import Relay, from_json, to_json
from tests.unit.test_posthog_settings_checks import DECLARED, HARDENED, SHEET
from tests.unit.told import outcome

LAB = "name: acme\ndomain: analytics.acme.example\ntarget: {kind: lab}\n"
MAIL = "mail: {host: smtp.acme.example, address: 192.0.2.25, user: posthog, password_file: pw, from: a@b.example%s}\n"
ROW = {"ip": "10.90.0.10", "environment": {"EMAIL_ENABLED": "false"}, "secrets": {}, "hosts": {}}
ROWS = [{"name": "web", **ROW}, {"name": "capture", **ROW, "ip": "10.90.0.12"}]


def declared(more: str = "", password: bytes = b"secret word\n") -> Declared:
    def read_file(path: Path) -> bytes:
        if path.name != "pw":
            raise FileNotFoundError(path)
        return password

    found = parse(LAB + MAIL % more, around=Around(read_file=read_file)).mail
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("more", "key", "says"),
    [
        (", port: 25", "mail.port", "TLS is optional"),
        (", port: 465", "mail.encryption", "from the first byte"),
        (", encryption: implicit", "mail.encryption", "begins in the clear"),
        (", encryption: none", "mail.encryption", "not one of starttls, implicit"),
        (", password: x", "mail.password", "not a key"),
    ],
)
def test_mail_in_the_clear_is_refused(more: str, key: str, says: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        declared(more)
    (problem,) = refused.value.problems
    assert (problem.key, says in problem.message) == (key, True), problem


@pytest.mark.parametrize("password", [b"", b"\n", b"one\ntwo\n", b" spaced ", "pässword".encode()])
def test_the_file_holds_one_password(password: bytes) -> None:
    with pytest.raises(DeclarationError, match=r"mail\.password_file"):
        declared(password=password)


@pytest.mark.parametrize("host", ["192.0.2.25", "relay", "smtp_1.acme.example"])
def test_the_relay_has_a_name_that_a_certificate_carries(host: str) -> None:
    with pytest.raises(DeclarationError, match=r"mail\.host"):
        parse((LAB + MAIL % "").replace("smtp.acme.example", host))


def test_those_that_send_are_told_and_nobody_else() -> None:
    web, capture = mail.told(ROWS, declared())
    assert capture == ROWS[1]
    assert web["environment"] == {
        "EMAIL_ENABLED": "true", "EMAIL_HOST": "smtp.acme.example", "EMAIL_PORT": "587", "EMAIL_HOST_USER": "posthog",
        "EMAIL_USE_TLS": "true", "EMAIL_USE_SSL": "false", "EMAIL_DEFAULT_FROM": "a@b.example",
    }  # fmt: skip
    assert web["hosts"] == {"smtp.acme.example": "192.0.2.25"}
    (name,) = web["secrets"].values()
    assert mail.secrets(ROWS, declared()) == {name: "{{ vault.brought.mail_password }}"}


def test_the_way_is_open_to_the_relay_for_those_that_send() -> None:
    (rule,) = mail.forward(ROWS, declared(", port: 465, encryption: implicit"))
    assert (rule["from"], rule["to"], rule["ports"]) == (["10.90.0.10/32"], ["192.0.2.25/32"], [465])


def test_without_a_relay_nothing_is_told_or_opened() -> None:
    assert (mail.told(ROWS, None), mail.secrets(ROWS, None), mail.forward(ROWS, None)) == (ROWS, {}, [])


RELAY = Relay("smtp.acme.example", "192.0.2.25", 587, "starttls")
OFF = {"EMAIL_ENABLED": "false"}
ON = {"EMAIL_ENABLED": "true", "EMAIL_HOST": RELAY.host, "EMAIL_PORT": "587", "EMAIL_USE_TLS": "true"}
ON |= {"EMAIL_USE_SSL": "false"}
SILENT = {"hedgerow-web: tcp 192.0.2.1:587": "silent"}
OUT = "hedgerow-web: tcp 192.0.2.25:587"


@pytest.mark.parametrize(
    ("relay", "environment", "own", "seen", "between", "status", "reason"),
    [
        (None, OFF, None, SILENT, {}, "pass", ""),
        (None, {}, None, SILENT, {}, "fail", "is told nothing"),
        (None, OFF, ["constance:posthog:EMAIL_HOST"], SILENT, {}, "fail", "of the instance's own"),
        (None, OFF, ["constance:posthog:RATE_LIMIT_ENABLED"], SILENT, {}, "pass", ""),
        (None, OFF, None, {OUT: "sent"}, {}, "fail", "that nobody declared"),
        (None, OFF, None, {}, {}, "error", "no way to a mail port"),
        (RELAY, ON, None, {OUT: "open", **SILENT}, {}, "pass", ""),
        (RELAY, OFF, None, {OUT: "open"}, {}, "fail", "is told"),
        (RELAY, {**ON, "EMAIL_USE_TLS": "false"}, None, {OUT: "open"}, {}, "fail", "is told"),
        (RELAY, ON, None, {OUT: "open"}, {"hedgerow-capture: tcp 192.0.2.25:587": "open"}, "fail", "capture"),
    ],
)
def test_the_check_passes_and_fails(relay, environment, own, seen, between, status, reason) -> None:
    facts = replace(DECLARED, mail=relay, services=("web", "worker"))
    sheet = replace(SHEET, declared=facts)
    started = {
        "hedgerow-web": {"settings": {"ALLOWED_HOSTS": "https://x", **environment}},
        "hedgerow-log": {"settings": {}},
    }
    answers = {
        checks.ENVIRONMENT: json.dumps(started),
        inside.trial(sheet): json.dumps({"seen": seen, "between": between, "said": {}}),
    }

    def ask(host, finding):
        checks.test_mail_goes_by_the_declared_relay_or_not_at_all(
            finding, host, sheet, facts, {**HARDENED, "instance": own}
        )

    found, why = outcome(ask, answers)
    assert (found, reason in why) == (status, True), why


def test_the_relay_is_on_the_sheet() -> None:
    sheet = replace(SHEET, declared=replace(SHEET.declared, mail=RELAY))
    assert from_json(to_json(sheet)).declared.mail == RELAY

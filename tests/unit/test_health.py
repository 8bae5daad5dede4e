"""A host that looks at itself: what its numbers mean, what is told and when, and what of it may leave."""

from __future__ import annotations

import importlib.util
import json
import smtplib
import socket
import socketserver
import ssl
import sys
import threading
import urllib.error
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from hedgerow import health, pki
from hedgerow.declaration import Around, parse
from hedgerow.deployment import REPOSITORY
from hedgerow.errors import DeclarationError
from hedgerow.hosts import Host
from hedgerow.images import table_of
from hedgerow.measured import Measured, Sample, Watch, judge, read, trend, unwatched, waiting
from hedgerow.unwell import Observed, Unit

FILES = REPOSITORY / "roles" / "health" / "files"
GIB, DAY, HOUR, NOW = 1 << 30, 86_400, 3_600, 1_800_000_000.0
RESERVE = 2 * GIB
LAB = "name: acme\ndomain: analytics.acme.example\ntarget: {kind: lab}\n"
MAIL = "mail: {host: smtp.acme.example, address: 192.0.2.25, user: posthog, password_file: pw, from: a@b.example}\n"
WEB = "hedgerow-web.service"


@pytest.fixture(scope="module")
def programs() -> Iterator[dict[str, ModuleType]]:
    """The programs of the host, loaded as it loads them."""
    before = list(sys.path)
    found = {}
    for name in ("looking", "watching", "telling"):
        spec = importlib.util.spec_from_file_location(f"health_{name}", FILES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        found[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found[name])
    yield found
    sys.path[:] = before


def host(restarts: int = 0, free: int = 40 * GIB, samples: tuple[Sample, ...] = (), **more: Any) -> Measured:
    seen = Observed({"/var": free}, False, (Unit(WEB, "active", "running", "success", restarts),))
    return Measured(NOW, seen, watch=Watch(NOW, samples), **more)


def ago(seconds: float, free: int = 40 * GIB, restarts: int = 0) -> Sample:
    return Sample(NOW - seconds, {"/var": free}, {WEB: restarts})


LATE = {"service": "clickhouse", "topic": "a", "waiting": 9, "late": 7}
GOOD = {"id": "20260101T020000Z", "problems": [], "read": {"id": "20260101T020000Z", "problems": []}}


@pytest.mark.parametrize(
    ("seen", "what", "says"),
    [
        (host(), "", ""),
        (host(memory=(6, 100)), "", ""),
        (host(memory=(4, 100)), "memory", "4 % of it is available"),
        (host(certificates={"/a.crt": 21.5 * DAY}), "", ""),
        (host(certificates={"/a.crt": 20.5 * DAY, "/b.crt": 60 * DAY}), "certificates", "/a.crt ends in 20 days"),
        (host(certificates={"/a.crt": -5, "/b.crt": DAY}), "certificates", "/a.crt has ended, and 1 more within 21"),
        (host(backup=GOOD, backup_age=29 * HOUR), "", ""),
        (host(backup=GOOD, backup_age=31 * HOUR), "backup", "31 hours old"),
        (host(backup={"id": "", "problems": ["none"]}), "backup", "there is none"),
        (host(backup={"refused": "no answer"}), "backup", "there is none"),
        (host(backup={**GOOD, "read": None}, backup_age=HOUR), "backup", "never read back"),
        (host(backup={**GOOD, "problems": ["x has 1 byte"]}, backup_age=HOUR), "backup", "not as it was made"),
        (host(opened={"emergency": NOW - HOUR}), "account emergency", "last at 2027-01-15T07:00:00Z"),
        (host(lag={"readers": [LATE | {"late": 0}]}), "", ""),
        (host(lag={"readers": [LATE, LATE | {"topic": "b", "late": 2}]}), "ingestion", "9 events wait for clickhouse"),
        (host(lag={"refused": "ConnectionRefusedError"}), "event log", "are stored (ConnectionRefusedError)"),
        (host(lag={}), "event log", "no answer"),
        (host(clock=0.4), "", ""),
        (host(clock=-2.5), "clock", "off by 2.5 seconds"),
        (host(3, samples=(ago(HOUR),)), WEB, "started again 3 times"),
        (host(2, samples=(ago(HOUR),)), "", ""),
        (host(9, samples=(ago(HOUR, restarts=8),)), "", ""),
        (host(9, samples=(ago(3 * HOUR),)), "", ""),  # that was this morning
        (host(3, samples=(ago(HOUR, restarts=7),)), WEB, "3 times"),  # started by hand meanwhile: counted anew
        (host(free=20 * GIB, samples=(ago(2 * DAY, 30 * GIB),)), "disk", "it is full in 3 days"),
        (host(free=20 * GIB, samples=(ago(DAY / 2, 30 * GIB),)), "", ""),  # a night is no trend
        (host(free=1 * GIB, samples=(ago(2 * DAY, 30 * GIB),)), "disk", "less than the reserve"),
    ],
)  # fmt: skip
def test_what_numbers_mean(seen: Measured, what: str, says: str) -> None:
    found = judge(seen, reserve=RESERVE, a_day=0)
    assert [one.what for one in found] == ([what] if what else [])
    assert all(says in one.reason and one.fix for one in found), found


def test_how_many_events_wait_is_counted_and_a_log_that_is_down_is_said_once() -> None:
    assert waiting(host(lag={"readers": [LATE, LATE]})) == 18
    assert (waiting(host()), waiting(host(lag={"refused": "no answer"}))) == (None, None)
    down = Observed({}, False, (Unit("hedgerow-kafka.service", "failed", "failed", "exit-code"),))
    found = judge(Measured(NOW, down, lag={"refused": "ConnectionRefusedError"}), reserve=0, a_day=0)
    assert [one.what for one in found] == ["hedgerow-kafka.service"]


def test_the_event_log_is_asked_where_it_runs() -> None:
    asked = question(LAB)["event_log"]
    assert (asked["address"], asked["port"], asked["seconds"]) == ("10.90.2.10", 9092, 600)
    assert [row["service"] for row in asked["readers"]] == ["clickhouse", "ingestion-general"]
    assert all(row["group"] and row["topics"] for row in asked["readers"])
    declaration = parse(LAB)
    edge = Host("hedge-1", "192.0.2.1", "192.0.2.1", "debian", 22, ("edge",))
    assert health.question(declaration, edge, table_of(declaration))["event_log"] is None
    bare = parse(LAB + "posthog: {deploy: false}\n")
    data = Host("hedge-1", "192.0.2.1", "192.0.2.1", "debian", 22, ("data",))
    assert health.question(bare, data, table_of(bare))["event_log"] is None


def test_a_disk_that_empties_is_never_full() -> None:
    assert trend((ago(2 * DAY, 10 * GIB),), NOW, {"/var": 20 * GIB}, RESERVE) is None
    assert trend((), NOW, {"/var": 20 * GIB}, RESERVE) is None


@pytest.mark.parametrize(
    ("watch", "says"),
    [
        (Watch(NOW - 29 * 60), ""),
        (Watch(NOW - 31 * 60), "looked at itself 31 minutes ago"),
        (Watch(), "never looked at itself"),
        (Watch(NOW, channels={"mail": {"error": "", "waiting": 0}}), ""),
        (Watch(NOW, channels={"mail": {"error": "it answered 550", "waiting": 2}}), "it answered 550; 2 alerts wait"),
    ],
)
def test_nobody_looking_is_seen(watch: Watch, says: str) -> None:
    found = list(unwatched(Measured(NOW, Observed({}, False, ()), watch=watch)))
    assert [says in one.reason for one in found] == ([True] if says else [])


def test_begins_after_two_looks_is_repeated_daily_and_ends(programs: dict[str, ModuleType]) -> None:
    advance, open_, told = programs["watching"].advance, {}, []
    looks = [
        (0, {"disk": "5 MiB"}),
        (300, {"disk": "4 MiB"}),
        (600, {"disk": "3 MiB"}),
        (300 + DAY, {"disk": "2 MiB"}),
        (600 + DAY, {}),
        (900 + DAY, {}),
    ]
    for at, found in looks:
        open_, said = advance(open_, found, at + NOW)
        told.append([(one["kind"], one["text"], one["since"] - NOW) for one in said])
    assert told == [
        [], [("begins", "4 MiB", 0)], [], [("reminder", "2 MiB", 0)], [("ends", "it is well again", 0)], [],
    ]  # fmt: skip
    assert open_ == {}


def test_what_lasts_one_look_is_not_told(programs: dict[str, ModuleType]) -> None:
    advance = programs["watching"].advance
    open_, said = advance({}, {"web": "it does not run"}, NOW)
    assert (advance(open_, {}, NOW + 300), said) == (({}, []), [])


def test_a_channel_is_tried_when_it_is_new_or_changed_and_goes_with_what_waits(programs: dict[str, ModuleType]) -> None:
    queued = programs["watching"].queued
    first = queued({}, {"mail": "a"}, [], NOW)
    assert [one["kind"] for one in first["mail"]["outbox"]] == ["test"]
    assert queued(first, {"mail": "a"}, [], NOW)["mail"]["waiting"] == 1
    changed = queued(first, {"mail": "b"}, [{"kind": "begins"}], NOW)
    assert [one["kind"] for one in changed["mail"]["outbox"]] == ["test", "begins"]
    assert queued(first, {"webhook": "c"}, [], NOW).keys() == {"webhook"}
    many = queued(first, {"mail": "a"}, [{"kind": "begins"}] * 500, NOW)
    assert many["mail"]["waiting"] == programs["watching"].MOST_WAITING


def test_samples_of_a_week_stay_few_and_reach_back(programs: dict[str, ModuleType]) -> None:
    samples: list[dict[str, Any]] = []
    seen = {"free": {"/var": 1}, "units": [[WEB, "active", "running", "success", 4, "", ""]]}
    for turn in range(10 * DAY // 300):
        samples = programs["watching"].sampled(samples, seen, NOW + turn * 300)
    last = NOW + 10 * DAY - 300
    assert 20 < len(samples) < 60
    assert 6 * DAY < last - samples[0]["at"] <= 7 * DAY
    assert samples[-1]["restarts"] == {WEB: 4}
    assert sum(last - row["at"] <= 3 * HOUR for row in samples) >= 11


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (urllib.error.HTTPError("https://x/s3cret", 404, "Not Found", None, None), "it answered 404"),  # type: ignore[arg-type]
        (urllib.error.URLError(socket.gaierror(-2, "s3cret.example")), "its name is not known"),
        (urllib.error.URLError(ConnectionRefusedError(111, "to s3cret")), "cannot be reached (Connection refused)"),
        (TimeoutError("s3cret"), "does not answer in time"),
        (smtplib.SMTPAuthenticationError(535, b"s3cret"), "does not accept the account"),
        (smtplib.SMTPNotSupportedError("s3cret"), "offers no TLS"),
        (smtplib.SMTPDataError(552, b"s3cret"), "it answered 552"),
        (smtplib.SMTPRecipientsRefused({"s3cret@acme.example": (550, b"no")}), "refuses the recipients"),
        (ValueError("s3cret"), "it failed (ValueError)"),
    ],
)
def test_a_failed_delivery_says_why_and_no_address(
    programs: dict[str, ModuleType], error: Exception, says: str
) -> None:
    reason = programs["telling"].reason(error)
    assert says in reason
    assert "s3cret" not in reason


def test_a_certificate_that_is_not_trusted_is_named_as_that(programs: dict[str, ModuleType]) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    assert programs["telling"].reason(urllib.error.URLError(error)) == (
        "its certificate is not trusted (self-signed certificate)"
    )


def test_what_was_taken_goes_and_what_came_meanwhile_stays(programs: dict[str, ModuleType]) -> None:
    settled, old, new = programs["telling"].settled, {"kind": "begins"}, {"kind": "ends"}
    row = {"mark": "a", "outbox": [old, new], "waiting": 2, "error": "x", "at": 0}
    assert settled(row, [old], "", NOW) == {"mark": "a", "outbox": [new], "waiting": 1, "error": "", "at": NOW}
    assert settled(row, [old], "it answered 500", NOW)["waiting"] == 2


def test_words_of_a_log_stay_on_the_host() -> None:
    unit = Unit(WEB, "failed", "failed", "exit-code", said="no such user jane.doe@acme.example")
    (found,) = judge(Measured(NOW, Observed({}, False, (unit,))), reserve=RESERVE, a_day=0)
    assert "jane.doe" in found.reason
    assert found.plain == "it has failed (exit-code)"


def test_a_mail_has_the_worst_first_and_a_line_for_each(programs: dict[str, ModuleType]) -> None:
    row = {"from": "ph@acme.example", "to": ["a@acme.example", "b@acme.example"]}
    messages = [
        {"kind": "ends", "what": "clock", "text": "it is well again", "since": NOW},
        {"kind": "begins", "what": "disk", "text": "5 MiB free", "since": NOW},
    ]
    made = programs["telling"].mail({"deployment": "acme", "host": "hedge-1"}, row, messages)
    assert made["Subject"] == "[acme] hedge-1: NOT WELL"
    assert made["To"] == "a@acme.example, b@acme.example"
    lines = made.get_content().splitlines()
    assert lines[1] == "acme, hedge-1: disk: NOT WELL: 5 MiB free (since 2027-01-15 08:00 UTC)"


def test_what_the_program_says_is_what_is_judged(programs: dict[str, ModuleType]) -> None:
    """The question of a deployment, asked of this very machine: an answer, whatever is there."""
    asked = question(LAB + "backup: {to: /mnt/backup}\n")
    assert asked["jobs"] == ["hedgerow-backup.service"]
    said = json.loads(json.dumps(programs["looking"].look({**asked, "units": [], "services": [], "postgres": False})))
    found = read(said)
    assert found.memory is not None
    assert found.memory[0] < found.memory[1]
    assert "backup" in {one.what for one in judge(found, reserve=0, a_day=0)}


def question(text: str) -> dict[str, Any]:
    declaration = parse(text)
    one = Host("hedge-1", "192.0.2.1", "192.0.2.1", "debian", 22, ("edge", "app", "data"))
    return health.question(declaration, one, table_of(declaration))


def declared(more: str, hook: bytes = b"https://alerts.acme.example/hook\n") -> Any:
    def read_file(path: Path) -> bytes:
        return {"pw": b"secret\n", "hook": hook}[path.name]

    return parse(LAB + more, around=Around(read_file=read_file))


def test_nothing_is_told_nor_opened_without_a_declaration() -> None:
    plain = declared(MAIL)
    assert (health.channels(plain), health.outbound(plain)) == ([], [])
    both = declared(MAIL + "alerts: {mail: [jane@acme.example], webhook_file: hook}\n")
    assert health.channels(both) == ["mail", "webhook"]
    (rule,) = health.outbound(both)
    assert (rule["ports"], rule["to"], rule["users"]) == ([587], ["192.0.2.25/32"], ["root"])
    told = health.values(both, Host("a", "b", "c", "d", 22, ("app",)), table_of(both))["health_channels"]
    assert (told["mail"]["password"], told["webhook"]) == (
        "{{ vault.brought.mail_password }}", {"url": "{{ vault.brought.alerts_webhook }}"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "hook", "key", "says"),
    [
        ("alerts: {mail: [jane@acme.example]}\n", b"", "alerts.mail", "no relay"),
        (MAIL + "alerts: {mail: [jane]}\n", b"", "alerts.mail[0]", "no e-mail address"),
        ("alerts: {webhook: https://x.example}\n", b"", "alerts.webhook", "not a key"),
        ("alerts: {webhook_file: hook}\n", b"http://alerts.acme.example/", "alerts.webhook_file", "one https URL"),
        ("alerts: {webhook_file: hook}\n", b"https://a.example:8443/", "alerts.webhook_file", "user and port"),
        ("alerts: {webhook_file: hook}\n", b"https://u:p@a.example/", "alerts.webhook_file", "user and port"),
        ("alerts: {webhook_file: hook}\n", b"", "alerts.webhook_file", "one https URL"),
    ],
)
def test_alerts_that_cannot_be_are_refused(more: str, hook: bytes, key: str, says: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        declared(more, hook)
    (problem,) = refused.value.problems
    assert (problem.key, says in problem.message) == (key, True), problem


class Relay(socketserver.StreamRequestHandler):
    """As much of a relay as a client needs: STARTTLS where its context is set, a password, and a mail."""

    context: ssl.SSLContext | None = None
    implicit = False
    said: ClassVar[list[str]] = []

    def handle(self) -> None:
        if not self.implicit:
            self._speak(encrypted=False)
        elif self._wrapped():
            self._say("220 relay")
            self._speak(encrypted=True)

    def _wrapped(self) -> bool:
        assert self.context is not None
        try:
            secure = self.context.wrap_socket(self.connection, server_side=True)
        except OSError:
            return False
        self.rfile, self.wfile = secure.makefile("rb"), secure.makefile("wb", buffering=0)
        return True

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())

    def _speak(self, *, encrypted: bool) -> None:
        if not encrypted:
            self._say("220 relay")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            self.said.append(f"{'tls' if encrypted else 'plain'} {verb}")
            if verb == "EHLO":
                offers = "AUTH PLAIN" if encrypted else "STARTTLS" if self.context else "SIZE 9999"
                self._say(f"250-relay\r\n250 {offers}")
            elif verb == "STARTTLS" and self.context:
                self._say("220 go on")
                if self._wrapped():
                    self._speak(encrypted=True)
                return
            elif verb == "DATA":
                self._say("354 go on")
                while (row := self.rfile.readline().decode().strip()) != ".":
                    self.said.append(row)
                self._say("250 taken")
            else:
                self._say("235 welcome" if verb == "AUTH" else "221 bye" if verb == "QUIT" else "250 well")


@pytest.mark.parametrize(
    ("encryption", "offers", "trusted", "name", "says"),
    [
        ("starttls", True, True, "relay.acme.example", ""),
        ("starttls", True, False, "relay.acme.example", "its certificate is not trusted"),
        ("starttls", True, True, "other.acme.example", "its certificate is not trusted"),
        ("starttls", False, True, "relay.acme.example", "it offers no TLS"),
        ("implicit", True, True, "relay.acme.example", ""),
        ("implicit", True, False, "relay.acme.example", "its certificate is not trusted"),
    ],
)
def test_a_mail_goes_over_verified_tls_or_not_at_all(
    programs: dict[str, ModuleType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    encryption: str,
    offers: bool,
    trusted: bool,
    name: str,
    says: str,
) -> None:
    now = datetime.now(UTC)
    authority, other = pki.new_authority("acme", now), pki.new_authority("other", now)
    pair = pki.issue(authority, ("relay.acme.example",), now)
    (tmp_path / "ca").write_text((authority if trusted else other).certificate)
    (tmp_path / "crt").write_text(pair.certificate)
    (tmp_path / "key").write_text(pair.key)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    monkeypatch.setattr(Relay, "context", context if offers else None)
    monkeypatch.setattr(Relay, "implicit", encryption == "implicit")
    monkeypatch.setattr(Relay, "said", [])
    row = {
        "host": name, "address": "127.0.0.1", "encryption": encryption, "user": "posthog", "password": "secret word",
        "from": "ph@acme.example", "to": ["jane@acme.example"],
    }  # fmt: skip
    messages = [{"kind": "begins", "what": "disk", "text": "5 MiB free", "since": NOW}]
    reason = ""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        try:
            host_ = {"deployment": "acme", "host": "hedge-1"}
            programs["telling"].by_mail(host_, {**row, "port": relay.server_address[1]}, messages)
        except Exception as failed:
            reason = programs["telling"].reason(failed)
        finally:
            relay.shutdown()
    assert reason.startswith(says)
    assert bool(reason) is bool(says)
    assert not {"plain AUTH", "plain MAIL", "plain DATA"} & set(Relay.said)
    assert ("acme, hedge-1: disk: NOT WELL: 5 MiB free (since 2027-01-15 08:00 UTC)" in Relay.said) is (not says)

"""From what a host showed to a reason and a fix, as tables of cases; and how `status` ends."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hedgerow import verbs
from hedgerow.console import Reporter
from hedgerow.converge import Failure
from hedgerow.looking import SeenHost, Status
from hedgerow.unwell import Observed, Trouble, Unit, meaning, troubles

GIB = 1 << 30
RESERVE = 2 * GIB
WELL = Unit("hedgerow-web.service", "active", "running", "success")
ROOMY = {"/var/lib/postgresql": 40 * GIB, "/var/log/journal": 40 * GIB}


@pytest.mark.parametrize(
    ("words", "reason", "fix"),
    [
        ("could not extend file: No space left on device", "the disk is full", "Enlarge the disk"),
        ('PANIC:  could not write to file "pg_wal/xlogtemp.7"', "the disk is full", "df -h"),
        ("ValueError: Fernet key must be 32 url-safe base64-encoded bytes.", "exactly 32 plain characters", "vault"),
        ("Error: ENCRYPTION_SALT_KEYS is set to a key of a wrong length", "exactly 32 plain characters", "vault"),
        ("FATAL:  password authentication failed for user", "does not accept its password", "Run install again"),
        ("redis.exceptions.AuthenticationError: WRONGPASS invalid", "does not accept its password", "install again"),
        ("FATAL:  the database system is starting up", "PostgreSQL is not ready yet", "Wait a minute"),
        ("ssl.SSLCertVerificationError: certificate verify failed", "not trusted or has ended", "renews"),
        ("connection to server at 10.0.0.1, port 5432 failed: Connection refused", "does not answer", "stores first"),
        ("Error: Broker: Topic authorization failed", "does not let it do", "states the rights"),
        ("OOM command not allowed when used memory > 'maxmemory'", "limit of memory", "worker"),
        ("FATAL ERROR: JavaScript heap out of memory", "more memory than it is given", "larger|more memory"),
        ("oom-kill\n", "more memory than it is given", "more memory"),
        ("FATAL:  sorry, too many clients already", "no connection left", "postgres_max_connections"),
        ('relation "posthog_team" does not exist', "not migrated yet", "hedgerow-web"),
        ("Error: initializing source: manifest unknown", "cannot be had", "images lock"),
        ("bind() to 0.0.0.0:443 failed (98: Address already in use)", "port is taken", "ss -tlnp"),
        # The cause, not what follows from it.
        ("No space left on device\nconnection refused", "the disk is full", "Enlarge"),
    ],
)
def test_known_last_words(words: str, reason: str, fix: str) -> None:
    known = meaning(words)
    assert known is not None
    assert reason in known[0]
    assert any(part in known[1] for part in fix.split("|"))


@pytest.mark.parametrize("words", ["", "listening on 0.0.0.0:8000", "segfault at 0", "room for improvement"])
def test_unknown_words_are_not_explained_away(words: str) -> None:
    assert meaning(words) is None


@pytest.mark.parametrize(
    ("unit", "reason", "fix"),
    [
        (WELL, "", ""),
        (Unit("a", "active", "running", "success", restarts=7), "", ""),  # it has been ill, and is well now
        (Unit("a", "failed", "failed", "exit-code", 5, "", "boom"), "it has failed (exit-code)", "journalctl -u a"),
        (Unit("a", "activating", "auto-restart", "exit-code", 9), "started again (9 times so far)", "journalctl"),
        (Unit("a", "activating", "start", "success", 4), "started again (4 times so far)", "journalctl"),
        (Unit("a", "activating", "start", "success"), "not become ready yet", "journalctl"),
        (Unit("a", "inactive", "dead", "success"), "it does not run", "systemctl start a"),
        (Unit("a", "inactive", "dead", "success", said="the database system is shutting down"), "not run", "start a"),
        # Not Podman's words about the container.
        (Unit("a", "failed", "failed", "exit-code", said=f"boom\n{'a' * 64}"), "It last said: boom", "journalctl"),
        (Unit("a", "active", "running", "success", 0, "unhealthy"), "does not answer well", "journalctl"),
        (Unit("a", "failed", "failed", "oom-kill"), "more memory than it is given", "more memory"),
        (Unit("a", "activating", "auto-restart", "exit-code", 9, "", "x\nFernet key must be 32"), "plain", "vault"),
    ],
)
def test_a_service_and_what_is_wrong_with_it(unit: Unit, reason: str, fix: str) -> None:
    found = troubles(Observed(ROOMY, False, (unit,)), reserve=RESERVE)
    if not reason:
        assert found == ()
        return
    assert [one.what for one in found] == ["a"]
    assert reason in found[0].reason
    assert fix in found[0].fix


def test_last_words_carry_no_secret() -> None:
    unit = Unit("a", "failed", "failed", "exit-code", said="cannot reach postgres://posthog_web:hunter2@db/posthog")
    (found,) = troubles(Observed(ROOMY, False, (unit,)), reserve=RESERVE)
    assert "hunter2" not in found.reason
    assert "cannot reach" in found.reason


@pytest.mark.parametrize(
    ("free", "refusing", "days", "reason"),
    [
        (40 * GIB, False, 4000, ""),
        (40 * GIB, False, None, ""),
        (40 * GIB, False, 13, "events are refused in 13 days"),
        (GIB, False, 0, "less than the reserve of 2048 MiB"),
        (GIB, True, 0, "1024 MiB free at /var/lib/valkey: the edge refuses events (503)"),
        # Between the two marks it goes on refusing.
        (2 * GIB + 1, True, 0, "the edge refuses events"),
    ],
)
def test_the_disk(free: int, refusing: bool, days: int | None, reason: str) -> None:
    found = troubles(Observed({**ROOMY, "/var/lib/valkey": free}, refusing, (WELL,)), reserve=RESERVE, days=days)
    assert [one.what for one in found] == (["disk"] if reason else [])
    assert all(reason in one.reason and "capacity" in one.fix for one in found)


def test_an_install_that_fails_says_why_as_well() -> None:
    text = str(Failure("analytics-1", "posthog : Run them", "x.yml:3", "not well: web\n  Fernet key must be 32 bytes"))
    assert "Why: the key in ENCRYPTION_SALT_KEYS has a wrong form" in text
    assert "Why" not in str(Failure("analytics-1", "posthog : Run them", "x.yml:3", "not well: web"))


def test_status_keeps_its_published_keys() -> None:
    host = SeenHost("a", "192.0.2.1", ("data",), True, "", 5, 3, False, (Trouble("disk", "full", "free some"),))
    said = host.as_json()
    assert {key: said[key] for key in ("name", "address", "roles", "reachable", "detail")} == {
        "name": "a",
        "address": "192.0.2.1",
        "roles": ["data"],
        "reachable": True,
        "detail": "",
    }
    assert said["unwell"] == [{"what": "disk", "reason": "full", "fix": "free some"}]
    assert (said["disk_free"], said["days_left"], said["refusing_events"]) == (5, 3, False)


ILL = (Trouble("hedgerow-web", "it has failed", "Look."),)


@pytest.mark.parametrize(
    ("hosts", "code"),
    [
        ((SeenHost("a", "", (), True, ""),), 0),
        ((SeenHost("a", "", (), True, ""), SeenHost("b", "", (), True, "", unwell=ILL)), 1),
        ((SeenHost("a", "", (), False, "silent"), SeenHost("b", "", (), True, "", unwell=ILL)), 3),
        ((), 3),
    ],
)
def test_status_ends_with_what_is_worst(
    hosts: tuple[SeenHost, ...], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs.flow, "open_work", lambda *_, **__: None)
    monkeypatch.setattr(verbs.looking, "status", lambda _: Status("acme", "onprem", False, hosts, None))
    assert verbs.status(SimpleNamespace(reference="acme", json=True), Reporter(quiet=True)) == code

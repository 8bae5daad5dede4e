"""Verify, each way a control can end. `ssh` and `sudo` are played by two lines of shell, the host by this machine."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest

from hedgerow import verify as verifying
from hedgerow.catalog import CHECKS, Catalog, Control
from hedgerow.evidence import Evidence, html, json_, junit
from hedgerow.findings import Finding
from hedgerow.hosts import Host
from hedgerow.installing import exit_code
from hedgerow.sheet import Declared, Peer, Sheet, from_json, to_json
from hedgerow.verify import settle, verify

SSH = '#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n'
SUDO = '#!/bin/sh\nshift\nif [ "$(id -u)" = 0 ]; then exec "$@"; fi\nexec unshare --map-root-user "$@"\n'

CHECK = """
import os, pytest
from hedgerow.checking import ANY, CouldNotAsk, NotExercised

@pytest.mark.control("way.pass")
def test_pass(host, finding, declared, here, mark):
    finding.expect("what was declared")
    assert finding.ask(host, "echo acme").stdout.strip() == declared.name
    assert here.name == "one" and mark.startswith("hedgerow-verify-")

@pytest.mark.control("way.testinfra")
def test_testinfra(host, finding):
    finding.expect("testinfra works over our channel")
    finding.asked("stat")
    assert host.file("/").is_directory and host.run("exit 4").rc == 4

@pytest.mark.control("way.fail")
def test_fail(host, finding):
    finding.expect("blue")
    colour = finding.ask(host, "echo red").stdout.strip()
    assert colour == "blue", f"it is {colour}"

@pytest.mark.control("way.fail-without-words")
def test_fail_without_words(host, finding):
    finding.expect("blue")
    assert finding.ask(host, "echo red").stdout.strip() == "blue"

@pytest.mark.control("way.not-exercised")
def test_not_exercised(finding):
    raise NotExercised("this place has no moon")

@pytest.mark.control("way.could-not-ask")
def test_could_not_ask(finding):
    raise CouldNotAsk("it said nothing")

@pytest.mark.control("way.tool-missing")
def test_tool_missing(host, finding):
    finding.expect("an answer")
    finding.ask(host, "no-such-tool", codes=ANY)

@pytest.mark.control("way.too-late")
def test_too_late(host, finding):
    finding.expect("an answer")
    finding.ask(host, "sleep 9", timeout=0.1)

@pytest.mark.control("way.raises")
def test_raises(host, finding):
    finding.expect("a number")
    int(finding.ask(host, "echo red").stdout)

@pytest.mark.control("way.skips")
def test_skips(finding):
    pytest.skip("not today")  # the case under test: a skipped check is an error, never a pass

@pytest.mark.control("way.expects-nothing")
def test_expects_nothing(host, finding):
    finding.ask(host, "true")

@pytest.mark.control("way.asks-nothing")
def test_asks_nothing(finding):
    finding.expect("the best")

@pytest.fixture
def broken():
    raise RuntimeError("a fixture broke")

@pytest.mark.control("way.fixture-breaks")
def test_fixture_breaks(broken):
    pass

@pytest.mark.control("way.twice")
def test_once(host, finding):
    finding.expect("one answer")
    finding.ask(host, "true")

@pytest.mark.control("way.twice")
def test_once_more(host, finding):
    finding.expect("one answer")
    finding.ask(host, "true")

@pytest.mark.control("way.nobody-declared-this")
def test_unknown():
    pass
"""

ENDS = {
    "way.pass": ("pass", ""),
    "way.testinfra": ("pass", ""),
    "way.fail": ("fail", "it is red"),
    "way.fail-without-words": ("fail", "observed red where blue was expected"),
    "way.not-exercised": ("not-exercised", "this place has no moon"),
    "way.could-not-ask": ("error", "it said nothing"),
    "way.tool-missing": ("error", "exit code 127"),
    "way.too-late": ("error", "no answer within 0.1 s"),
    "way.raises": ("error", "the check itself broke: ValueError"),
    "way.skips": ("error", "skipped itself"),
    "way.expects-nothing": ("error", "does not say what it expected"),
    "way.asks-nothing": ("error", "asked nothing"),
    "way.fixture-breaks": ("error", "a fixture broke"),
    "way.twice": ("error", "two checks answer way.twice"),
    "way.no-check": ("error", "no check answers this control"),
}


def catalog_of(*ids: str) -> Catalog:
    return Catalog(tuple(Control(each, "base", ("164.312(b)",), f"promise of {each}", "", ("app",)) for each in ids))


def sheet_of(name: str = "one") -> Sheet:
    host = Host(name, "192.0.2.1", "192.0.2.1", "debian", roles=("app",))
    declared = Declared(
        name="acme",
        domain="analytics.acme.example",
        stand_in=True,
        posthog=True,
        administrators=("jane",),
        installer_account="debian",
        ssh_port=22,
        ssh_from=("192.0.2.0/24",),
        interface_from=("192.0.2.0/24",),
        ingest_from=("any",),
        hosts=(Peer(name, "192.0.2.1", ("app",)),),
        app_subnets=("10.90.0.0/24",),
        services=("web",),
        ca_file="ca.crt",
        tls="private",
        own_kernel=False,
    )
    return Sheet(host, None, declared, "192.0.2.250")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A PATH on which ssh and sudo are ours, and a folder of checks."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("ssh", SSH), ("sudo", SUDO)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin")
    checks = tmp_path / "questions"
    checks.mkdir()
    shutil.copy(CHECKS / "conftest.py", checks)
    return checks


def test_every_way_a_check_can_end(place):
    (place / "test_way.py").write_text(CHECK)
    findings = verify([sheet_of()], catalog=catalog_of(*ENDS), checks=place)
    assert [finding.control for finding in findings] == list(ENDS), "one finding a control, in the catalog's order"
    seen = {finding.control: (finding.status, finding.reason) for finding in findings}
    wrong = {c: seen[c] for c, (status, words) in ENDS.items() if seen[c][0] != status or words not in seen[c][1]}
    assert not wrong
    by_id = {finding.control: finding for finding in findings}
    failed = by_id["way.fail"]
    assert (failed.asked, failed.observed, failed.expected) == ("echo red", "red", "blue")
    assert failed.hipaa == ("164.312(b)",)
    assert failed.host == "one"
    assert failed.at.endswith("+00:00")
    assert by_id["way.no-check"].expected == "promise of way.no-check"


def test_a_dead_channel_is_one_reason_for_every_control(place):
    (place.parent / "bin/ssh").write_text("#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n")
    (place / "test_way.py").write_text(CHECK)
    findings = verify([sheet_of()], catalog=catalog_of(*ENDS), checks=place)
    assert {finding.status for finding in findings} == {"error"}
    assert len({finding.reason for finding in findings}) == 1
    assert "Permission denied (publickey)" in findings[0].reason


BEFORE = """
import os, pytest
@pytest.mark.control("way.before")
def test_before(host, finding):
    finding.expect("an answer")
    finding.ask(host, "true")
"""
DIES = f"""{BEFORE}
@pytest.mark.control("way.dies")
def test_dies():
    os.kill(os.getpid(), 9)
@pytest.mark.control("way.after")
def test_after():
    pass
"""


def test_a_child_that_dies_leaves_errors_and_keeps_what_it_had_said(place):
    (place / "test_way.py").write_text(DIES)
    findings = verify([sheet_of()], catalog=catalog_of("way.before", "way.dies", "way.after"), checks=place)
    assert [finding.status for finding in findings] == ["pass", "error", "error"]
    assert "ended before this was answered" in findings[2].reason


HANGS = f"""{BEFORE}
import time
@pytest.mark.control("way.hangs")
def test_hangs():
    time.sleep(300)
"""


def test_a_run_that_hangs_ends_with_errors_and_a_slow_host_has_longer(place, monkeypatch):
    monkeypatch.setattr(verifying, "HOST_SECONDS", 2.0)
    (place / "test_way.py").write_text(HANGS)
    sheet = sheet_of()
    slow = replace(sheet, host=replace(sheet.host, patience=10.0))
    findings = verify([slow], catalog=catalog_of("way.before", "way.hangs"), checks=place)
    assert [finding.status for finding in findings] == ["pass", "error"]
    assert "longer than 20 s" in findings[1].reason


VANISHES = f"""{BEFORE}
@pytest.mark.control("way.gone")
def test_gone(host, finding):
    finding.expect("an answer")
    finding.ask(host, "kill -9 $PPID; sleep 5")
@pytest.mark.control("way.after")
def test_after(host, finding):
    finding.expect("an answer")
    finding.ask(host, "echo still there")
"""


def test_a_host_that_disappears_in_the_middle_leaves_errors_and_a_report(place):
    """Its end of the channel dies; what it had said stays, the rest is unknown, and every document can be made."""
    (place / "test_way.py").write_text(VANISHES)
    catalog = catalog_of("way.before", "way.gone", "way.after")
    findings = verify([sheet_of(), sheet_of("two")], catalog=catalog, checks=place)
    assert [finding.status for finding in findings] == ["pass", "error", "error"] * 2
    assert all(finding.reason for finding in findings if finding.status == "error")
    hosts = tuple((name, "192.0.2.1", ("app",)) for name in ("one", "two"))
    evidence = Evidence(
        "acme", "a.example", "lab", True, "2026-03-01T10:00:00Z", 1.0, "1", "j", hosts, findings, catalog
    )
    for module in (html, json_, junit):
        assert "way.after" in module.render(evidence)
    assert exit_code(findings) == 3


def test_a_module_that_cannot_be_loaded_is_named(place):
    (place / "test_way.py").write_text("import no_such_module\n")
    (place / "test_other.py").write_text(BEFORE)
    findings = verify([sheet_of()], catalog=catalog_of("way.before", "way.lost"), checks=place)
    assert [finding.status for finding in findings] == ["pass", "error"]
    assert "test_way.py cannot be loaded" in findings[1].reason
    assert "no_such_module" in findings[1].reason


def test_only_what_was_chosen_is_asked(place):
    (place / "test_way.py").write_text(CHECK)
    found = verify([sheet_of()], catalog=catalog_of(*ENDS), checks=place, controls=["way.fail"])
    assert [finding.control for finding in found] == ["way.fail"]
    assert verify([sheet_of()], catalog=catalog_of(*ENDS), checks=place, controls=["moon"]) == ()


def test_hosts_are_asked_at_once_and_reported_in_order(place):
    (place / "test_way.py").write_text(BEFORE)
    said: list[str] = []
    sheets = [sheet_of("b"), sheet_of("a")]
    findings = verify(sheets, say=said.append, catalog=catalog_of("way.before"), checks=place)
    assert [finding.host for finding in findings] == ["b", "a"]
    assert sorted(said) == [f"{name}: 1 of 1 controls, way.before pass" for name in "ab"]


@dataclass(frozen=True)
class Word:
    """A waiver and an attestation in one, as the declaration would have them."""

    control: str = "way.fail"
    reason: str = "the night shift"
    who: str = "Jane"
    until: date = date(2026, 12, 31)
    on: date = date(2026, 1, 2)
    reference: str = "archive 7"


def test_a_waiver_excuses_only_what_the_catalog_lets_be_waived_and_only_until_its_end(place):
    (place / "test_way.py").write_text(CHECK)
    once = catalog_of("way.fail", "way.fail-without-words")
    row = replace(once.controls[0], never_waived="It would hide everything else.")
    catalog = Catalog((row, once.controls[1]))
    words = [Word("way.fail"), Word("way.fail-without-words")]
    for today, expected in ((date(2026, 12, 31), ["fail", "waived"]), (date(2027, 1, 1), ["fail", "fail"])):
        found = verify([sheet_of()], words, catalog=catalog, checks=place, today=today)
        assert [finding.status for finding in found] == expected
    assert "expired on 2026-12-31" in found[1].reason


FINDING = Finding("way.fail", (), "one", "fail", reason="it is red")
SETTLED = [
    ("nothing said", FINDING, [], [], "fail", "it is red"),
    ("a waiver", FINDING, [Word()], [], "waived", "waived by Jane until 2026-12-31: the night shift (it is red)"),
    ("its last day", FINDING, [Word(until=date(2026, 11, 24))], [], "waived", "waived by Jane"),
    (
        "expired",
        FINDING,
        [Word(until=date(2026, 11, 23))],
        [],
        "fail",
        "it is red (the waiver for it expired on 2026-11-23)",
    ),
    ("another control's", FINDING, [Word("way.pass")], [], "fail", "it is red"),
    ("nothing to waive", replace(FINDING, status="pass", reason=""), [Word()], [], "pass", ""),
    ("an error", replace(FINDING, status="error"), [Word()], [Word()], "error", "it is red"),
    (
        "her word",
        replace(FINDING, status="not-exercised", reason="no moon"),
        [],
        [Word()],
        "attested",
        "attested by Jane on 2026-01-02, archive 7 (no moon)",
    ),
    ("her word against a failure", FINDING, [], [Word()], "fail", "it is red"),
]


@pytest.mark.parametrize(("_case", "finding", "waivers", "words", "status", "reason"), SETTLED)
def test_waivers_and_words(_case, finding, waivers, words, status, reason):
    settled = settle(finding, waivers, words, date(2026, 11, 24))
    assert (settled.status, reason in settled.reason) == (status, True)


def test_a_sheet_survives_its_journey():
    sheet = replace(sheet_of(), known_hosts=Path("/k"), host=replace(sheet_of().host, identity_file=Path("/i")))
    assert from_json(to_json(sheet)) == sheet

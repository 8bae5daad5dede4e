"""Drift between two runs, the runs that are kept, and how both are told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hedgerow import drift, history, printing_audit, verbs
from hedgerow.cli import main
from hedgerow.console import Reporter
from hedgerow.deployment import Deployment, write_file
from hedgerow.drift import Change, Drift
from hedgerow.errors import CallError
from hedgerow.evidence import Accepted, Past, json_
from hedgerow.findings import Finding
from tests.unit.test_evidence import CATALOG, EVIDENCE

FIRST, LATER = "2026-03-01T10:00:00Z", "2026-03-02T10:00:00Z"
ID = "ssh.no-root"


def one(status: str, observed: str = "permitrootlogin no", **values: object) -> Finding:
    return replace(Finding(ID, ("164.312(d)",), "a-1", status, observed=observed), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [
        ("pass", "fail", "failing"),
        ("waived", "fail", "failing"),
        ("error", "fail", "failing"),
        (None, "fail", "failing"),
        ("pass", "error", "unknown"),
        ("fail", "error", "unknown"),
        ("fail", "pass", "fixed"),
        ("error", "pass", "fixed"),
        ("fail", "waived", "other"),
        ("waived", "pass", "other"),
        ("not-exercised", "pass", "other"),
        ("pass", None, "other"),
        (None, "pass", "other"),
        ("pass", "pass", ""),
        ("fail", "fail", ""),
    ],
)
def test_a_change_has_one_kind(before: str | None, now: str | None, kind: str) -> None:
    was, is_ = [one(before)] if before else [], [one(now)] if now else []
    found = drift.compare(was, is_, FIRST)
    assert {name: len(getattr(found, name)) for name in drift.KINDS if getattr(found, name)} == (
        {kind: 1} if kind else {}
    )
    assert found.any is bool(kind)


@pytest.mark.parametrize(
    ("before", "now", "differs"),
    [
        ("COMMAND=python3 hedgerow-verify-82866ace", "COMMAND=python3 hedgerow-verify-c7ed834e", False),
        ("[12-1] [8087] app=hedgerow_trial_7942, LOG", "[10-1] [8519] app=hedgerow_trial_8367, LOG", False),
        ("hedgerow-web, hedgerow-capture; strangers: none", "hedgerow-capture, hedgerow-web; strangers: none", False),
        ("17 secrets looked for in 99 places: not found", "17 secrets looked for in 118 places: not found", False),
        ("last at 2026-03-01T10:00:00Z, 3.5 s ago", "last at 2026-03-02T11:30:00+00:00, 61 s ago", False),
        ("maxauthtries 4", "maxauthtries 6", True),
        ("answers [403] in 2 containers", "answers [200] in 2 containers", True),
        ("hedgerow-web sha256:d623530f809e…", "hedgerow-web sha256:0023530f809e…", True),
        ("17 secrets looked for in 99 places", "12 secrets looked for in 99 places", True),
        ("TLSv1.3", "TLSv1.2", True),
    ],
)
def test_only_what_means_something_is_a_changed_observation(before: str, now: str, differs: bool) -> None:
    found = drift.compare([one("pass", before)], [one("pass", now)], FIRST)
    assert found.observed == ((Change(ID, "a-1", "pass", "pass", before, now),) if differs else ())


def test_a_status_has_lasted_since_the_first_run_that_had_it() -> None:
    first = drift.lasting([], FIRST, [one("fail")], FIRST)
    second = drift.lasting(first, FIRST, [one("fail")], LATER)
    third = drift.lasting(second, LATER, [one("pass")], "2026-03-03T10:00:00Z")
    assert [row[0].since for row in (first, second, third)] == [FIRST, FIRST, "2026-03-03T10:00:00Z"]
    assert drift.lasting([one("fail")], FIRST, [one("fail")], LATER)[0].since == FIRST, (
        "of a run that had no such field"
    )


def keep(evidence: Path, started: str, *findings: Finding, number: str = "") -> Path:
    folder = evidence / (started.replace(":", "") + number)
    run = replace(EVIDENCE, started=started, findings=findings)
    for name in ("findings.json", "report.html"):
        write_file(folder / name, json_.render(run))
    return folder


def test_a_run_is_held_against_the_newest_that_can_be_read(tmp_path: Path) -> None:
    assert history.compare(tmp_path / "none", CATALOG, [one("pass")], LATER).drift is None
    keep(tmp_path, FIRST, one("pass"))
    keep(tmp_path, FIRST, one("fail"), number="-2")
    (keep(tmp_path, LATER, one("pass")) / "findings.json").write_text("cut o")
    found = history.compare(tmp_path, CATALOG, [one("pass")], "2026-03-03T10:00:00Z")
    assert found.drift == Drift(FIRST, fixed=(Change(ID, "a-1", "fail", "pass", *["permitrootlogin no"] * 2),))
    assert [past.summary["fail"] for past in found.past] == [1]
    assert found.findings[0].since == "2026-03-03T10:00:00Z"


def test_a_report_shows_a_bounded_number_of_runs(tmp_path: Path) -> None:
    earlier = tuple(Past(f"run {number}", {"fail": number}) for number in range(2 * history.SHOWN))
    run = replace(EVIDENCE, started=FIRST, findings=(one("pass"),), past=earlier)
    write_file(tmp_path / FIRST.replace(":", "") / "findings.json", json_.render(run))
    past = history.compare(tmp_path, CATALOG, [one("pass")], LATER).past
    assert len(past) == history.SHOWN - 1
    assert [row.started for row in past[-2:]] == [earlier[-1].started, FIRST]


def test_evidence_keeps_drift_waivers_and_past(tmp_path: Path) -> None:
    found = drift.compare([one("pass")], [one("fail")], FIRST)
    waiver = Accepted(ID, "the night shift", "Jane", "2026-12-31")
    run = replace(
        EVIDENCE, findings=(one("waived"), one("pass", control="ssh.x")), waivers=(waiver,), drift=found,
        past=(Past(FIRST, {"fail": 1}),),
    )  # fmt: skip
    assert json_.read(json_.render(run), CATALOG) == run
    assert json.loads(json_.render(run))["waivers"] == [
        {"control": ID, "reason": "the night shift", "who": "Jane", "until": "2026-12-31", "excuses": 1}
    ]
    of_old = {
        key: value for key, value in json.loads(json_.render(run)).items() if key not in ("waivers", "drift", "history")
    }
    assert json_.read(json.dumps(of_old), CATALOG).drift is None, "evidence of an earlier release is still read"


def test_old_runs_are_thinned_to_the_worst_of_a_day_and_gone_after_six_years(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "KEPT_WHOLE", 2)
    today = datetime(2026, 3, 3, tzinfo=UTC)
    ancient = (today - timedelta(days=history.KEPT_DAYS + 1)).strftime("%Y-%m-%dT10:00:00Z")
    keep(tmp_path, ancient, one("fail"))
    keep(tmp_path, "2026-03-01T08:00:00Z", one("pass"))
    bad = keep(tmp_path, "2026-03-01T09:00:00Z", one("fail"))
    keep(tmp_path, "2026-03-01T10:00:00Z", one("pass"))
    alone = keep(tmp_path, "2026-03-02T09:00:00Z", one("pass"))
    newest = [keep(tmp_path, f"2026-03-03T0{hour}:00:00Z", one("pass")) for hour in (1, 2)]
    (tmp_path / "latest").symlink_to(newest[-1].name)
    history.thin(tmp_path, CATALOG, today)
    assert history.folders(tmp_path) == [bad, alone, *newest]
    assert [path.name for path in bad.iterdir()] == ["findings.json"]
    assert len(list(newest[0].iterdir())) == 2
    assert history.thin(tmp_path, CATALOG, today) == []


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    found = Deployment("acme")
    write_file(found.declaration, "name: acme\ndomain: analytics.acme.example\ntarget: {kind: lab}\n")
    return found


def test_history_shows_what_did_not_hold_run_by_run(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "acme"]) == 2
    assert "no evidence yet" in capsys.readouterr().err
    steady = one("pass", control="ssh.no-passwords")
    for day, status in enumerate(("pass", "fail", "error", "waived", "pass"), 1):
        keep(deployment.evidence, f"2026-03-0{day}T10:00:00Z", one(status), steady)
    assert main(["history", "acme"]) == 0
    said = capsys.readouterr().out
    assert ".FEw." in said
    assert "ssh.no-passwords" not in said, "what always held is not in the way"
    assert main(["history", "acme", "--control", "ssh.no-passwords", "--runs", "2"]) == 0
    assert ".." in capsys.readouterr().out
    assert main(["history", "acme", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [run["summary"]["fail"] for run in told["runs"]] == [0, 1, 0, 0, 0]
    rows = {row["control"]: row["statuses"] for row in told["controls"]}
    assert rows == {ID: ["pass", "fail", "error", "waived", "pass"], "ssh.no-passwords": ["pass"] * 5}


def test_drift_is_told_in_lines() -> None:
    found = drift.compare(
        [one("pass"), one("pass", "a 1", host="b")], [one("fail"), one("pass", "a 2", host="b")], FIRST
    )
    said = list(printing_audit.drift(found))
    assert said[0] == f"Since {FIRST}: 1 newly failing, 1 something else observed"
    assert f"  newly failing: {ID} on a-1 (pass -> fail)" in said
    assert any("before: a 1" in line and "now:    a 2" in line for line in said)
    assert list(printing_audit.drift(Drift(FIRST))) == [f"Since {FIRST}: nothing is different"]
    assert list(printing_audit.drift(None)) == []


def test_a_watch_outlives_a_round_that_could_not_be_and_not_a_wrong_call() -> None:
    rounds = iter([None, CallError("acme is being worked on"), None, KeyboardInterrupt()])
    paused: list[float] = []
    done: list[int] = []

    def once() -> int:
        outcome = next(rounds)
        if outcome:
            raise outcome
        done.append(1)
        return 0

    with pytest.raises(KeyboardInterrupt):
        verbs.watch(once, 60, Reporter(quiet=True), paused.append)
    assert (len(done), paused) == (2, [60, 60, 60])

    def wrong() -> int:
        raise CallError("there is no control x.y")

    with pytest.raises(CallError):
        verbs.watch(wrong, 60, Reporter(quiet=True), paused.append)

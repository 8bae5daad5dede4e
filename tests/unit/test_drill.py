"""Drills without a host: what differs, what is remembered, whose scratch deployment it is, and how the check judges."""

from __future__ import annotations

import importlib.util
import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml

from checks import test_backup as checks
from checks.test_backup import drill_of
from hedgerow import drills, elsewhere, scratch
from hedgerow.bundle import contents
from hedgerow.checking import NotExercised
from hedgerow.cli import main
from hedgerow.console import Reporter
from hedgerow.declaration import DeclarationError, parse
from hedgerow.deployment import REPOSITORY, Deployment
from hedgerow.drills import Drill
from hedgerow.errors import CallError, UnreachableError
from hedgerow.hosts import Host, Site
from hedgerow.restoring import BackupError
from hedgerow.targets import wiping
from tests.unit.told import DECLARED, outcome

RECORDED = {
    "still": {"posthog a": [3, "77"], "posthog b": [0, "0"]},
    "moved": {"posthog c": [5, 9], "posthog d": [0, 2]},
}
FOUND = {"posthog a": [3, "77"], "posthog b": [0, "0"], "posthog c": [7, "1"]}
NOW = 1_800_000_000
DAY = 86400
LAB = """\
name: acme
domain: analytics.acme.example
target: {kind: lab, subnet: 10.9.0.0/24}
backup: {to: /srv/backup}
"""


def at(days: float) -> str:
    return datetime.fromtimestamp(NOW - days * DAY, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def row(days: float, hours: float = 0.1, problems: tuple[str, ...] = ()) -> dict[str, object]:
    return {"at": at(days), "seconds_to_restore": hours * 3600, "problems": list(problems)}


def made(name: str = "2026-02-01T02:00:00Z", problems: tuple[str, ...] = ()) -> Drill:
    return Drill(
        deployment="acme",
        at=name,
        ended=name,
        backup="20260201T020000Z",
        newest=name,
        reaches=name,
        lost_seconds=41.0,
        seconds_to_restore=None if problems else 300.5,
        seconds={"boot": 5.0},
        release="2026-11",
        hosts=("hedge-1 (10.9.1.11)",),
        stand_in=True,
        tables=2,
        rows=3,
        moved=1,
        controls={"pass": 20},
        smoke=not problems,
        brought=elsewhere.BROUGHT,
        left_out=("clickhouse",),
        changed=(),
        problems=problems,
    )


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (FOUND, []),
        ({**FOUND, "posthog e": [1, "5"]}, []),
        ({**FOUND, "posthog a": [2, "77"]}, ["posthog a had 3 rows and has 2"]),
        ({**FOUND, "posthog a": [3, "78"]}, ["posthog a has its 3 rows, and not the content they had"]),
        (
            {name: FOUND[name] for name in ("posthog a", "posthog b")},
            ["posthog c had 5 rows or more and has none"],
        ),
        (
            {},
            ["posthog a had 3 rows and is not there", "posthog b had 0 rows and is not there", "posthog c had 5 rows"],
        ),
    ],
)
def test_what_is_not_as_it_was_recorded_is_said(found: dict[str, list[object]], said: list[str]) -> None:
    told = drills.differences(RECORDED, found)
    assert len(told) == len(said)
    assert all(line.startswith(start) for line, start in zip(told, said, strict=True))


@pytest.mark.parametrize(
    ("told", "began", "said"),
    [
        ({"good": row(10)}, 400, ""),
        ({"good": row(89)}, 400, ""),
        ({"good": row(92)}, 400, "the last good drill is 92 days old"),
        ({"good": row(1, hours=73)}, 400, "the restore took 73 hours"),
        ({"good": row(10), "bad": row(20, problems=("lost",))}, 400, ""),
        ({"good": row(20), "bad": row(10, problems=("lost",))}, 400, "found: lost"),
        ({"bad": row(10, problems=("lost",))}, 1, "found: lost"),
        ({}, 91.5, "no drill yet, and the data are 91 days old"),
    ],
)
def test_the_check_judges_by_the_newest(told: dict[str, object], began: float, said: str) -> None:
    why = drill_of(told, NOW, 90, NOW - began * DAY)
    assert said in why
    assert bool(said) == bool(why)


def test_the_first_drill_is_not_due_at_once() -> None:
    with pytest.raises(NotExercised, match="the data are 3 days old, and it is due when they are 90"):
        drill_of({}, NOW, 90, int(NOW - 3.5 * DAY))


def test_the_newest_of_each_kind_is_remembered(tmp_path: Path) -> None:
    assert drills.remembered(tmp_path) == {}
    for drill in (made("2026-01-01T02:00:00Z"), made(), made("2026-01-15T02:00:00Z", ("lost",) * 9)):
        drills.write(tmp_path, drill)
    told = drills.remembered(tmp_path)
    assert told["good"]["at"] == "2026-02-01T02:00:00Z"
    assert told["good"]["seconds_to_restore"] == 300.5
    assert told["bad"]["at"] == "2026-01-15T02:00:00Z"
    assert told["bad"]["problems"] == ["lost"] * 3


def test_a_bundle_takes_drills_along(folders: Path) -> None:
    deployment = Deployment("acme")
    drills.write(deployment.evidence, made())
    files = contents.drills(deployment)
    assert list(files) == ["evidence/drills/2026-02-01T020000Z.json"]
    assert json.loads(next(iter(files.values())))["ok"]


def test_a_scratch_deployment_acts_on_nobody() -> None:
    """No mail, no alerts, no buckets of the deployment's, no way out, and the same organisation in PostHog."""
    declared = LAB + (
        "tls: {certificate: provided, certificate_file: a.pem, key_file: b.pem}\n"
        'access: {ingest_from: [any], outbound_to: ["203.0.113.80:8443"]}\n'
        "mail: {host: smtp.acme.example, address: 192.0.2.25, user: p, password_file: m, from: a@b.example}\n"
        "alerts: {mail: [it@acme.example]}\n"
    )
    text, changed = scratch.text(declared, "acme-drill")
    found = parse(text)
    assert found.name == "acme-drill"
    assert found.organization == "acme"
    assert found.domain == "analytics.acme.example"
    assert found.mail is None
    assert found.access.outbound_to == ()
    assert found.access.ingest_from == ("any",)
    assert found.tls.certificate == "private"
    assert "subnet" not in yaml.safe_load(text)["target"]
    assert {line.partition(":")[0] for line in changed} == {"mail", "alerts", "access.outbound_to", "tls"}
    assert scratch.text(LAB, "acme-drill")[1] == (), "what was not declared is not otherwise"


def test_nobody_elses_deployment_is_taken_for_a_scratch_one(folders: Path) -> None:
    owner, other = Deployment("acme"), Deployment("acme-drill")
    scratch.demand_ours(other, owner)
    other.root.mkdir(parents=True)
    other.declaration.write_text(LAB)
    with pytest.raises(CallError, match="no drill and no rehearsal has made"):
        scratch.demand_ours(other, owner)
    (other.root / scratch.NOTE).write_text("somebody\n")
    with pytest.raises(CallError, match="no drill and no rehearsal has made"):
        scratch.demand_ours(other, owner)
    (other.root / scratch.NOTE).write_text("acme\n")
    scratch.demand_ours(other, owner)


def test_what_was_not_made_by_a_drill_is_not_removed(folders: Path) -> None:
    other = Deployment("acme-drill")
    other.root.mkdir(parents=True)
    other.declaration.write_text(LAB)
    scratch.remove(other, Reporter(quiet=True))
    assert other.exists()


@pytest.mark.parametrize(
    ("target", "said"),
    [("{kind: onprem, hosts: [{name: one, address: 192.0.2.52, user: debian}]}", "target.kind: onprem makes none")],
)
def test_a_target_without_hosts_to_throw_away_is_refused(
    folders: Path, capsys: pytest.CaptureFixture[str], target: str, said: str
) -> None:
    declared = folders / "deploy.yml"
    declared.write_text(
        "name: acme\ndomain: analytics.acme.example\nbackup: {to: /mnt/backup}\n"
        'posthog: {deploy: false}\naccess: {administrators: [{name: jane, ssh_keys: ["ssh-ed25519 '
        'AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ jane@acme.example"]}]}\n'
        f"target: {target}\n"
    )
    assert main(["drill", str(declared)]) == 2
    assert said in capsys.readouterr().err


def test_without_backups_there_is_nothing_to_drill(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    declared = folders / "deploy.yml"
    declared.write_text(LAB.replace("backup: {to: /srv/backup}\n", ""))
    assert main(["drill", str(declared)]) == 2
    assert "declares no backup" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "there is no backup"),
        ([{"id": "b", "problem": "its manifest was changed"}, {"id": "a", "problem": ""}], "changed"),
    ],
)
def test_an_older_backup_is_not_taken_for_the_newest(rows: list[dict[str, str]], said: str) -> None:
    with pytest.raises(CallError, match=said):
        elsewhere.newest(rows)


def test_what_would_be_lost_is_since_the_youngest_piece() -> None:
    moment = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
    told = elsewhere._reach(moment.timestamp() - 41.26, moment)
    assert told == {"reaches": "2026-02-01T11:59:18Z", "lost_seconds": 41.3}
    assert elsewhere._reach(moment.timestamp() + 2, moment)["lost_seconds"] == 0
    with pytest.raises(BackupError, match="no journal"):
        elsewhere._reach(0, moment)


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The program that counts on the data host."""
    spec = importlib.util.spec_from_file_location("figures_program", REPOSITORY / "roles/backup/files/figures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_only_what_stood_still_is_held_to_the_row(program: ModuleType) -> None:
    before = {"a": [3, "7"], "b": [5, "1"], "gone": [1, "1"]}
    after = {"a": [3, "7"], "b": [5, "2"], "new": [2, "9"]}
    assert program.joined(before, after) == {
        "still": {"a": [3, "7"]},
        "moved": {"b": [5, 5], "gone": [1, 0], "new": [0, 2]},
    }


def test_figures_lie_beside_their_backup_and_are_refused_when_changed(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, other = "20260201T020000Z", "20260202T020000Z"
    for each in (name, other):
        (tmp_path / "sets" / each).mkdir(parents=True)
    monkeypatch.setattr(program, "KEPT", tmp_path / "kept.json")
    monkeypatch.setattr(program, "counted", lambda: {"posthog a": [3, "7"]})
    monkeypatch.setattr(program, "newest", lambda: name)
    place = program.Place(str(tmp_path), b"key")
    tmp_path = tmp_path / "sets"
    program.told(["before"], place)
    assert program.told(["after"], place) == {"backup": name, "still": 1, "moved": 0}
    assert program.told(["recorded", name], place)["still"] == {"posthog a": [3, "7"]}
    with pytest.raises(program.RefusedError, match="no figures"):
        program.told(["recorded", other], place)
    with pytest.raises(program.RefusedError, match="names no backup"):
        program.told(["recorded", "../x"], place)
    for file in (program.FIGURES, program.SEAL):
        (tmp_path / other / file).write_text((tmp_path / name / file).read_text())
    with pytest.raises(program.RefusedError, match="another backup's"):
        program.told(["recorded", other], place)
    figures = tmp_path / name / program.FIGURES
    figures.write_text(figures.read_text().replace("3", "2"))
    with pytest.raises(program.RefusedError, match="were changed"):
        program.told(["recorded", name], place)
    assert program.told(["nonsense"], place) is None


def test_a_lab_can_drill_and_whoever_declares_a_machine_for_it() -> None:
    onprem = (
        "name: acme\ndomain: analytics.acme.example\ntarget: {kind: onprem, hosts: [{name: one, address: 192.0.2.52,"
        " user: debian}]}\nbackup: {to: /mnt/backup}\nposthog: {deploy: false}\n"
        'access: {administrators: [{name: jane, ssh_keys: ["ssh-ed25519'
        ' AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ jane@acme.example"]}]}\n'
    )
    assert scratch.possible(parse(LAB))
    assert not scratch.possible(parse(onprem))
    apart = onprem.replace("backup}", "backup, drill_on: {name: two, address: 192.0.2.53, user: debian}}")
    assert scratch.possible(parse(apart))
    text, changed = scratch.text(apart.replace("access: {", "access: {ssh_from: [198.51.100.7], "), "acme-drill")
    (host,) = parse(text).target.hosts  # type: ignore[union-attr]
    assert (host.name, host.address) == ("two", "192.0.2.53")
    assert parse(text).access.ssh_from == ("controller",) and scratch.OWN_MACHINE in changed
    assert parse(text).backup.drill_on is None  # type: ignore[union-attr]
    with pytest.raises(DeclarationError, match="is a host of this deployment"):
        parse(apart.replace("192.0.2.53", "192.0.2.52"))
    with pytest.raises(DeclarationError, match="boots a host for each drill"):
        parse(LAB.replace("backup}", "backup, drill_on: {name: two, address: 192.0.2.53, user: debian}}"))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("", ""),
        ('{"deployment": "billing", "host": "one"}\n/etc/hedgerow/ca.crt\n', "it is of the deployment billing"),
        ("/etc/hedgerow/ca.crt\n", "there is /etc/hedgerow/ca.crt"),
        ("/var/lib/postgresql/17/main/PG_VERSION\n", "there is /var/lib/postgresql/17/main/PG_VERSION"),
    ],
)
def test_a_machine_that_holds_anything_is_not_drilled_on(
    folders: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    monkeypatch.setattr(
        wiping.ssh, "ask", lambda *_, **__: SimpleNamespace(stdout=f"{said}that is all\n", returncode=0)
    )
    host = Host("two", "192.0.2.53", "192.0.2.53", "debian")
    assert wiping.bears(host, folders / "known_hosts") == told
    work = SimpleNamespace(
        declaration=SimpleNamespace(target=SimpleNamespace(kind="onprem")),
        deployment=SimpleNamespace(known_hosts=folders / "known_hosts"),
    )
    with pytest.raises(CallError, match="it would be wiped") if told else nullcontext():
        scratch.demand_free(work, Site((host,), "192.0.2.1"))  # type: ignore[arg-type]


@pytest.mark.parametrize(("code", "said"), [(1, ""), (0, ""), (1, "that is all")])
def test_a_machine_that_does_not_say_what_it_holds_is_not_empty(
    folders: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str
) -> None:
    answer = SimpleNamespace(stdout=said, stderr="sudo: a password is required", returncode=code)
    monkeypatch.setattr(wiping.ssh, "ask", lambda *_, **__: answer)
    with pytest.raises(UnreachableError, match="did not say what it holds: sudo"):
        wiping.bears(Host("two", "192.0.2.53", "192.0.2.53", "debian"), folders / "known_hosts")


def test_a_machine_that_was_begun_with_is_wiped_and_one_that_was_not_is_left(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever did not get to the first converge has left nothing there."""
    asked: list[str] = []
    host = Host("two", "192.0.2.53", "192.0.2.53", "debian")
    work = SimpleNamespace(
        declaration=parse(LAB),
        deployment=Deployment("acme-drill"),
        target=SimpleNamespace(site=lambda: Site((host,), "192.0.2.1")),
    )
    monkeypatch.setattr(scratch.flow, "open_work", lambda *_, **__: work)

    def ask(host: Host, *_: object) -> SimpleNamespace:
        asked.append(host.name)
        return SimpleNamespace(whole=len(asked) > 1, notes=())

    monkeypatch.setattr(wiping, "ask", ask)
    kind = SimpleNamespace(kind="onprem")
    monkeypatch.setattr(work, "declaration", SimpleNamespace(target=kind, backup=work.declaration.backup, name="acme"))
    root = Deployment("acme-drill").root
    root.mkdir(parents=True)
    (root / scratch.NOTE).write_text("acme\n")
    scratch.remove(Deployment("acme-drill"), Reporter(quiet=True))
    assert asked == [] and not root.exists()
    root.mkdir()
    for name in (scratch.NOTE, scratch.BEGUN):
        (root / name).write_text("acme\n")
    with pytest.raises(UnreachableError, match="two is not wiped"):
        scratch.remove(Deployment("acme-drill"), Reporter(quiet=True))
    assert (root / scratch.NOTE).exists(), "the next one finds it"
    scratch.remove(Deployment("acme-drill"), Reporter(quiet=True))
    assert asked == ["two", "two"] and not root.exists()


def asked(told: dict[str, object], days: int = 90) -> tuple[str, str]:
    answers = {"drilled.json": json.dumps(told) if told else "", "system_identifier": f"{NOW - 400 * DAY}\n{NOW}\n"}
    declared = replace(DECLARED, drill_days=days)
    return outcome(checks.test_one_was_restored_elsewhere, answers, "/srv/backup/acme", declared)


def test_the_check_passes_fails_and_says_where_there_is_nothing_to_ask() -> None:
    good = row(10) | {"backup": "20260201T020000Z", "tables": 2, "rows": 3, "lost_seconds": 41.0}
    assert asked({"good": good})[0] == "pass"
    late, never = asked({"good": good}, days=5), asked({})
    assert (late[0], never[0]) == ("fail", "fail")
    assert late[1].startswith("the last good drill is 10 days old")
    assert never[1].startswith("no drill yet, and the data are 400 days old")
    assert asked({}, days=500)[0] == "not-exercised"
    assert asked({"good": good}, days=0)[0] == "not-exercised"

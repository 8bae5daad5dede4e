"""Upgrades with a made-up host: what is refused, what fails and goes back, and a kill at each step."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hedgerow import attempts, flow, installed, inventory, proof, rehearsals, restoring, returning, upgrades, upgrading
from hedgerow.cli import main
from hedgerow.errors import CallError, ConvergeError, UnreachableError
from hedgerow.findings import Finding
from hedgerow.image_lock import ImageLock
from hedgerow.inventory import Package
from hedgerow.smoke import FAILED, OK, SmokeReport, Step
from tests.unit.test_rehearsal import LAB, SITE, locked, made, stack_of
from tests.unit.test_rehearsal import work as work  # noqa: PLC0414 - a fixture

RISK = "--risk-unrehearsed-migrations"
MOMENT = "2026-03-01 10:00:00.000000+00"


class World:
    """A host as far as an upgrade sees it: which images run, what PostgreSQL holds, and what was done to it.

    Images "b" come up and work; "e" do not come up; with "f" the smoke test fails, with "c" a control. `kill_at` ends
    the process at that step; `silent` says that the host does not answer a converge.
    """

    def __init__(self) -> None:
        self.images, self.data, self.running = "a", "of a", True
        self.steps: list[str] = []
        self.kept: dict[str, str] = {}
        self.kill_at: int | None = None
        self.silent = self.holes = False

    def step(self, name: str) -> None:
        if self.kill_at is not None and len(self.steps) == self.kill_at:
            self.kill_at = None
            raise KeyboardInterrupt
        self.steps.append(name)

    def make(self, *_: object) -> dict[str, Any]:
        self.step("backup")
        name = f"backup {len(self.kept) + 1}"
        self.kept[name] = self.data
        return {"id": name}

    def stop(self, *_: object) -> None:
        self.step("stop")
        self.running = False

    def clock(self, *_: object) -> str:
        self.kept[MOMENT] = self.data
        return MOMENT

    def restore(self, _work: object, _site: object, moment: restoring.Moment, _say: object) -> dict[str, Any]:
        self.step("restore")
        assert not self.running, "nobody may write while data are put back"
        if moment.at and self.holes:
            raise restoring.BackupError("a piece of the journal is not there")
        self.data = self.kept[moment.at or moment.id]
        return {}

    def provision(self, work: flow.Work, *_: object) -> object:
        self.step("provision")
        work.deployment.adopt(work.source)
        return SITE

    def converge(self, work: flow.Work, *_: object) -> None:
        self.step("converge")
        if self.silent:
            raise UnreachableError("hedge-1 does not answer")
        work.deployment.begin(ImageLock.read(work.deployment.root).release)
        (self.images,) = {
            row.digest.partition(":")[2][0] for row in ImageLock.read(work.deployment.root).images.values()
        }
        self.data = f"{self.data}, migrated by {self.images}" if self.images != "a" else self.data
        if self.images == "e":
            raise ConvergeError("not well after 20 s: hedgerow-web")
        self.running = True

    def verify(self, *_: object, **__: object) -> proof.Verified:
        self.step("verify")
        rows = [
            Finding("ssh.no-root", (), "hedge-1", "fail"),
            Finding("posthog.healthy", (), "hedge-1", "fail" if self.images == "c" else "pass"),
        ]
        return proof.Verified(tuple(rows), "2026-03-01T10:00:00Z", 1.0)

    def smoke(self, *_: object) -> SmokeReport:
        self.step("smoke")
        return SmokeReport((Step("health", FAILED if self.images == "f" else OK, "503", 0.1),), stand_in=True)


@pytest.fixture
def world(work: flow.Work, monkeypatch: pytest.MonkeyPatch) -> World:
    """A deployment that was installed with images "a", and a host that runs them."""
    found = World()
    for room, name, instead in (
        (restoring, "make", found.make),
        (restoring, "stop_writers", found.stop),
        (restoring, "clock", found.clock),
        (restoring, "restore", found.restore),
        (flow, "provision", found.provision),
        (flow, "prepare", lambda *_: (None, None)),
        (flow, "obstacles", lambda *_: []),
        (flow, "converge_hosts", found.converge),
        (proof, "verify_hosts", found.verify),
        (proof, "verify_whole", found.verify),
        (proof, "compared", lambda _, verified: verified),
        (proof, "smoke_test", found.smoke),
        (proof, "events_sent", lambda *_: nullcontext()),
        (proof, "write_evidence", lambda *_: Path("evidence")),
        (inventory, "ask", lambda *_: {}),
    ):
        monkeypatch.setattr(room, name, instead)
    monkeypatch.setattr("hedgerow.targets.lab.target.LabTarget.site", lambda _: SITE)
    installed.write(work, stack_of(work, locked("a")))
    work.deployment.begin("2026-11")
    return found


def wants(work: flow.Work, letter: str) -> None:
    """Have the operator lock other images."""
    locked(letter).write(work.deployment.root)


def upgrade(work: flow.Work, *words: str) -> int:
    return main(["upgrade", str(work.source), "--json", "--quiet", *words])


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def journal(work: flow.Work) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (work.deployment.root / "journal.jsonl").read_text().splitlines()]


def images_of(found: installed.Installed | None) -> set[str]:
    assert found
    return {row.digest[7] for row in found.images.values()}


def test_what_runs_already_is_no_upgrade(work: flow.Work, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert upgrade(work) == 0
    assert said(capsys) == {"outcome": "nothing to do"}
    assert world.steps == []


def test_the_same_once_more_is_not_written_again(work: flow.Work, world: World) -> None:
    file = work.deployment.root / installed.FILE
    before = (file.read_text(), file.stat().st_mtime_ns)
    installed.write(work, stack_of(work, locked("a")))
    assert (file.read_text(), file.stat().st_mtime_ns) == before
    wants(work, "b")
    installed.write(work, stack_of(work, locked("b")))
    assert images_of(installed.read(work.deployment)) == {"b"}
    file.write_text("{")
    installed.write(work, stack_of(work, locked("b")))
    assert images_of(installed.read(work.deployment)) == {"b"}


@pytest.mark.parametrize("rehearsed", [None, made("2026-01-01T02:00:00Z"), made(letter="c")])
def test_without_a_fresh_rehearsal_of_just_this_nothing_is_touched(
    work: flow.Work, world: World, capsys: pytest.CaptureFixture[str], rehearsed: rehearsals.Rehearsal | None
) -> None:
    wants(work, "b")
    if rehearsed:
        rehearsals.write(work.deployment.evidence, rehearsed)
    assert upgrade(work) == 2
    assert RISK in said(capsys)["fix"]
    assert world.steps == []
    assert attempts.read(work.deployment) is None


def test_what_was_rehearsed_is_brought_up(work: flow.Work, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    wants(work, "b")
    today = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    rehearsals.write(work.deployment.evidence, made(today))
    assert upgrade(work) == 1, "a control that failed before still fails, and is no reason to go back"
    told = said(capsys)
    assert told["outcome"] == "upgraded"
    assert told["upgrade"]["ok"]
    assert told["upgrade"]["rehearsal"] == today
    assert set(told["upgrade"]["images_before"].values()) == {f"sha256:{'a' * 64}"}
    assert world.steps == ["verify", "backup", "provision", "stop", "converge", "verify", "smoke"]
    assert (world.images, world.data) == ("b", "of a, migrated by b")
    assert images_of(installed.read(work.deployment)) == {"b"}
    assert attempts.read(work.deployment) is None
    assert json.loads(Path(told["evidence"]).read_text()) == told["upgrade"]
    assert journal(work)[-1]["outcome"] == "done"
    assert upgrade(work) == 0, "and then there is nothing to do"


@pytest.mark.parametrize(
    ("letter", "why"),
    [
        ("e", "not well after 20 s: hedgerow-web"),
        ("f", "smoke test, health: 503"),
        ("c", "posthog.healthy on hedge-1 fails"),
    ],
)
def test_what_fails_is_taken_back(
    work: flow.Work, world: World, capsys: pytest.CaptureFixture[str], letter: str, why: str
) -> None:
    work.source.write_text(LAB + "features: [session-replay, feature-flags]\n")
    wants(work, letter)
    assert upgrade(work, RISK) == 1
    told = said(capsys)
    assert told["outcome"] == "taken back"
    assert not told["upgrade"]["ok"]
    assert told["upgrade"]["why"] == why
    assert told["upgrade"]["data"] == MOMENT
    assert told["upgrade"]["rehearsal"] == ""
    assert (world.images, world.data, world.running) == ("a", "of a", True)
    assert work.deployment.declaration.read_text() == LAB
    assert dict(ImageLock.read(work.deployment.root).images) == dict(locked("a").images)
    tried = work.deployment.root / returning.TRIED
    assert dict(ImageLock.read(tried).images) == dict(locked(letter).images)
    assert "features" in (tried / "deploy.yml").read_text()
    assert images_of(installed.read(work.deployment)) == {"a"}
    assert attempts.read(work.deployment) is None
    assert (journal(work)[-1]["outcome"], journal(work)[-1]["why"]) == ("taken back", why)


def test_with_a_hole_in_the_journal_the_data_are_those_of_the_backup(
    work: flow.Work, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    wants(work, "e")
    world.holes = True
    assert upgrade(work, RISK) == 1
    assert said(capsys)["upgrade"]["data"] == f"{returning.BACKUPS_END} backup 1"
    assert world.data == "of a"


@pytest.mark.parametrize(
    ("letter", "step"), [*(("b", step) for step in range(7)), *(("e", step) for step in range(12))]
)
def test_a_kill_at_any_step_is_recovered_by_the_same_command(
    work: flow.Work, world: World, capsys: pytest.CaptureFixture[str], letter: str, step: int
) -> None:
    wants(work, letter)
    world.kill_at = step
    assert upgrade(work, RISK) == 130
    assert journal(work)[-1]["outcome"] == "interrupted"
    assert upgrade(work, RISK) == 1
    assert said(capsys)["outcome"] == ("upgraded" if letter == "b" else "taken back")
    right = ("b", "of a, migrated by b") if letter == "b" else ("a", "of a")
    # What was migrated twice is migrated: a second converge of the same finds nothing to do.
    assert (world.images, world.data.replace(", migrated by b, migrated by b", ", migrated by b")) == right
    assert world.running
    assert images_of(installed.read(work.deployment)) == {right[0]}
    assert attempts.read(work.deployment) is None


def begun(work: flow.Work, world: World, letter: str, step: int) -> None:
    """Have an upgrade that was killed."""
    wants(work, letter)
    world.kill_at = step
    assert upgrade(work, RISK) == 130


def test_what_was_begun_can_be_taken_back_by_hand(
    work: flow.Work, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert upgrade(work, "--back") == 2, "there is none"
    begun(work, world, "b", 6)
    assert world.images == "b"
    assert upgrade(work, "--back") == 1
    assert said(capsys)["upgrade"]["why"] == "somebody said --back"
    assert (world.images, world.data) == ("a", "of a")


def test_what_has_changed_no_host_is_only_forgotten(work: flow.Work, world: World) -> None:
    begun(work, world, "b", 3)
    assert attempts.read(work.deployment) is not None
    before = list(world.steps)
    assert upgrade(work, "--back") == 2
    assert world.steps == before
    assert attempts.read(work.deployment) is None


def test_a_host_that_does_not_answer_is_no_reason_to_go_back(
    work: flow.Work, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    wants(work, "b")
    world.silent = True
    assert upgrade(work, RISK) == 3
    assert "--back" in said(capsys)["fix"]
    assert "restore" not in world.steps
    world.silent = False
    assert upgrade(work) == 1, "it was let in before"
    assert said(capsys)["outcome"] == "upgraded"


def test_another_version_on_top_goes_back_to_what_was_whole(
    work: flow.Work, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(work, world, "b", 6)
    wants(work, "e")
    assert upgrade(work) == 2, "this one was not rehearsed"
    assert upgrade(work, RISK) == 1
    assert set(said(capsys)["upgrade"]["images_before"].values()) == {f"sha256:{'a' * 64}"}
    assert (world.images, world.data) == ("a", "of a")


def test_install_goes_on_with_what_was_begun_and_waits_for_what_goes_back(
    work: flow.Work, world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hedgerow.prerequisites.provide", lambda *_, **__: None)
    monkeypatch.setattr("hedgerow.printing.recap", lambda *_, **__: None)
    monkeypatch.setattr(flow, "prepare", lambda *_: (None, stack_of(work, ImageLock.read(work.deployment.root))))
    begun(work, world, "e", 6)  # while PostgreSQL was about to be put back
    found = attempts.read(work.deployment)
    assert found is not None
    assert found.going == attempts.BACK
    assert main(["install", "acme", "--quiet"]) == 2
    assert "`upgrade acme` finishes that" in capsys.readouterr().err
    assert upgrade(work) == 1
    wants(work, "b")
    begun(work, world, "b", len(world.steps) + 5)
    assert main(["install", "acme", "--quiet"]) == 1
    assert attempts.read(work.deployment) is None
    assert images_of(installed.read(work.deployment)) == {"b"}


def test_a_release_that_was_taken_back_may_run_and_others_between_may_not(work: flow.Work) -> None:
    deployment = work.deployment
    deployment.begin("2026-11")
    deployment.begin("2027-03")
    assert "2027-03" in flow.backwards(work)
    deployment.take_back("2026-11")
    assert flow.backwards(work) == ""
    deployment.begin("2026-11")
    assert (deployment.release, deployment.returned) == ("2027-03", "2026-11"), "ClickHouse may be the newer's"
    deployment.begin("2027-03")
    assert deployment.returned == ""
    assert "2027-03" in flow.backwards(work), "begun again, it counts again"


def test_taking_back_images_of_one_release_leaves_the_rule_alone(work: flow.Work) -> None:
    work.deployment.begin("2026-11")
    work.deployment.take_back("2026-11")
    assert work.deployment.returned == ""


def test_a_damaged_record_of_an_upgrade_says_what_to_do(work: flow.Work) -> None:
    (work.deployment.root / attempts.FILE).write_text("{}")
    with pytest.raises(CallError, match="does not say how far an upgrade has come"):
        attempts.read(work.deployment)


@pytest.mark.parametrize(
    ("before", "now", "steps", "told"),
    [
        ((), {}, OK, []),
        ((), {"ssh.no-root": "error"}, OK, []),
        ((), {"ssh.no-root": "fail"}, OK, ["ssh.no-root on hedge-1 fails"]),
        (("ssh.no-root on hedge-1",), {"ssh.no-root": "fail"}, OK, []),
        (("ssh.no-root on hedge-2",), {"ssh.no-root": "fail"}, OK, ["ssh.no-root on hedge-1 fails"]),
        ((), {}, FAILED, ["smoke test, health: 503"]),
    ],
)
def test_what_failed_before_is_no_reason_to_go_back(
    before: tuple[str, ...], now: dict[str, str], steps: str, told: list[str]
) -> None:
    findings = [Finding(name, (), "hedge-1", status) for name, status in now.items()]
    assert upgrades.broken(before, findings, SmokeReport((Step("health", steps, "503", 0.1),), stand_in=False)) == told


def test_packages_that_come_are_those_the_hosts_lack(work: flow.Work, monkeypatch: pytest.MonkeyPatch) -> None:
    every = upgrading.packages.packages(SITE.hosts[0], ("backup",))["debian"]
    there = tuple(Package("debian 13", name, "1", "amd64") for name in every if name not in ("podman", "nginx"))
    monkeypatch.setattr(inventory, "ask", lambda *_: {SITE.hosts[0].name: there})
    assert upgrading.packages_to_come(work, SITE) == {SITE.hosts[0].name: ("nginx", "podman")}


@pytest.mark.parametrize(
    ("codes", "rounds", "stopped"),
    [([0], 1, True), ([5], 1, True), ([1, 1, 0], 3, True), ([1] * restoring.STOPS, restoring.STOPS, False)],
)
def test_who_comes_back_while_others_are_stopped_is_stopped_in_another_round(
    work: flow.Work, monkeypatch: pytest.MonkeyPatch, codes: list[int], rounds: int, stopped: bool
) -> None:
    asked: list[list[str]] = []

    def answer(_host: object, _known: object, words: list[str], **_: object) -> SimpleNamespace:
        asked.append(words)
        return SimpleNamespace(returncode=codes[len(asked) - 1], stderr="Job for hedgerow-web.service canceled.")

    monkeypatch.setattr(restoring.ssh, "ask", answer)
    if stopped:
        restoring.stop_writers(work, SITE, print)
    else:
        with pytest.raises(UnreachableError, match="could not stop its services: Job for hedgerow-web"):
            restoring.stop_writers(work, SITE, print)
    assert len(asked) == rounds
    assert "hedgerow-web.service" in asked[0]

"""Rehearsals without a host: what was installed, what differs, which migrations, what peaks, and what still counts."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hedgerow import installed, peaks, rehearsals, rehearsing, releases
from hedgerow.bundle import contents
from hedgerow.cli import main
from hedgerow.declaration import parse
from hedgerow.deployment import Deployment
from hedgerow.errors import CallError
from hedgerow.flow import Work, target_of
from hedgerow.hosts import Site
from hedgerow.image_lock import STAND_IN, ImageLock, Locked
from hedgerow.images import images_for, stack_for, table_of
from hedgerow.installed import Version
from hedgerow.rehearsals import Rehearsal
from tests.unit.test_render import ONE

LAB = """\
name: acme
domain: analytics.acme.example
target: {kind: lab}
backup: {to: /srv/backup}
"""
HOST = replace(ONE, roles=("edge", "app", "data"))
SITE = Site((HOST,), "192.0.2.1", stand_ins=True)
KEYS = tuple(table_of(parse(LAB)).images)


def locked(letter: str, **other: str) -> ImageLock:
    """Return a lock whose images are all the same but for those named otherwise, each in an archive."""
    return ImageLock(
        {
            key: Locked(
                f"localhost/hedgerow-stand-in/{key}@sha256:{other.get(key, letter) * 64}", STAND_IN, "t", "", "a"
            )
            for key in KEYS
        }
    )


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HEDGEROW_STATE", str(tmp_path / "state"))
    (tmp_path / "deploy.yml").write_text(LAB)
    deployment, declaration = Deployment("acme"), parse(LAB)
    deployment.adopt(tmp_path / "deploy.yml")
    locked("a").write(deployment.root)
    return Work(deployment, declaration, target_of(declaration, deployment), tmp_path / "deploy.yml")


def stack_of(work: Work, lock: ImageLock):
    return stack_for(work.declaration, SITE, lock, print)


def made(at: str = "2026-02-01T02:00:00Z", letter: str = "b", problems: tuple[str, ...] = ()) -> Rehearsal:
    version = locked(letter)
    return Rehearsal(
        deployment="acme",
        at=at,
        ended=at,
        backup="20260201T020000Z",
        newest=at,
        release_before=releases.FIRST,
        images_before={},
        release=version.release,
        images={key: row.digest for key, row in version.images.items()},
        seconds={"boot": 5.0},
        seconds_to_migrate=61.5,
        migrations=None,
        peaks={"hedge-1": {"memory": {"before": 1, "peak": 3, "after": 2}}},
        hosts=("hedge-1 (10.9.1.11)",),
        stand_in=True,
        tables=2,
        rows=3,
        moved=1,
        controls={"pass": 20},
        smoke=not problems,
        brought=(),
        left_out=("clickhouse",),
        changed=(),
        problems=problems,
    )


def test_what_was_installed_is_remembered_with_every_image(work: Work) -> None:
    assert installed.read(work.deployment) is None
    installed.write(work, stack_of(work, locked("a")))
    found = installed.read(work.deployment)
    assert found is not None
    assert found.declared == LAB
    assert found.source == str(work.source.parent)
    assert found.release == releases.FIRST
    assert set(found.services) == {row.name for row in table_of(work.declaration).services}
    assert dict(found.images) == dict(locked("a").images)
    assert not installed.differences(found, work.declaration, stack_of(work, found.lock)), "it makes the same run again"


def test_a_stand_in_is_remembered_with_its_archive(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one it would be what this controller builds when it is asked for again."""
    built = {
        image.stand_in: (f"{image.stand_in}@sha256:{'c' * 64}", Path("/srv/of-that-day.tar"))
        for image in table_of(work.declaration).images.values()
    }
    monkeypatch.setattr("hedgerow.images.built_here", lambda _: built)
    ImageLock({}).write(work.deployment.root)
    before = stack_of(work, ImageLock({}))
    lock = installed.write(work, before).lock
    monkeypatch.setattr("hedgerow.images.built_here", lambda _: {})
    assert {row.archive for row in lock.images.values()} == {"/srv/of-that-day.tar"}
    assert images_for(work.declaration, SITE, before.table, lock, print) == before.images


def test_a_damaged_record_says_what_to_do(work: Work) -> None:
    (work.deployment.root / installed.FILE).write_text('{"release": "2026-11"}')
    with pytest.raises(CallError, match="does not say what was installed") as refused:
        installed.read(work.deployment)
    assert "install what runs now once more" in refused.value.fix


def test_what_differs_is_told_by_image_and_service(work: Work) -> None:
    before = installed.write(work, stack_of(work, locked("a")))
    told = installed.differences(before, work.declaration, stack_of(work, locked("a", capture="b")))
    assert told
    assert told.images == {"capture": (f"sha256:{'a' * 64}", f"sha256:{'b' * 64}")}
    assert set(told.services.values()) == {"capture"}
    assert "capture" in told.services
    assert (told.coming, told.going) == ((), ())
    fewer = replace(before, services=tuple(name for name in before.services if name != "web"))
    more = replace(before, services=(*before.services, "of-another-day"))
    assert installed.differences(fewer, work.declaration, stack_of(work, locked("a"))).coming == ("web",)
    assert installed.differences(more, work.declaration, stack_of(work, locked("a"))).going == ("of-another-day",)


@pytest.mark.parametrize(
    ("rows", "asked", "day", "said"),
    [
        ([made()], "b", 1, ""),
        ([made()], "b", 8, ""),
        ([made()], "b", 9, "older than 7 days"),
        ([made()], "c", 1, "was not rehearsed"),
        ([], "b", 1, "was not rehearsed"),
        ([made(problems=("lost",))], "b", 1, "did not go well: lost"),
        ([made(), made("2026-02-01T03:00:00Z", problems=("lost",))], "b", 1, "did not go well: lost"),
        ([made(), made("2026-02-01T03:00:00Z", "c", ("lost",))], "b", 1, ""),
        ([made("2026-01-01T03:00:00Z", problems=("lost",)), made()], "b", 1, ""),
    ],
)
def test_a_rehearsal_counts_for_just_what_it_rehearsed_and_for_a_week(
    tmp_path: Path, rows: list[Rehearsal], asked: str, day: int, said: str
) -> None:
    for row in rows:
        rehearsals.write(tmp_path, row)
    wanted = locked(asked)
    found = rehearsals.last_of(tmp_path, Version(wanted.release, {k: r.digest for k, r in wanted.images.items()}))
    told = rehearsals.missing(found, datetime(2026, 2, day, 1, tzinfo=UTC))
    assert said in told
    assert bool(told) == bool(said)


def test_another_release_with_the_same_images_is_another_rehearsal(tmp_path: Path) -> None:
    rehearsals.write(tmp_path, made())
    same = {key: row.digest for key, row in locked("b").images.items()}
    assert rehearsals.last_of(tmp_path, Version(releases.FIRST, same))
    assert rehearsals.last_of(tmp_path, Version("2027-02", same)) is None


def test_a_bundle_takes_rehearsals_along(work: Work) -> None:
    rehearsals.write(work.deployment.evidence, made())
    assert list(contents.drills(work.deployment)) == ["evidence/rehearsals/2026-02-01T020000Z.json"]


def entry(**fields: object) -> str:
    return json.dumps(fields)


def says(text: object) -> str:
    return entry(MESSAGE=text, __REALTIME_TIMESTAMP="1")


@pytest.mark.parametrize(
    ("before", "after", "journal", "found"),
    [
        ([], [], [], None),
        ([], [], [says("listening")], None),
        (["posthog: posthog.0001"], ["posthog: posthog.0001"], [], ()),
        (["posthog: posthog.0001"], ["posthog: posthog.0001", "posthog: posthog.0002"], [], ("posthog: posthog.0002",)),
        (
            ["posthog: posthog.0001"],
            ["posthog: posthog.0001", "posthog: posthog.0002"],
            [says("  Applying posthog.0002... OK"), says("  Applying other.0007... OK"), says([1, 2])],
            ("posthog: posthog.0002", "other.0007"),
        ),
        ([], [], [says("  Applying posthog.0002...")], ("posthog.0002",)),
    ],
)
def test_migrations_are_those_of_the_lists_and_of_the_journal(
    before: list[str], after: list[str], journal: list[str], found: tuple[str, ...] | None
) -> None:
    assert rehearsing.applied(before, after, journal) == found


def unit(kind: str, seconds: float) -> str:
    return entry(MESSAGE="…", MESSAGE_ID=kind, __REALTIME_TIMESTAMP=str(int(seconds * 1e6)))


@pytest.mark.parametrize(
    ("journal", "seconds"),
    [
        ([], None),
        ([unit(rehearsing.STARTING, 100), says("x")], None),
        ([unit(rehearsing.STARTING, 100), says("x"), unit(rehearsing.STARTED, 130.25)], 30.2),
        # One that ended and came again, and a restart after it was well.
        (
            [
                unit(rehearsing.STARTING, 100),
                unit(rehearsing.STARTING, 120),
                unit(rehearsing.STARTED, 150),
                unit(rehearsing.STARTING, 500),
                unit(rehearsing.STARTED, 502),
            ],
            50.0,
        ),
    ],
)
def test_migrating_lasts_from_the_first_start_to_the_first_health(journal: list[str], seconds: float | None) -> None:
    assert rehearsing.migrating(journal) == seconds


def test_peaks_are_summed_by_measure() -> None:
    rows = [{"memory": 5, "postgresql": 1}, {"memory": 9, "postgresql": 7}, {"memory": 6, "postgresql": 4}]
    assert peaks.summed(rows) == {
        "memory": {"before": 5, "peak": 9, "after": 6},
        "postgresql": {"before": 1, "peak": 7, "after": 4},
    }


def test_the_program_measures_and_ends_when_nobody_reads(tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(b"x" * 300_000)
    places = {"here": str(tmp_path), "nowhere": str(tmp_path / "gone")}
    with subprocess.Popen(peaks.RUN, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, stderr=-3) as running:
        assert running.stdin
        assert running.stdout
        running.stdin.write(peaks.told(places, 0.1))
        running.stdin.flush()
        sample = json.loads(running.stdout.readline())
        running.stdout.close()
        assert running.wait(timeout=20) != 0
    assert 300_000 <= sample["here"] < 3_000_000
    assert sample["nowhere"] == 0
    assert sample["memory"] > 1_000_000


ONPREM = LAB.replace(
    "target: {kind: lab}",
    "target: {kind: onprem, hosts: [{name: one, address: 192.0.2.52, user: debian}]}\n"
    "posthog: {images: {posthog: 'docker.io/posthog/posthog@sha256:" + "a" * 64 + "'}}\n"
    'access: {administrators: [{name: jane, ssh_keys: ["ssh-ed25519 '
    'AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ jane@acme.example"]}]}',
)


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (LAB.replace("backup: {to: /srv/backup}\n", ""), "declares no backup"),
        (LAB + "posthog: {deploy: false}\n", "PostHog is not deployed here"),
        (ONPREM, "target.kind: onprem makes none"),
        (LAB, "not known what was last installed whole"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_and_touches_nothing(
    work: Work, capsys: pytest.CaptureFixture[str], declared: str, said: str
) -> None:
    work.source.write_text(declared)
    assert main(["upgrade", str(work.source), "--rehearse"]) == 2
    assert said in capsys.readouterr().err
    assert work.deployment.declaration.read_text() == LAB


def test_an_older_release_is_no_upgrade(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    work.deployment.begin("2027-02")
    assert main(["upgrade", str(work.source), "--rehearse"]) == 2
    assert "upstream's migrations do not go back" in capsys.readouterr().err

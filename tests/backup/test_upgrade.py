"""An upgrade from end to end: rehearsed, brought up, killed and finished, and one that fails and goes back.

The lab has one release, so what is newer are other images. Minutes each: `make test-backup`, and not `make test`.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hedgerow import attempts, installed
from hedgerow.deployment import Deployment
from hedgerow.image_lock import ImageLock, Locked
from hedgerow.images import table_of
from hedgerow.targets.lab import LabTarget
from tests.backup import variants
from tests.backup.test_backup import insert, sql, well
from tests.conftest import REPOSITORY, Lab

pytestmark = pytest.mark.lab
NAME = "t-upg"
ROWS = 1_234
RISK = "--risk-unrehearsed-migrations"
DECLARATION = f"""\
name: {NAME}
domain: analytics.acme.example
target: {{kind: lab}}
access: {{ingest_from: [any]}}
backup: {{to: /srv/backup}}
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A host with rows of ours, and a list of migrations as Django keeps one; removed in the end, however it comes."""
    lab = Lab(tmp_path_factory.mktemp("upgrade"), NAME)
    lab.declaration.write_text(DECLARATION)
    with lab.on_its_own(f"{NAME}-drill"):
        well(lab.installer("install", str(lab.declaration), "--json", "--yes", seconds=1800))
        sql(lab, "set role posthog_web; create table kept (what text)")
        sql(lab, "set role posthog_web; create table django_migrations (app text, name text)")
        sql(lab, "insert into django_migrations values ('posthog', '0001_initial')")
        insert(lab, "before", ROWS)
        well(lab.installer("backup", "now", NAME, "--json"))
        yield lab


def labelled(text: str) -> variants.Change:
    """Return what makes another image of each, which does the same."""

    def change(_name: str, config: dict[str, Any]) -> None:
        config["Labels"]["of"] = text

    return change


def broken(name: str, config: dict[str, Any]) -> None:
    """Have PostHog's own image end at once."""
    labelled("a bad day")(name, config)
    if name == "posthog":
        config["Entrypoint"] = ["python3", "-c", "raise SystemExit('a migration of the test does not end well')"]


def locked(lab: Lab, name: str, change: variants.Change) -> ImageLock:
    """Lock other images, as `images load` would."""
    made = variants.lock(lab.folder / name, table_of(lab.work.declaration), change)
    made.write(lab.deployment.root)
    return made


def runs(lab: Lab) -> dict[str, str]:
    """Return the digest that each service runs of those that the tests change."""
    words = "podman inspect --format '{{.Name}} {{.ImageName}}' hedgerow-web hedgerow-worker hedgerow-capture"
    rows = [line.split() for line in lab.run(lab.host, words).stdout.splitlines()]
    return {name: image.partition("@")[2] for name, image in rows}


def digests(lock: ImageLock) -> dict[str, str]:
    images = lock.images
    return {
        "hedgerow-web": images["posthog"].digest,
        "hedgerow-worker": images["posthog"].digest,
        "hedgerow-capture": images["capture"].digest,
    }


def images_of(found: installed.Installed | None) -> dict[str, Locked]:
    assert found is not None
    return dict(found.images)


def count(lab: Lab) -> int:
    return int(sql(lab, "select count(*) from kept"))


def journal(lab: Lab) -> list[dict[str, Any]]:
    lines = (lab.deployment.root / "journal.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["verb"] == "upgrade"]


def left_behind() -> list[str]:
    """Return what there is of a scratch deployment: its lab, its folder, its keys."""
    scratch = Deployment(f"{NAME}-drill")
    places = (LabTarget(scratch.name).place.folder, scratch.root, scratch.key_file, scratch.caller_file)
    return [str(place) for place in places if place.exists()]


def test_a_rehearsal_shows_what_an_upgrade_would_do_and_touches_nothing(kept: Lab) -> None:
    before = runs(kept)
    lock = locked(kept, "second", labelled("another day"))
    refused = kept.installer("upgrade", NAME, "--json")
    assert refused.code == 2
    assert "was not rehearsed" in refused.json["error"]
    answer = well(kept.installer("upgrade", NAME, "--rehearse", "--json", seconds=3600))
    found = answer.json["rehearsal"]
    assert found["ok"], found
    assert found["smoke"]
    assert found["rows"] >= ROWS
    assert found["images"]["posthog"] == lock.images["posthog"].digest
    assert 0 < found["seconds_to_migrate"] < 600
    assert found["migrations"] == [], "there is a list, and nothing came to it"
    (measured,) = found["peaks"].values()
    assert measured["memory"]["peak"] > 50 << 20
    assert measured["containers"]["peak"] >= measured["containers"]["before"] > 50 << 20
    assert measured["postgresql"]["peak"] > 0
    assert answer.json["changes"]["images"]["posthog"][1] == lock.images["posthog"].digest
    assert json.loads(Path(answer.json["evidence"]).read_text()) == found
    assert left_behind() == []
    assert runs(kept) == before
    assert count(kept) == ROWS


def test_what_was_rehearsed_comes_up_with_all_data(kept: Lab) -> None:
    rows = count(kept)
    insert(kept, "after", 7)
    told = well(kept.installer("upgrade", NAME, "--json", seconds=1800)).json
    assert told["outcome"] == "upgraded"
    assert told["upgrade"]["rehearsal"]
    assert runs(kept) == digests(ImageLock.read(kept.deployment.root))
    assert count(kept) == rows + 7
    again = well(kept.installer("upgrade", NAME, "--json"))
    assert again.json == {"outcome": "nothing to do"}
    settled = well(kept.installer("install", NAME, "--json", "--yes")).json
    assert settled["hosts"]["hedge-1"]["changed"] == 0, settled


def test_one_that_fails_is_taken_back_without_losing_a_row(kept: Lab) -> None:
    before, whole = runs(kept), images_of(installed.read(kept.deployment))
    rows = count(kept)
    insert(kept, "last", 3)
    locked(kept, "bad", broken)
    answer = kept.installer("upgrade", NAME, RISK, "--json", seconds=1800)
    assert answer.code == 1, answer.out + answer.err
    told = answer.json
    assert told["outcome"] == "taken back"
    assert "a migration of the test does not end well" in told["upgrade"]["why"]
    assert told["upgrade"]["smoke"], "what was there before works again"
    assert told["summary"]["fail"] == 0
    assert runs(kept) == before
    assert dict(ImageLock.read(kept.deployment.root).images) == whole
    assert count(kept) == rows + 3
    assert attempts.read(kept.deployment) is None
    assert journal(kept)[-1]["outcome"] == "taken back"
    settled = well(kept.installer("install", NAME, "--json", "--yes")).json
    assert settled["hosts"]["hedge-1"]["changed"] == 0, settled


def test_one_that_is_killed_in_the_middle_is_finished_by_the_same_command(kept: Lab) -> None:
    rows, lock = count(kept), locked(kept, "third", labelled("a third day"))
    line = [sys.executable, str(REPOSITORY / "installer.py"), "upgrade", NAME, RISK, "--quiet"]
    with subprocess.Popen(line, env=kept.environment, cwd=kept.folder, stdin=subprocess.DEVNULL) as going:
        end = time.monotonic() + 900
        while (found := attempts.read(kept.deployment)) is None or not found.moment:
            assert time.monotonic() < end, "it did not come so far"
            assert going.poll() is None, "the upgrade ended early"
            time.sleep(0.5)
        going.send_signal(signal.SIGKILL)
    told = well(kept.installer("upgrade", NAME, "--json", seconds=1800)).json
    assert told["outcome"] == "upgraded"
    assert runs(kept) == digests(lock)
    assert count(kept) == rows
    assert images_of(installed.read(kept.deployment)) == dict(lock.images)
    assert attempts.read(kept.deployment) is None

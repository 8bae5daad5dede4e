"""A drill, from end to end: one that is killed, one that finds a damaged backup, and one that goes well.

Two installs on hosts of their own: `make test-backup`, and not part of `make test`.
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

from hedgerow.deployment import Deployment
from hedgerow.targets.lab import LabTarget
from tests.backup.test_backup import insert, sql, well
from tests.conftest import REPOSITORY, Lab

pytestmark = pytest.mark.lab
NAME = "t-drilled"
ROWS = 1_234
DECLARATION = f"""\
name: {NAME}
domain: analytics.acme.example
target: {{kind: lab}}
access: {{ingest_from: [any]}}
backup: {{to: /srv/backup, drill_days: 30}}
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A host with a backup of rows of ours; removed in the end, and what a drill may have left too."""
    lab = Lab(tmp_path_factory.mktemp("drill"), NAME)
    lab.declaration.write_text(DECLARATION)
    with lab.on_its_own(f"{NAME}-drill"):
        well(lab.installer("install", str(lab.declaration), "--json", "--yes", seconds=1800))
        sql(lab, "set role posthog_web; create table kept (what text)")
        insert(lab, "before", ROWS)
        well(lab.installer("backup", "now", NAME, "--json"))
        yield lab


def left_behind() -> list[str]:
    """Return what there is of a scratch deployment: its lab, its folder, its keys."""
    scratch = Deployment(f"{NAME}-drill")
    places = (LabTarget(scratch.name).place.folder, scratch.root, scratch.key_file, scratch.caller_file)
    return [str(place) for place in places if place.exists()]


def booted() -> bool:
    """Whether a scratch host runs."""
    lab = LabTarget(f"{NAME}-drill")
    return lab.place.state.exists() and any(state.state == "running" for state in lab.observe())


def drilled(lab: Lab) -> Any:
    """Return the finding of the control."""
    return next(iter(lab.verify(["backup.drilled"])))


def journal(lab: Lab) -> list[dict[str, Any]]:
    lines = (lab.deployment.root / "journal.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["verb"] == "drill"]


def test_a_killed_drill_leaves_what_the_next_one_removes(kept: Lab) -> None:
    """The next one finds a damaged backup besides: it says so, and boots nothing."""
    assert drilled(kept).status == "not-exercised", "the first is not due at once"
    line = [sys.executable, str(REPOSITORY / "installer.py"), "drill", NAME, "--quiet"]
    with subprocess.Popen(line, env=kept.environment, cwd=kept.folder, stdin=subprocess.DEVNULL) as going:
        end = time.monotonic() + 300
        while not booted():
            assert time.monotonic() < end, "no scratch host came up"
            assert going.poll() is None, "the drill ended early"
            time.sleep(0.5)
        going.send_signal(signal.SIGKILL)
    assert left_behind(), "a killed drill cannot tidy up"
    newest = well(kept.installer("backup", "list", NAME, "--json")).json["backups"][0]
    file = f"/srv/backup/{NAME}/postgres/backup/hedgerow/{newest['holds']['postgres']['label']}/backup.manifest"
    kept.run(kept.host, f"cp -a {file} /root/whole; truncate -s -1 {file}")
    bad = kept.installer("drill", NAME, "--json")
    kept.run(kept.host, f"cp -a /root/whole {file}")
    assert bad.code == 1, bad.out + bad.err
    assert not bad.json["drill"]["ok"]
    assert "bytes and had" in bad.json["drill"]["problems"][0]
    assert left_behind() == []
    assert drilled(kept).status == "fail"
    assert journal(kept)[-1]["outcome"] == "the backup did not hold"


def test_a_drill_finds_every_row_and_says_how_long_it_took(kept: Lab) -> None:
    insert(kept, "after", 7)
    answer = well(kept.installer("drill", NAME, "--json", seconds=3600))
    found = answer.json["drill"]
    assert found["ok"], found
    assert found["smoke"], "what was restored takes events and shows them"
    assert found["rows"] >= ROWS
    assert found["tables"] > 1
    assert "clickhouse" not in found["left_out"], "its events are restored and compared, too"
    assert not [each for each in found["brought"] if "second factor" in each], "the backup itself holds it"
    assert 0 < found["seconds_to_restore"] < 3600
    assert 0 <= found["lost_seconds"] < 3600
    assert found["stand_in"], "a lab runs stand-ins, and it is said"
    assert left_behind() == []
    finding = drilled(kept)
    assert finding.status == "pass"
    assert found["backup"] in finding.observed
    assert journal(kept)[-1]["outcome"] == "done"
    assert json.loads(Path(answer.json["evidence"]).read_text()) == found
    # Nothing was done to the deployment itself.
    assert sql(kept, "select count(*) from kept") == str(ROWS + 7)

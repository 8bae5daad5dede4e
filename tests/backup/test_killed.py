"""The installer killed in the middle of its work, three times a verb: the next run recovers, and no event is lost.

Events come in by the edge all the while, as an SDK sends them; in the end each that the edge has acknowledged is found.
An hour or two: `make test-killed`, and not `make test`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hedgerow import attempts, proof
from hedgerow.smoke import steady, steps
from hedgerow.smoke.steady import Steady, Tally
from tests.backup import test_upgrade
from tests.backup.test_backup import well
from tests.conftest import REPOSITORY, Lab

pytestmark = [pytest.mark.lab, pytest.mark.long]
NAME = "t-kill"
DECLARATION = f"""\
name: {NAME}
domain: analytics.acme.example
target: {{kind: lab}}
access: {{ingest_from: [any]}}
backup: {{to: /srv/backup}}
"""
SETS = f"/srv/backup/{NAME}/sets"
UNIT = "hedgerow-backup.service"
MOST_SECONDS = 3600.0
"""However busy the machine is."""
Reached = Callable[[Lab, Path], bool]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """An installed host with a backup; removed in the end, however that comes."""
    lab = Lab(tmp_path_factory.mktemp("killed"), NAME)
    lab.declaration.write_text(DECLARATION)
    with lab.on_its_own():
        well(lab.installer("install", str(lab.declaration), "--json", "--yes", seconds=MOST_SECONDS))
        yield lab


def route(lab: Lab) -> steady.Route:
    """Return the way that events go now."""
    return steady.route(proof.smoke_sheet(lab.work, lab.site))


def found(lab: Lab, sending: Steady) -> Tally:
    """End the sending and look for every event, as whoever signs in now."""
    trip = steps.journey(proof.smoke_sheet(lab.work, lab.site), "killed")
    session, _ = steps.sign_in(trip, steps.page(trip)[0])
    key, _ = steps.make_key(trip, steps.project(trip, session)[0])
    try:
        tally, words = sending.look(trip, key)
    finally:
        steps.drop_key(trip, key)
    print(words)
    assert tally.found == tally.sent > 0
    return tally


def killed(lab: Lab, words: tuple[str, ...], reached: Reached) -> None:
    """Begin a verb, and kill the installer as `reached` says that it has come so far."""
    folder = lab.folder / f"run-{int(time.time())}"
    folder.mkdir()
    line = [sys.executable, str(REPOSITORY / "installer.py"), *words]
    with (
        (folder / "said").open("w") as said,
        subprocess.Popen(
            line, env=lab.environment, cwd=lab.folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        ) as going,
    ):
        end = time.monotonic() + MOST_SECONDS
        while not reached(lab, folder):
            assert going.poll() is None, f"it ended before: {(folder / 'said').read_text()[-3000:]}"
            assert time.monotonic() < end, "it did not come so far"
            time.sleep(0.2)
        going.send_signal(signal.SIGKILL)
    assert going.returncode == -signal.SIGKILL


def began(folder: Path) -> int:
    """When the run of a folder began, in seconds of the epoch."""
    return int(folder.name.partition("-")[2])


def at_task(name: str) -> Reached:
    """The converge has come to a task; what an earlier one that was killed has left is older."""
    return lambda lab, folder: any(
        path.stat().st_mtime > began(folder) and f"TASK [{name}" in path.read_text(errors="replace")
        for path in lab.deployment.root.glob(".run/artifacts/*/stdout")
    )


def on_host(condition: str, then: str = "true") -> Reached:
    """Something holds on the host; what is done `then` is done there, without the way by the network between."""
    line = f"for n in $(seq 20); do if {condition}; then {then}; exit 0; fi; sleep 0.05; done; exit 1"
    return lambda lab, _: lab.run(lab.host, line).returncode == 0


def vault_changed(lab: Lab, folder: Path) -> bool:
    """The secrets that go are forgotten, and none is made anew yet."""
    return lab.deployment.secrets.stat().st_mtime > began(folder)


ROTATE = {
    "as the secrets are forgotten": vault_changed,
    "as the stores have new ones": at_task("clickhouse : "),
    "as the services start anew": at_task("posthog : Services | Run them as described"),
}


@pytest.mark.parametrize("point", ROTATE)
def test_a_killed_rotation_is_finished_by_the_next(kept: Lab, point: str) -> None:
    sending = Steady(route(kept))
    try:
        killed(kept, ("rotate", NAME, "all"), ROTATE[point])
        told = well(kept.installer("rotate", NAME, "all", "--json", seconds=MOST_SECONDS)).json
        assert told["summary"]["fail"] == told["summary"]["error"] == 0, told["summary"]
        print(told["events"])
        found(kept, sending)
    finally:
        sending.stop()


KILL_UNIT = f"systemctl kill -s KILL {UNIT}"
BACKUP = {
    "as it begins": on_host(f"systemctl is-active -q {UNIT} || systemctl show -P ActiveState {UNIT} | grep -q ing"),
    "and what makes it too, as PostgreSQL is copied": on_host("pgrep -x pgbackrest >/dev/null", KILL_UNIT),
    "and what makes it too, as it is sealed": on_host(f"ls -d {SETS}/.2* >/dev/null 2>&1", KILL_UNIT),
}


@pytest.mark.parametrize("point", BACKUP)
def test_a_killed_backup_is_made_by_the_next(kept: Lab, point: str) -> None:
    before = {row["id"] for row in well(kept.installer("backup", "list", NAME, "--json")).json["backups"]}
    sending = Steady(route(kept))
    try:
        killed(kept, ("backup", "now", NAME), BACKUP[point])
        made = well(kept.installer("backup", "now", NAME, "--json")).json
        assert made["id"] not in before
        assert well(kept.installer("backup", "verify", NAME, "--json")).json["problems"] == []
        rows = well(kept.installer("backup", "list", NAME, "--json")).json["backups"]
        assert [row["problem"] for row in rows] == [""] * len(rows), "no half of one is left"
        well(kept.installer("status", NAME))
        found(kept, sending)
    finally:
        sending.stop()


STOPPED = "! systemctl is-active -q hedgerow-capture.service"
RESTORE = {
    "as the services are stopped": on_host(STOPPED),
    "as the data are put back": on_host("test -e /var/lib/hedgerow/backup/restoring"),
    "as the services start anew": at_task("posthog : Services | Run them as described"),
}


@pytest.mark.parametrize("point", RESTORE)
def test_a_killed_restore_is_finished_by_the_next(kept: Lab, point: str) -> None:
    """What was acknowledged before the backup is there, and so is all since the services were stopped for it."""
    earlier = Steady(route(kept))
    time.sleep(20)
    earlier.stop()
    made = well(kept.installer("backup", "now", NAME, "--json")).json
    words, way = ("restore", NAME, "--from", made["id"], "--yes"), route(kept)
    killed(kept, words, RESTORE[point])
    sending = Steady(way)
    try:
        told = well(kept.installer(*words, "--json", seconds=MOST_SECONDS)).json
        assert told["summary"]["fail"] == told["summary"]["error"] == 0, told["summary"]
        found(kept, earlier)
        found(kept, sending)
    finally:
        sending.stop()


UPGRADE = {
    "before anything is stopped": lambda lab, _: attempts.read(lab.deployment) is not None,
    "as the services are stopped": on_host(STOPPED),
    "as the services start anew": at_task("posthog : Services | Run them as described"),
}


@pytest.mark.parametrize("point", UPGRADE)
def test_a_killed_upgrade_is_finished_by_the_next(kept: Lab, point: str) -> None:
    lock = test_upgrade.locked(kept, f"as-{len(point)}", test_upgrade.labelled(point))
    words = ("upgrade", NAME, test_upgrade.RISK)
    sending = Steady(route(kept))
    try:
        killed(kept, words, UPGRADE[point])
        told = well(kept.installer(*words, "--json", seconds=MOST_SECONDS)).json
        assert (told["outcome"], told["summary"]["fail"]) == ("upgraded", 0)
        assert test_upgrade.runs(kept) == test_upgrade.digests(lock)
        found(kept, sending)
    finally:
        sending.stop()


def test_what_all_of_it_leaves_is_whole(kept: Lab) -> None:
    told = well(kept.installer("install", NAME, "--json", "--yes", seconds=MOST_SECONDS)).json
    assert told["hosts"]["hedge-1"]["changed"] == 0, told
    assert told["summary"]["fail"] == told["summary"]["error"] == 0, told["summary"]

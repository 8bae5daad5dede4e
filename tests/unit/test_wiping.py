"""`destroy --wipe`: what is written over, what is left and said, and what becomes of keys and record."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hedgerow import flow
from hedgerow.cli import main
from hedgerow.deployment import Deployment
from hedgerow.errors import CallError, UnreachableError
from hedgerow.hosts import Change, Host, Site
from hedgerow.targets import wipe_on_host, wiping
from tests.unit.test_ending import HOLD, LAB, ONPREM, Target, declare, journal, record
from tests.unit.test_ending import place as place  # noqa: PLC0414 - a fixture

PLAIN = {"target": "/", "source": "/dev/sda1", "fstype": "ext4"}


class Machine(wipe_on_host.Machine):
    """A host that answers from a table: the beginning of a command -> exit code and words; `asked` are all commands."""

    def __init__(self, answers: Mapping[str, tuple[int, object]] | None = None) -> None:
        usual = {"systemctl is-active": (3, ""), "lsblk": (32, "not a block device"), "findmnt": mounted(PLAIN)}
        self.answers: dict[str, tuple[int, object]] = {**usual, **(answers or {})}
        self.asked: list[str] = []

    def run(self, *words: str) -> tuple[int, str]:
        line = " ".join(words)
        self.asked.append(line)
        best = max((key for key in self.answers if line.startswith(key)), key=len, default="")
        code, said = self.answers.get(best, (0, ""))
        return code, said if isinstance(said, str) else json.dumps(said)


def mounted(*rows: dict[str, str]) -> tuple[int, object]:
    return 0, {"filesystems": list(rows)}


def asked(*folders: Path, kept: tuple[str, ...] = ()) -> dict[str, Any]:
    names = [str(folder) for folder in folders]
    return {"deployment": "acme", "folders": names, "units": ["nginx.service"], "kept": list(kept), "kept_units": []}


def test_what_was_there_is_written_over_and_the_folder_stays(tmp_path: Path) -> None:
    data, other, outside = tmp_path / "data", tmp_path / "other", tmp_path / "outside"
    (data / "deep" / "er").mkdir(parents=True)
    file = data / "deep" / "er" / "table"
    file.write_bytes(b"secret" * 500_000)
    other.hardlink_to(file)
    outside.write_text("not ours")
    (data / "link").symlink_to(outside)
    os.mkfifo(data / "pipe")
    (data / "kept").mkdir()
    (data / "kept" / "key").write_text("stays")
    machine = Machine({"findmnt": mounted(PLAIN)})
    said = wipe_on_host.wipe(machine, asked(data, tmp_path / "nowhere", kept=(str(data / "kept"),)))
    (row,) = said["cleared"]
    assert row == {"path": str(data), "files": 1, "bytes": 3_000_000, "left": 0, "clear": True}
    assert [path.name for path in data.iterdir()] == ["kept"]
    assert (data / "kept" / "key").read_text() == "stays"
    assert outside.read_text() == "not ours"
    assert other.stat().st_size == 3_000_000
    assert b"secret" not in other.read_bytes()
    assert "fstrim /" in machine.asked
    again = wipe_on_host.wipe(machine, asked(data, kept=(str(data / "kept"),)))
    assert again["cleared"][0]["files"] == 0


def test_a_hole_is_not_filled(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with file.open("wb") as stream:
        stream.write(b"secret" * 1000)
        stream.truncate(1 << 40)
    assert 6000 <= wipe_on_host.overwrite(file) < 1 << 20
    assert file.stat().st_size == 1 << 40
    assert b"secret" not in file.open("rb").read(6000)


def test_what_cannot_be_removed_is_left_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").write_text("secret")

    def refuse(_: Path) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(wipe_on_host, "overwrite", refuse)
    said = wipe_on_host.wipe(Machine({"findmnt": mounted(PLAIN)}), asked(tmp_path))
    assert said["cleared"][0]["left"] == 1
    assert f"{tmp_path / 'one'}: Operation not permitted" in said["notes"]
    wiped = wiping.read("one", said)
    assert not wiped.whole
    assert "not done" in wiped.rows[0].detail


def test_services_stop_for_good_and_one_that_runs_on_is_said(tmp_path: Path) -> None:
    listed = "hedgerow-web.service loaded active\nhedgerow-guard.service loaded\npostgresql@.service static\n"
    machine = Machine({"systemctl list-units": (0, listed), "systemctl is-active -q hedgerow-web": (0, "")})
    question = {**asked(), "kept_units": ["hedgerow-guard.service"]}
    said = wipe_on_host.wipe(machine, question)
    assert machine.asked.count("systemctl stop hedgerow-web.service nginx.service") == wipe_on_host.STEPS
    assert "systemctl disable nginx.service" in machine.asked
    assert said["notes"][0] == "hedgerow-web.service could not be stopped"
    assert not wiping.read("one", said).whole


@pytest.mark.parametrize(
    ("fstype", "clear", "said"),
    [
        ("xfs", True, "SP 800-88, clear"),
        ("btrfs", False, "neither clear nor purge"),
        ("overlay", False, "neither clear nor purge"),
    ],
)
def test_where_overwriting_does_not_reach_it_is_not_called_clear(
    tmp_path: Path, fstype: str, clear: bool, said: str
) -> None:
    (tmp_path / "one").write_text("secret")
    machine = Machine({"findmnt": mounted({**PLAIN, "fstype": fstype}), "fstrim": (1, "not supported")})
    answer = wipe_on_host.wipe(machine, asked(tmp_path))
    wiped = wiping.read("one", answer)
    assert answer["cleared"][0]["clear"] is clear
    assert said in wiped.rows[0].detail
    assert any("writes elsewhere" in note for note in wiped.notes) is not clear
    assert any("discard" in note and "not supported" in note for note in wiped.notes)
    assert wiped.whole


def test_another_machines_disk_is_left_and_said(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("encrypted")
    share = {"target": str(tmp_path), "source": "nas:/backup", "fstype": "nfs4"}
    said = wipe_on_host.wipe(Machine({"findmnt": mounted(PLAIN, share)}), asked(tmp_path))
    assert (tmp_path / "one").exists()
    assert said["cleared"] == []
    assert "another machine's: left as it is" in said["notes"][0]


def luks(*targets: str, **more: tuple[int, object]) -> Machine:
    up = {
        "blockdevices": [
            {
                "name": "/dev/mapper/d",
                "fstype": "ext4",
                "children": [
                    {"name": "/dev/sdb1", "fstype": "crypto_LUKS", "children": [{"name": "/dev/sdb", "fstype": None}]}
                ],
            }
        ]
    }
    down = {
        "blockdevices": [
            {"name": "/dev/sdb1", "mountpoints": [None]},
            {"name": "/dev/mapper/d", "mountpoints": list(targets)},
        ]
    }
    return Machine(
        {
            "lsblk -sJ": (0, up),
            "lsblk -lJ": (0, down),
            "cryptsetup luksDump": (0, {"keyslots": {}}),
            **{key.replace("_", " "): value for key, value in more.items()},
        }
    )


def test_an_encrypted_device_of_data_alone_loses_its_keys(tmp_path: Path) -> None:
    machine = luks(str(tmp_path))
    machine.answers["findmnt"] = mounted(PLAIN, {"target": str(tmp_path), "source": "/dev/mapper/d", "fstype": "ext4"})
    said = wipe_on_host.wipe(machine, asked(tmp_path))
    assert said["purged"] == ["/dev/sdb1"]
    assert machine.asked.index(f"umount {tmp_path}") < machine.asked.index("cryptsetup -q luksErase /dev/sdb1")
    assert "SP 800-88, purge" in wiping.read("one", said).rows[-1].detail


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (luks("/"), "carries / too"),
        (luks("/data", "[SWAP]"), "carries \\[SWAP\\] too"),
        (luks("/data", umount=(1, "target is busy")), "could not be unmounted: target is busy"),
        (luks("/data", cryptsetup__q=(0, ""), cryptsetup_luksDump=(0, {"keyslots": {"0": {}}})), "still has a key"),
    ],
)
def test_a_device_that_the_system_needs_keeps_its_header(machine: Machine, said: str) -> None:
    assert re.search(said, wipe_on_host.purge(machine, "/dev/sdb1", {}))
    if "still" not in said:
        assert not any("luksErase" in line for line in machine.asked)


@pytest.mark.parametrize(("theirs", "refused"), [("acme", False), ("other", True), (None, False)])
def test_a_host_of_another_deployment_is_refused(tmp_path: Path, theirs: str | None, refused: bool) -> None:
    marker = tmp_path / "question.json"
    if theirs:
        marker.write_text(json.dumps({"deployment": theirs}))
    assert bool(wipe_on_host.stranger(asked(), marker)) is refused


HOSTS = tuple(Host(name, "192.0.2.10", "192.0.2.10", "debian") for name in ("one", "two"))


@pytest.fixture
def hosts(place: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two hosts that are wiped as they are asked; returns their names as it is done. After "silent" the second is."""
    told: list[str] = []

    def ask(host: Host, *_: object) -> wiping.Wiped:
        if told == ["silent", "one"]:
            raise UnreachableError("two does not answer")
        told.append(host.name)
        row = Change("delete", "data", f"{host.name}:/var/lib/postgresql", "3 files")
        return wiping.Wiped((row,), (f"{host.name}: swap was not written over",), True)

    target = Target([])
    target.site = lambda: Site(HOSTS, "192.0.2.1")  # type: ignore[attr-defined]
    monkeypatch.setattr(flow, "target_of", lambda *_: target)
    monkeypatch.setattr(wiping, "ask", ask)
    return told


def test_a_wipe_is_written_down_host_by_host_and_the_keys_go_last(
    place: Path, hosts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["destroy", declare(place, ONPREM), "--wipe", "--yes", "--json"]) == 0
    [end] = record()
    assert [row["name"] for row in end["removed"]] == [
        "one:/var/lib/postgresql",
        "two:/var/lib/postgresql",
        "acme.key",
    ]
    assert end["notes"] == ["one: swap was not written over", "two: swap was not written over"]
    assert {row["kind"] for row in end["kept"]} == {"software", "records"}
    assert not Deployment("acme").key_file.exists()
    assert journal()[-1]["not_done"] == end["notes"]
    assert json.loads(capsys.readouterr().out)["notes"] == end["notes"]


def test_a_host_that_falls_silent_keeps_the_keys_and_the_record_of_the_other(place: Path, hosts: list[str]) -> None:
    hosts.append("silent")
    assert main(["destroy", declare(place, ONPREM), "--wipe", "--yes"]) == 3
    assert Deployment("acme").key_file.exists()
    [end] = record()
    assert [row["name"] for row in end["removed"]] == ["one:/var/lib/postgresql"]
    assert end["notes"][-1].startswith("not finished")
    assert journal()[-1]["outcome"] == "not finished"


def test_what_refuses_a_wipe(place: Path, hosts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["destroy", declare(place, LAB), "--wipe", "--yes"]) == 2
    assert "machines of your own" in capsys.readouterr().err
    assert main(["destroy", declare(place, ONPREM), "--wipe"]) == 2
    assert "Say --yes." in capsys.readouterr().err
    assert main(["destroy", declare(place, ONPREM + HOLD), "--wipe", "--yes"]) == 2
    assert "legal hold" in capsys.readouterr().err
    (place / "other.yml").write_text(ONPREM.replace("name: acme", "name: other"))
    assert main(["destroy", str(place / "other.yml"), "--wipe", "--yes"]) == 2
    assert "was never installed" in capsys.readouterr().err
    assert hosts == []


def test_a_host_that_is_another_deployments_stops_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Answer:
        returncode = 0
        stdout = json.dumps({"refused": "this host is of the deployment other: nothing was touched"})

    monkeypatch.setattr(wiping.ssh, "ask", lambda *_, **__: Answer())
    with pytest.raises(CallError, match="of the deployment other"):
        wiping.ask(HOSTS[0], tmp_path, "acme", "")

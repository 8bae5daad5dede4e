"""The encrypted volume: what is declared, what the modules would do, and the checks, each seen to pass and to fail."""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checks import test_volume as checks
from hedgerow import budget, volumes
from hedgerow.checking import Finder
from hedgerow.declaration import DeclarationError, parse
from tests.unit.told import DECLARED, Told, outcome

REPOSITORY = Path(__file__).parents[2]
THUMBPRINT = "3ZWS6-cDrCG61UPJS2BMmPU4I54"
TANG = "http://192.0.2.75:7500"
KEY = {"kty": "EC", "crv": "P-521", "x": "abc", "y": "def", "alg": "ES512", "key_ops": ["verify"]}


def loaded(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "roles/volume/library" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


volume, folders = loaded("hedgerow_volume"), loaded("hedgerow_volume_folders")


def token(pin: str, slot: str, **pinned: Any) -> dict[str, Any]:
    head = base64.urlsafe_b64encode(json.dumps({"clevis": {"pin": pin, pin: pinned}}).encode()).decode().rstrip("=")
    return {"type": "clevis", "keyslots": [slot], "jwe": {"protected": head}}


def header(slots: dict[str, str], *tokens: dict[str, Any]) -> str:
    kept = {slot: {"type": "luks2", "kdf": {"type": kind}} for slot, kind in slots.items()}
    return json.dumps({"keyslots": kept, "tokens": {str(number): each for number, each in enumerate(tokens)}})


BOUND = token("tang", "1", url=TANG, adv={"keys": [KEY]})
WHOLE = header({"0": "argon2id", "1": "pbkdf2"}, BOUND)

DECLARATION = """\
name: acme
domain: analytics.acme.example
target: {kind: lab, machine: vm}
"""


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{device: /dev/vdb, unlock: tpm2}", ""),
        (f"{{device: /dev/vdb, unlock: tang, tang: '{TANG}', thumbprint: {THUMBPRINT}}}", ""),
        (f"{{device: /dev/vdb, unlock: tang, thumbprint: {THUMBPRINT}}}", "tang"),
        (f"{{device: /dev/vdb, unlock: tang, tang: '{TANG}'}}", "an unknown server"),
        (f"{{device: /dev/vdb, unlock: tpm2, tang: '{TANG}'}}", "used only with unlock: tang"),
        ("{device: /mnt/disk, unlock: tpm2}", "no disk of a host"),
        ("{device: /dev/../etc/passwd, unlock: tpm2}", "no disk of a host"),
        (
            "{device: /dev/vdb, unlock: tang, tang: 'http://tang.acme.example', thumbprint: x}",
            "A firewall knows no names",
        ),
        ("{device: /dev/vdb, unlock: tang, tang: 'http://192.0.2.300', thumbprint: x}", "no address of a Tang server"),
    ],
)
def test_what_is_declared(written: str, words: str) -> None:
    if not words:
        assert parse(f"{DECLARATION}encrypted_volume: {written}\n").encrypted_volume
        return
    with pytest.raises(DeclarationError, match=words):
        parse(f"{DECLARATION}encrypted_volume: {written}\n")


def test_where_the_server_is() -> None:
    written = f"{{device: /dev/vdb, unlock: tang, tang: '{TANG}/', thumbprint: {THUMBPRINT}}}"
    declaration = parse(f"{DECLARATION}encrypted_volume: {written}\n")
    assert declaration.encrypted_volume
    assert declaration.encrypted_volume.server == ("192.0.2.75", 7500)
    assert volumes.secrets(declaration) == {"volume.recovery": "secret_key"}
    assert volumes.values(declaration)["volume_tang"] == TANG


def test_what_needs_room_where() -> None:
    own, stores = budget.apart({"system": 1, "images": 2, "postgresql": 4, "headroom": 8})
    assert (own, stores) == ({"system": 1, "images": 2, "headroom": 8}, {"postgresql": 4, "headroom": 8})


def test_who_opens_which_slot() -> None:
    (slot, binding), *others = volume.bindings(WHOLE).items()
    mine = volume.thumbprint(KEY, "sha256")
    assert (slot, others, binding.pin, binding.url) == (1, [], "tang", TANG)
    assert binding.is_declared("tang", TANG, mine)
    assert binding.is_declared("tang", TANG, volume.thumbprint(KEY, "sha1"))
    assert not binding.is_declared("tang", "http://192.0.2.76:7500", mine)
    assert not binding.is_declared("tang", TANG, THUMBPRINT)
    assert not binding.is_declared("tpm2", "", "")


class Runner:
    """What the modules ask of a host, answered from a list; what they do is noted."""

    def __init__(self, answers: dict[str, tuple[int, str]], check_mode: bool = False) -> None:
        self.answers, self.check_mode, self.ran = answers, check_mode, []
        self.params = {"passphrase": "secret"}

    def run_command(self, words: list[str], data: str | None = None, binary_data: bool = False) -> tuple[int, str, str]:
        line = " ".join(words)
        assert "secret" not in line
        self.ran.append(line)
        code, out = next((answer for part, answer in self.answers.items() if part in line), (0, ""))
        return code, out, ""


EMPTY = {"lsblk": (0, json.dumps({"blockdevices": [{"path": "/dev/vdb", "mountpoints": [None]}]}))}


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (EMPTY, ""),
        (EMPTY | {"blkid": (0, "DEVNAME=/dev/vdb\nTYPE=ext4\n")}, "it holds ext4"),
        (EMPTY | {"blkid": (0, "PTTYPE=gpt\n")}, "it holds gpt"),
        ({"lsblk": (0, '{"blockdevices": [{"mountpoints": ["/mnt"]}]}')}, "it is mounted"),
        ({"lsblk": (0, '{"blockdevices": [{"children": [{}], "mountpoints": [null]}]}')}, "it has partitions"),
        ({"lsblk": (32, "")}, "there is no disk"),
    ],
)
def test_only_an_empty_disk_is_formatted(answers: dict, words: str) -> None:
    disk = volume.Disk(Runner(answers), "/dev/vdb", "data")
    if not words:
        volume.empty(disk)
        return
    with pytest.raises(volume.RefusedError, match=words):
        volume.empty(disk)


@pytest.mark.parametrize(
    ("dump", "done"),
    [
        (WHOLE, []),
        (header({"0": "argon2id"}), ["bind"]),
        (header({"0": "argon2id", "1": "pbkdf2", "2": "argon2id"}, BOUND), ["remove the key in slot 2"]),
        (
            header({"0": "argon2id", "1": "pbkdf2"}, token("tang", "1", url="http://192.0.2.9", adv={"keys": [KEY]})),
            ["bind", "remove the key in slot 1", "forget who opened slot 1"],
        ),
    ],
)
def test_keys_are_those_declared(dump: str, done: list[str]) -> None:
    disk = volume.Disk(Runner({"luksDump": (0, dump)}), "/dev/vdb", "data")
    wanted = {"unlock": "tang", "tang": TANG, "thumbprint": volume.thumbprint(KEY, "sha256")}
    volume.keys(disk, wanted, 0)
    assert [said.startswith(expected) for said, expected in zip(disk.done, done, strict=True)] == [True] * len(done)


def test_a_disk_of_somebody_elses_is_refused() -> None:
    disk = volume.Disk(Runner({"isLuks": (0, ""), "--test-passphrase": (2, "")}), "/dev/vdb", "data")
    with pytest.raises(volume.RefusedError, match="does not open it"):
        volume.formatted(disk, {"unlock": "tpm2", "tang": "", "thumbprint": ""})


def test_a_plan_promises_and_does_nothing() -> None:
    runner = Runner(EMPTY | {"isLuks": (1, "")}, check_mode=True)
    disk = volume.Disk(runner, "/dev/vdb", "data")
    volume.formatted(disk, {"unlock": "tpm2", "tang": "", "thumbprint": ""})
    assert [each.split()[0] for each in disk.done] == ["encrypt", "bind", "open"]
    assert not any("luksFormat" in line for line in runner.ran)


MAPPED = "/dev/mapper/hedgerow-data"


def mounts(*rows: str) -> dict[str, tuple[int, str]]:
    return {"findmnt": (0, json.dumps({"filesystems": [{"source": row} for row in rows]}))}


def test_what_is_mounted_over_the_volume_goes(tmp_path: Path) -> None:
    folder = tmp_path / "valkey"
    folder.mkdir()
    runner = Runner(mounts(f"{MAPPED}[/var/lib/valkey]", "/dev/vda[/opt/plain]"))
    folders.place(folders.Mover(runner), folder, tmp_path / "volume/valkey", Path(MAPPED))
    assert [line for line in runner.ran if not line.startswith("findmnt")] == [f"umount {folder}"]


def test_a_disk_that_somebody_mounted_there_stays(tmp_path: Path) -> None:
    runner = Runner(mounts("/dev/sdc1"))
    with pytest.raises(folders.FailedError, match="is mounted from /dev/sdc1"):
        folders.place(folders.Mover(runner), tmp_path / "valkey", tmp_path / "volume/valkey", Path(MAPPED))
    assert not any(line.startswith("umount") for line in runner.ran)


class Copying(Runner):
    """One that copies, as `cp` would."""

    def run_command(self, words: list[str], data: str | None = None, binary_data: bool = False) -> tuple[int, str, str]:
        if words[0] == "cp":
            Path(words[-1]).mkdir()
            for file in Path(words[-2]).iterdir():
                (Path(words[-1]) / file.name).write_bytes(file.read_bytes())
        return super().run_command(words, data, binary_data)


@pytest.mark.parametrize("killed", ["before", "half"])
def test_data_moves_whole_whenever_an_earlier_run_was_killed(tmp_path: Path, killed: str) -> None:
    folder, copy = tmp_path / "lib/postgresql", tmp_path / "volume/postgresql"
    folder.mkdir(parents=True)
    copy.parent.mkdir()
    (folder / "rows").write_text("new")
    if killed == "half":
        left = copy.with_name("postgresql.copying")
        left.mkdir()
        (left / "rows").write_text("old")
    folders.place(folders.Mover(Copying(mounts())), folder, copy, Path(MAPPED))
    assert (copy / "rows").read_text() == "new"
    assert list(folder.iterdir()) == []
    assert not folder.with_name("postgresql.before-volume").exists()
    assert not copy.with_name("postgresql.copying").exists()


@pytest.mark.parametrize("copied", ["postgresql.copying", "postgresql"])
def test_a_run_that_was_killed_after_the_copy_goes_on_with_it(tmp_path: Path, copied: str) -> None:
    folder, copy = tmp_path / "lib/postgresql", tmp_path / "volume/postgresql"
    old = folder.with_name("postgresql.before-volume")
    for each in (old, copy.with_name(copied)):
        each.mkdir(parents=True)
        (each / "rows").write_text(each.name)
    runner = Copying(mounts())
    folders.place(folders.Mover(runner), folder, copy, Path(MAPPED))
    assert (copy / "rows").read_text() == copied
    assert [each.name for each in copy.parent.iterdir()] == ["postgresql"]
    assert not old.exists()
    assert not any(line.startswith("cp") for line in runner.ran)


@pytest.mark.parametrize("beside", ["", "PG_VERSION"])
def test_a_volume_that_was_shut_keeps_what_is_on_it(tmp_path: Path, beside: str) -> None:
    """Nobody opened it when the host started: the folder is the closed place where it is mounted, and no data."""
    folder, copy = tmp_path / "lib/postgresql", tmp_path / "volume/postgresql"
    for each in (folder, copy):
        each.mkdir(parents=True)
    (copy / "rows").write_text("years of them")
    if beside:
        (folder / beside).write_text("")
    runner = Copying(mounts() | {"systemd-escape": (0, "var-lib-postgresql.mount\n")})
    if beside:
        with pytest.raises(folders.FailedError, match="was shut something was written in its place: PG_VERSION"):
            folders.place(folders.Mover(runner), folder, copy, Path(MAPPED))
    else:
        folders.place(folders.Mover(runner), folder, copy, Path(MAPPED))
        assert "systemctl start var-lib-postgresql.mount" in runner.ran
    assert (copy / "rows").read_text() == "years of them"
    assert not any(line.startswith("cp") for line in runner.ran)


VOLUME = checks.Volume(MAPPED, "/dev/vdb")
PLACES = dict.fromkeys(checks.FOLDERS, VOLUME)
OURS = replace(DECLARED, volume="tang")
STATUS = "  type:    LUKS2\n  cipher:  aes-xts-plain64\n  keysize: 512 bits\n"
ANSWERS = {"cryptsetup status": STATUS, "luksDump": WHOLE, "clevis luks pass": ""}


def test_each_place_is_found_out_by_its_mounts() -> None:
    rows = [("/", "/dev/vda"), ("/var/lib/valkey", MAPPED), ("/var/lib/valkey", "/dev/vda"), ("/var/lib/valkeyx", "x")]
    assert checks.covering(rows, "/var/lib/valkey") == [("/var/lib/valkey", "/dev/vda")]
    assert checks.covering([*rows, ("/var/lib/postgresql/17", "y")], "/var/lib/postgresql") == [
        ("/", "/dev/vda"),
        ("/var/lib/postgresql/17", "y"),
    ]
    disk = {"path": "/dev/vdb", "type": "disk"}
    below = {"blockdevices": [{"path": MAPPED, "type": "crypt", "children": [disk]}]}
    assert checks.encrypted_on(json.dumps(below)) == VOLUME
    assert checks.encrypted_on(json.dumps({"blockdevices": [{"path": "/dev/vda", "type": "disk"}]})) is None
    logical = {"path": "/dev/mapper/vg-root", "type": "lvm", "children": below["blockdevices"]}
    assert checks.encrypted_on(json.dumps({"blockdevices": [logical]})) == VOLUME


def test_what_lies_on_no_disk_of_the_hosts_is_in_the_clear() -> None:
    """A share beside encrypted folders is told; memory is passed over."""
    rows = [
        {"target": "/", "source": MAPPED, "fstype": "ext4"},
        {"target": "/var/lib/valkey", "source": "nas:/valkey", "fstype": "nfs4"},
        {"target": "/var/lib/postgresql/run", "source": "tmpfs", "fstype": "tmpfs"},
    ]
    disk = {"path": "/dev/vdb", "type": "disk"}
    below = {"blockdevices": [{"path": MAPPED, "type": "crypt", "children": [disk]}]}
    answers = {"detect-virt": (1, "none\n"), "findmnt": json.dumps({"filesystems": rows}), "lsblk": json.dumps(below)}
    assert checks.lying(Told(answers), Finder()) == PLACES | {"/var/lib/valkey": None}


@pytest.mark.parametrize(
    ("places", "declared", "status"),
    [
        (PLACES, OURS, "pass"),
        (PLACES, DECLARED, "pass"),
        (PLACES | {"/var/lib/valkey": None}, OURS, "fail"),
        (PLACES | {"/var/lib/valkey": None}, DECLARED, "fail"),
        (dict.fromkeys(PLACES), OURS, "fail"),
        (dict.fromkeys(PLACES), DECLARED, "not-exercised"),
    ],
)
def test_data_in_the_clear_is_told(places: dict, declared: Any, status: str) -> None:
    def check(host, finder):
        finder.ask(host, "findmnt")
        checks.test_the_stores_data_is_encrypted(finder, places, declared)

    found = outcome(check, {"findmnt": ""})
    assert found[0] == status, found


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({}, "pass", ""),
        ({"cryptsetup status": STATUS.replace("LUKS2", "LUKS1")}, "fail", "is LUKS1"),
        ({"cryptsetup status": STATUS.replace("512", "256")}, "fail", "256 bits"),
        ({"cryptsetup status": STATUS.replace("xts", "cbc")}, "fail", "cbc"),
        (
            {"luksDump": header({"0": "pbkdf2", "1": "pbkdf2"}, BOUND)},
            "fail",
            "slot 0 of /dev/vdb is guarded by pbkdf2",
        ),
    ],
)
def test_a_weak_cipher_is_told(changed: dict, status: str, words: str) -> None:
    check = checks.test_the_cipher_and_what_guards_its_keys_are_sound
    found = outcome(check, ANSWERS | changed, [VOLUME])
    assert (found[0], words in found[1]) == (status, True), found


@pytest.mark.parametrize(
    ("dump", "status"),
    [
        (WHOLE, "pass"),
        (header({"0": "argon2id", "1": "pbkdf2", "2": "argon2id"}, BOUND), "fail"),
        (header({"0": "argon2id"}), "fail"),
        (header({"0": "argon2id", "1": "pbkdf2"}, token("tpm2", "1")), "fail"),
    ],
)
def test_a_strangers_key_is_told(dump: str, status: str) -> None:
    found = outcome(checks.test_no_key_opens_it_but_ours, ANSWERS | {"luksDump": dump}, VOLUME, OURS)
    assert found[0] == status, found


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({}, "pass", ""),
        ({"clevis luks pass": (1, "Unable to fetch")}, "fail", "a restart would leave the stores shut"),
        ({"luksDump": header({"0": "argon2id"})}, "fail", "no slot"),
    ],
)
def test_a_volume_that_would_stay_shut_is_told(changed: dict, status: str, words: str) -> None:
    found = outcome(checks.test_it_will_open_when_the_host_starts, ANSWERS | changed, VOLUME, OURS)
    assert (found[0], words in found[1]) == (status, True), found

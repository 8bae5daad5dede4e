"""`destroy`: what refuses it, what it destroys and keeps, and what is written down of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from hedgerow import ending, flow, wiping
from hedgerow.cli import main
from hedgerow.declaration import parse
from hedgerow.deployment import Deployment, shred, write_file
from hedgerow.errors import UnreachableError
from hedgerow.hosts import Change, Host, Site
from hedgerow.wiping import program
from tests.unit.test_render import SITES

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8N jane@acme.example"
LAB = "name: acme\ndomain: analytics.acme.example\ntarget: {kind: lab}\n"
ONPREM = f"""\
name: acme
domain: analytics.acme.example
target: {{kind: onprem, hosts: [{{name: one, address: 192.0.2.10, user: debian}}]}}
posthog: {{deploy: false}}
access: {{administrators: [{{name: jane, ssh_keys: ["{KEY}"]}}]}}
"""
BACKUP = "backup: {to: /mnt/backup, keep_days: 10}\n"
HOLD = 'legal_hold: {reason: "Doe v. Acme", since: 2026-02-01, by: "Jane Doe"}\n'


class Target:
    """Ends a host, and knows one."""

    def __init__(self, rows: list[Change]) -> None:
        self.rows = rows

    def site(self) -> Site:
        return SITES["prepared"]

    def destroy(self, _: Callable[[str], None]) -> list[Change]:
        return self.rows


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose deployment acme has a key and evidence, and hosts that end as they are told to."""
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(flow, "target_of", lambda *_: Target([Change("delete", "host", "one")]))
    monkeypatch.setattr(wiping, "wipe", lambda *_: [Change("delete", "data", "one:/var/lib/postgresql", "overwritten")])
    acme = Deployment("acme")
    write_file(acme.key_file, "k" * 64, 0o600)
    write_file(acme.secrets, "x")
    write_file(acme.evidence / "one" / "findings.json", "{}")
    return tmp_path


def declare(place: Path, text: str) -> str:
    file = place / "deploy.yml"
    file.write_text(text)
    Deployment("acme").adopt(file)
    return str(file)


def journal() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Deployment("acme").root / "journal.jsonl").read_text().splitlines()]


def record() -> list[dict[str, Any]]:
    return json.loads((Deployment("acme").root / "disposal.json").read_text())


def test_the_end_of_a_lab_is_written_down_and_its_keys_are_shredded(place: Path) -> None:
    assert main(["destroy", declare(place, LAB), "--yes"]) == 0
    [end] = record()
    assert [(one["kind"], one["name"]) for one in end["removed"]] == [("host", "one"), ("key file", "acme.key")]
    assert end["removed"][1]["how"] == ending.SHREDDED
    assert {one["name"]: one["why"] for one in end["kept"]}["evidence"] == ending.YEARS
    left = sorted(path.name for path in Deployment("acme").root.iterdir())
    assert left == ["disposal.json", "evidence", "journal.jsonl"]
    assert not Deployment("acme").key_file.exists()
    assert (journal()[-1]["outcome"], journal()[-1]["shredded"]) == ("done", ["acme.key"])


@pytest.mark.parametrize("typed", ["y\n", "\n", "acm\n", ""])
def test_only_the_name_confirms(place: Path, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    file = declare(place, LAB)

    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return typed

    monkeypatch.setattr("sys.stdin", Terminal())
    assert main(["destroy", file]) == 2
    assert Deployment("acme").key_file.exists()
    typed = "acme\n"
    assert main(["destroy", file]) == 0


@pytest.mark.parametrize(("installed", "named"), [(LAB + HOLD, LAB + HOLD), (LAB + HOLD, LAB), (LAB, LAB + HOLD)])
def test_a_hold_in_either_declaration_refuses(
    place: Path, capsys: pytest.CaptureFixture[str], installed: str, named: str
) -> None:
    declare(place, installed)
    (place / "named.yml").write_text(named)
    assert main(["destroy", str(place / "named.yml"), "--yes"]) == 2
    said = capsys.readouterr().err
    assert "legal hold since 2026-02-01: Doe v. Acme" in said
    assert "Ask Jane Doe." in said
    assert Deployment("acme").key_file.exists()
    assert journal()[-1]["outcome"] == "refused: legal hold"


def test_machines_of_ones_own_are_left_alone_unless_told(place: Path) -> None:
    assert main(["destroy", declare(place, ONPREM), "--yes", "--json"]) == 0
    assert Deployment("acme").key_file.exists()
    assert not (Deployment("acme").root / "disposal.json").exists()


@pytest.mark.parametrize(
    ("text", "words", "key", "why"),
    [
        (ONPREM, [], False, None),
        (ONPREM + BACKUP, [], True, "kept until "),
        (ONPREM + BACKUP, ["--forget-backups"], False, "their key was shredded"),
    ],
)
def test_backups_outlive_the_hosts_with_what_reads_them(
    place: Path, text: str, words: list[str], key: bool, why: str | None
) -> None:
    assert main(["destroy", declare(place, text), "--wipe", "--yes", *words]) == 0
    [end] = record()
    assert end["notes"] == list(wiping.LIMITS)
    assert Deployment("acme").key_file.exists() is Deployment("acme").secrets.exists() is key
    kept = [one["why"] for one in end["kept"] if one["kind"] == "backups"]
    assert [words.startswith(why or "") for words in kept] == ([True] if why else [])


def test_backups_are_kept_for_as_long_as_declared() -> None:
    declared = parse(ONPREM + BACKUP)
    [row] = ending.kept_backups(declared, date(2026, 2, 1), forget=False)
    assert (row.name, row.detail) == ("/mnt/backup/acme", "kept until 2026-02-11, and the keys to read them")
    assert ending.kept_backups(parse(LAB + BACKUP.replace("/mnt", "/srv")), date(2026, 2, 1), forget=False) == ()


def test_what_fails_keeps_the_key_and_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        Change("delete", "data", "one:/a", "overwritten"),
        Change("failed", "service", "one:nginx.service", "is up"),
    ]
    monkeypatch.setattr(wiping, "wipe", lambda *_: rows)
    assert main(["destroy", declare(place, ONPREM), "--wipe", "--yes"]) == 3
    assert Deployment("acme").key_file.exists()
    assert {"kind": "service", "name": "one:nginx.service", "why": "is up"} in record()[0]["kept"]
    assert journal()[-1]["outcome"] == "failed"


def test_a_host_that_falls_silent_does_not_take_the_record_of_the_others(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = SITES["prepared"].hosts[0]
    monkeypatch.setattr(Target, "site", lambda _: replace(SITES["prepared"], hosts=(one, replace(one, name="two"))))

    def wipe(host: Host, *_: object) -> list[Change]:
        if host.name == "two":
            raise UnreachableError("two is silent")
        return [Change("delete", "data", "one:/a", "overwritten")]

    monkeypatch.setattr(wiping, "wipe", wipe)
    assert main(["destroy", declare(place, ONPREM), "--wipe", "--yes"]) == 3
    assert [row["name"] for row in record()[0]["removed"]] == ["one:/a"]
    assert {"kind": "host", "name": "two", "why": "two is silent"} in record()[0]["kept"]
    assert Deployment("acme").key_file.exists()


@pytest.mark.parametrize(
    ("text", "words"), [(LAB, ["--wipe"]), (ONPREM, ["--forget-backups"]), (LAB, ["--forget-backups"])]
)
def test_wiping_is_for_machines_of_ones_own(place: Path, text: str, words: list[str]) -> None:
    assert main(["destroy", declare(place, text), "--yes", *words]) == 2


def test_shredding_writes_over_what_was_there(tmp_path: Path) -> None:
    key, other = tmp_path / "key", tmp_path / "other"
    key.write_bytes(b"secret" * 100)
    other.hardlink_to(key)
    shred(key)
    assert not key.exists()
    assert b"secret" not in other.read_bytes()
    assert other.stat().st_size == 600


# The program on the host


def told(**answers: str) -> program.Run:
    """Answer each program by what is written for it here, and everything else by nothing."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        key = "_".join(words[:2]).replace("-", "").replace("/", "")
        return subprocess.CompletedProcess(words, 0, answers.get(key, answers.get(words[0], "")), "")

    return run


def test_files_are_overwritten_and_removed_and_what_is_kept_stays(tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "deep" / "kept").mkdir(parents=True)
    (place / "deep" / "kept" / "backup").write_text("b")
    (place / "deep" / "data").write_bytes(b"phi" * 1000)
    (tmp_path / "elsewhere").write_text("mine")
    (place / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "witness").hardlink_to(place / "deep" / "data")
    [row] = program.clear(str(place), str(place / "deep" / "kept"))
    assert (row["action"], row["how"]) == ("delete", f"1 files, 3000 bytes: {program.OVERWRITTEN}")
    assert [str(path.relative_to(place)) for path in sorted(place.rglob("*"))] == [
        "deep",
        "deep/kept",
        "deep/kept/backup",
    ]
    assert b"phi" not in (tmp_path / "witness").read_bytes()
    assert (tmp_path / "elsewhere").read_text() == "mine", "a link is removed, and what it names is not ours"
    assert program.clear(str(tmp_path / "nothing"), "") == []


BELOW = {"name": "/dev/sdb1", "type": "part", "fstype": "crypto_LUKS"}


@pytest.mark.parametrize(
    ("devices", "header"),
    [
        ([{"name": "/dev/mapper/data", "type": "crypt", "fstype": "ext4", "children": [BELOW]}], "/dev/sdb1"),
        ([{"name": "/dev/mapper/data", "type": "crypt", "children": [BELOW | {"fstype": "ext4"}]}], ""),
        ([{"name": "/dev/vg/data", "type": "lvm", "children": [{"name": "/dev/mapper/c", "type": "crypt"}]}], ""),
        ([{"name": "/dev/sdb1", "type": "part", "fstype": "ext4"}], ""),
        ([], ""),
    ],
)
def test_a_header_is_ours_where_it_opens_one_volume_alone(devices: list[Any], header: str) -> None:
    assert program.luks_under("/dev/x", told(lsblk=json.dumps({"blockdevices": devices}))) == header


LUKS2 = (
    "LUKS header information\nVersion: \t2\nData segments:\n  0: crypt\n\n"
    "Keyslots:\n{slots}Tokens:\n  0: x\nDigests:\n  0: pbkdf2\n"
)


@pytest.mark.parametrize(
    ("dump", "left"),
    [
        (LUKS2.format(slots="  0: luks2\n\tKey: 512 bits\n"), True),
        (LUKS2.format(slots=""), False),
        ("Version: 1\nKey Slot 0: DISABLED\nKey Slot 1: ENABLED\n", True),
        ("Version: 1\nKey Slot 0: DISABLED\n", False),
    ],
)
def test_an_erased_header_has_no_key_slot(dump: str, left: bool) -> None:
    assert program.has_key_slots(dump) is left


@pytest.mark.parametrize(
    ("dump", "action"), [(LUKS2.format(slots=""), "delete"), (LUKS2.format(slots="  0: luks2\n"), "failed")]
)
def test_a_volume_of_ours_ends_by_its_header(tmp_path: Path, dump: str, action: str) -> None:
    mounted = {"filesystems": [{"target": str(tmp_path), "source": "/dev/mapper/data"}]}
    devices = {"blockdevices": [{"name": "/dev/mapper/data", "type": "crypt", "children": [BELOW]}]}
    run = told(findmnt=json.dumps(mounted), lsblk=json.dumps(devices), cryptsetup_luksDump=dump)
    [row] = program.wipe([str(tmp_path)], "", run)
    assert (row["kind"], row["action"]) == ("volume", action)


SHOWN = """\
Id=hedgerow-web.service
SourcePath=/etc/containers/systemd/hedgerow-web.container

Id=hedgerow-health.timer
SourcePath=

Id=postgresql@17-main.service
SourcePath=

Id=hedgerow-guard.service
SourcePath=

Id=ssh.service
SourcePath=
"""


def test_timers_end_first_and_what_hardens_the_machine_never() -> None:
    run = told(systemctl_listunits="a\n", systemctl_show=SHOWN)
    ours = ["hedgerow-health.timer", "hedgerow-web.service", "postgresql@17-main.service"]
    assert program.units(run) == ours
    assert {row["action"] for row in program.stop(run)} == {"delete"}
    up = told(systemctl_listunits="a\n", systemctl_show=SHOWN, systemctl_isactive="active\n")
    assert [(row["action"], row["name"]) for row in program.stop(up)] == [("failed", name) for name in ours]

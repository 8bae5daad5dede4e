"""Backups without a host: what is declared, what a moment means, and a manifest that tells what is not as it was."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from checks import test_backup as checks
from hedgerow import backups, carrying, keeping, outward, repository, scratch
from hedgerow.cli import main
from hedgerow.declaration import Around, Declaration, parse
from hedgerow.deployment import REPOSITORY
from hedgerow.errors import CallError, DeclarationError
from hedgerow.images import table_of
from hedgerow.restoring import LATEST, Moment, chosen, misses_events
from tests.unit.told import outcome

PGBACKREST = """
import json, pathlib, shutil, sys
root, words = pathlib.Path(sys.argv[1]), [word for word in sys.argv[2:] if not word.startswith("--")]
place = root.joinpath(*words[1:])
if words[0] == "repo-ls":
    found = {
        str(path.relative_to(place)): {"type": "file", "size": path.stat().st_size, "time": int(path.stat().st_mtime)}
        for path in place.rglob("*") if path.is_file()
    }
    print(json.dumps({".": {"type": "path"}, **found}))
elif words[0] == "repo-put":
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(sys.stdin.buffer.read())
elif words[0] == "repo-get":
    if not place.is_file():
        sys.exit(55)
    sys.stdout.buffer.write(place.read_bytes())
else:
    shutil.rmtree(place)
"""
LAB = "name: acme\ndomain: analytics.acme.example\ntarget: {kind: lab}\n"
ROOMS = ("base", "clickhouse", "host_files", "pieces", "places", "postgres", "reading", "valkey")
NOW = datetime(2026, 2, 10, 12, 0, tzinfo=UTC)
LABEL = "20260209-020000F"
FIRST, SECOND = "20260208T020000Z", "20260209T020000Z"
ROWS = [
    {"id": SECOND, "finished": "2026-02-09T02:01:00Z", "problem": ""},
    {"id": FIRST, "finished": "2026-02-08T02:01:00Z", "problem": ""},
]


@pytest.fixture(scope="module")
def program() -> SimpleNamespace:
    """The program that runs on the data host, by the names of its rooms."""
    spec = importlib.util.spec_from_file_location("backup_program", REPOSITORY / "roles/backup/files/backup.py")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    rooms = {room: importlib.import_module(f"backing.{room}") for room in ROOMS}
    return SimpleNamespace(**rooms, RefusedError=rooms["base"].RefusedError)


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("ftp://acme-backup", "backups do not go to ftp://"),
        ("ssh://192.0.2.9/srv", "no place that is known"),
        ("s3://Acme_Backup/x", "no place that is known"),
        ("s3://acme-backup/../x", "no place that is known"),
        ("backup", "is no absolute folder"),
        ("/mnt/../etc", "is no absolute folder"),
        ("/", "is no absolute folder"),
        ("/var/lib/postgresql/backup", "belongs to the system, or to the data"),
        ("/etc/backup", "belongs to the system"),
    ],
)
def test_a_place_that_is_none_is_refused_with_what_is_built(to: str, said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        parse(f"{LAB}backup: {{to: '{to}'}}\n")
    assert said in str(refused.value)
    assert "/mnt/backup" in str(refused.value)


HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ"
SSH = f"to: 'ssh://acme@backup.acme.example:2222/srv', address: 192.0.2.9, key_file: k, host_keys: ['{HOST_KEY}']"
S3 = "to: 's3://acme-backup/posthog', region: eu-central-1"
OWN_S3 = f"{S3}, access_key_id: AKIA, key_file: k, endpoint: 'https://s3.acme.example:8443', address: 192.0.2.7"


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("to: 'ssh://acme@192.0.2.9/srv'", "backup.host_keys: is missing, and backups go to ssh"),
        ("to: 's3://acme-backup'", "backup.region: is missing, and backups go to s3"),
        (f"{S3}, access_key_id: AKIA", "access_key_id and key_file belong together"),
        (f"{S3}, endpoint: 'https://s3.acme.example'", "backup.address: is missing, and there is an endpoint"),
        ("to: /mnt/backup, region: eu-central-1", "backup.region: means nothing where backups go to a folder"),
        (f"{SSH}, region: eu-central-1", "backup.region: means nothing where backups go to a ssh"),
    ],
)
def test_a_place_that_is_not_whole_is_refused(declared: str, said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        parse(f"{LAB}backup: {{{declared}}}\n")
    assert said in str(refused.value)


def declared(text: str, key: bytes = b"word") -> Declaration:
    return parse(f"{LAB}backup: {{{text}}}\n", around=Around(read_file=lambda _: key))


@pytest.mark.parametrize(
    ("text", "said"),
    [(SSH, "is no private key"), (OWN_S3, "does not hold one word"), ("to: 'gs://acme', key_file: k", "is no key of")],
)
def test_a_key_that_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        declared(text, b"two words")
    assert said in str(refused.value)


def test_by_ssh_the_key_and_the_host_s_keys_are_told_and_one_address_is_let_out_to() -> None:
    found = declared(SSH, b"-----BEGIN OPENSSH PRIVATE KEY-----")
    values = backups.values(found, table_of(found))
    options = values["backup_repository"]
    assert values["backup_to"] == "ssh://acme@backup.acme.example:2222/srv/acme"
    assert (options["repo1-type"], options["repo1-path"]) == ("sftp", "/srv/acme")
    assert options["repo1-sftp-host-key-check-type"] == "strict"
    assert values["backup_repository_hosts"] == [f"[backup.acme.example]:2222 {HOST_KEY}"]
    assert values["backup_repository_key"] == "{{ vault.brought.backup_key }}"
    assert repository.names(found) == {"backup.acme.example": "192.0.2.9"}
    [row] = repository.outbound(found)
    assert (row["ports"], row["to"], row["users"]) == ([2222], ["192.0.2.9/32"], ["postgres", "root"])
    assert (2222, "192.0.2.9/32") in outward.places(found)
    assert set(repository.brought(found)) == {"backup_key"}
    assert backups.archiving(found) == {"postgres_archive_command": backups.ARCHIVE}


def test_by_s3_the_secret_is_apart_and_without_a_key_the_machine_s_role_is_asked() -> None:
    own = declared(OWN_S3)
    values = backups.values(own, table_of(own))
    options = values["backup_repository"]
    assert options["repo1-s3-endpoint"] == "s3.acme.example"
    assert (options["repo1-storage-port"], options["repo1-s3-uri-style"]) == ("8443", "path")
    assert options["repo1-path"] == "/posthog/acme"
    assert values["backup_repository_secret"] == "{{ vault.brought.backup_key }}"
    assert [row["to"] for row in repository.outbound(own)] == [["192.0.2.7/32"]]
    aws = declared(S3)
    options = backups.values(aws, table_of(aws))["backup_repository"]
    assert options["repo1-s3-endpoint"] == "s3.eu-central-1.amazonaws.com"
    assert options["repo1-s3-key-type"] == "auto"
    assert ["169.254.169.254/32"] in [row["to"] for row in repository.outbound(aws)]
    assert repository.brought(aws) == {}


def test_by_gcs_a_service_account_or_the_machine_s_is_asked() -> None:
    given = declared("to: 'gs://acme-backup', key_file: k", b'{"private_key": ""}')
    options = backups.values(given, table_of(given))["backup_repository"]
    assert (options["repo1-type"], options["repo1-path"]) == ("gcs", "/acme")
    assert options["repo1-gcs-key"] == repository.KEY_FILE
    own = declared("to: 'gs://acme-backup'")
    assert backups.values(own, table_of(own))["backup_repository"]["repo1-gcs-key-type"] == "auto"


def test_a_scratch_host_never_writes_where_the_deployment_s_backups_lie() -> None:
    text, changed = scratch.text(f"{LAB}backup: {{{OWN_S3}, keep_days: 7}}\n", "acme-drill")
    assert yaml.safe_load(text)["backup"] == {"to": "/srv/backup", "keep_days": 7}
    assert scratch.ASIDE in changed


def test_defaults_and_what_the_roles_are_told() -> None:
    declaration = parse(f"{LAB}backup: {{to: /mnt/backup}}\n")
    values = backups.values(declaration, table_of(declaration))
    assert values["backup_to"] == "/mnt/backup/acme"
    assert (values["backup_keep_days"], values["backup_time"]) == (35, "02:00")
    assert values["backup_keeps"] == ["/var/lib/hedgerow/posthog/second-factor"]
    assert {"seaweedfs", "kafka"} == set(values["backup_leaves_out"])
    assert values["backup_clickhouse"]["folder"].endswith("/hedgerow-clickhouse/_data/backups")
    asking = backups.asking_clickhouse(declaration, table_of(declaration))["clickhouse_backup"]
    assert asking["name"] == values["backup_clickhouse"]["user"]
    assert asking["from"].removesuffix(".1/32") == values["backup_clickhouse"]["address"].rpartition(".")[0]
    told = backups.archiving(declaration)
    assert told["postgres_archive_paths"] == ["/mnt/backup"]
    assert [row["path"] for row in told["postgres_archive_folders"]] == ["/mnt/backup/acme/postgres"]
    assert set(backups.secrets(declaration)) == {
        "backup.cipher_pass", "backup.manifest_key", "clickhouse.hedgerow_backup",
    }  # fmt: skip


def test_nothing_declared_means_nothing_done() -> None:
    declaration = parse(LAB)
    assert backups.values(declaration, table_of(declaration)) == {"backup_enabled": False}
    assert backups.archiving(declaration) == {}
    assert backups.asking_clickhouse(declaration, table_of(declaration)) == {}
    assert backups.secrets(declaration) == {}


@pytest.mark.parametrize(
    ("name", "at", "moment"),
    [
        ("", "", Moment(SECOND)),
        (FIRST, "", Moment(FIRST)),
        ("", "2026-02-09T01:00:00Z", Moment(FIRST, "2026-02-09 01:00:00.000000+00")),
        ("", "2026-02-09T13:30:00+01:00", Moment(SECOND, "2026-02-09 12:30:00.000000+00")),
        (FIRST, "2026-02-09T12:00:00", Moment(FIRST, "2026-02-09 12:00:00.000000+00")),
        ("", LATEST, Moment(SECOND, LATEST)),
    ],
)
def test_the_newest_backup_that_fits_is_taken(name: str, at: str, moment: Moment) -> None:
    assert chosen(ROWS, name, at, NOW) == moment


@pytest.mark.parametrize(
    ("rows", "name", "at", "said"),
    [
        ([], "", "", "there is no backup to restore"),
        (ROWS, "20200101T000000Z", "", "there is no backup 20200101T000000Z"),
        (ROWS, "", "2026-02-08T02:00:59Z", "no backup ended before"),
        (ROWS, SECOND, "2026-02-08T12:00:00Z", "ended after"),
        (ROWS, "", "2026-02-11T00:00:00Z", "has not come yet"),
        (ROWS, "", "yesterday", "is no moment"),
    ],
)
def test_a_moment_that_cannot_be_had_is_refused(rows: list[dict[str, str]], name: str, at: str, said: str) -> None:
    with pytest.raises(CallError, match=said):
        chosen(rows, name, at, NOW)


def test_what_a_backup_holds_comes_back_as_it_was_when_it_ended_and_queues_to_no_moment() -> None:
    rows = [{**row, "holds": {"valkey": {"keys": 3}}} for row in ROWS]
    assert chosen(rows, "", "", NOW) == Moment(SECOND, queues=SECOND)
    assert chosen(rows, FIRST, "", NOW) == Moment(FIRST, queues=FIRST)
    assert chosen(rows, "", AT, NOW).queues == chosen(rows, "", LATEST, NOW).queues == ""


def held(taken: str, **rows: int) -> dict[str, object]:
    return {"clickhouse": {"kind": "full", "base": "", "taken": taken, "rows": rows}}


AT = "2026-02-08T12:00:00Z"
POSTGRES_AT = "2026-02-08 12:00:00.000000+00"


@pytest.mark.parametrize(
    ("name", "at", "after", "events", "misses"),
    [
        ("", "", {"events": 3}, SECOND, 0),
        (FIRST, "", {"events": 3}, FIRST, 0),
        # The first after the moment has all up to it; it is cut there.
        ("", AT, {"events": 3}, SECOND, 0),
        # Events were lost or deleted in between: those of before are more.
        ("", AT, {"events": 1}, FIRST, 36000),
        # Named, it is what it is.
        (FIRST, AT, {"events": 3}, FIRST, 36000),
        ("", LATEST, {"events": 3}, SECOND, 0),
    ],
)
def test_events_of_a_moment_come_from_the_backup_that_has_them(
    name: str, at: str, after: dict[str, int], events: str, misses: int
) -> None:
    rows = [
        {**ROWS[0], "holds": held("2026-02-09T02:00:00.000000Z", **after)},
        {**ROWS[1], "holds": held("2026-02-08T02:00:00.000000Z", events=2)},
    ]
    moment = chosen(rows, name, at, NOW)
    assert moment.events == events
    assert misses_events(rows, moment) == misses


def test_a_backup_without_events_leaves_them_as_they_are() -> None:
    rows = [{**ROWS[0], "holds": held("2026-02-09T02:00:00.000000Z", events=3)}, ROWS[1]]
    assert chosen(rows, "", AT, NOW) == Moment(FIRST, POSTGRES_AT)
    assert chosen(rows, FIRST, "", NOW) == Moment(FIRST)


@pytest.fixture
def place(program: SimpleNamespace, tmp_path: Path) -> SimpleNamespace:
    """A backup on disk as pgBackRest and the program leave one: two files, and one piece of the journal."""
    made = program.places.Place(str(tmp_path), b"key")
    (tmp_path / "sets").mkdir()
    files = {
        f"postgres/backup/hedgerow/{LABEL}/bundle/1": b"Salted__one",
        f"postgres/backup/hedgerow/{LABEL}/backup.manifest": b"Salted__two",
    }
    segment = f"postgres/archive/hedgerow/17-1/0000000100000000/000000010000000000000005-{'a' * 40}.zst"
    for name, data in {**files, segment: b"Salted__wal"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)

    def rows(names: list[str]) -> dict[str, list[object]]:
        return {name: [(tmp_path / name).stat().st_size, program.base.digest(tmp_path / name)] for name in names}

    old = f"postgres/archive/hedgerow/17-1/0000000100000000/000000010000000000000002-{'b' * 40}.zst"
    manifest = {
        "files": rows(list(files)),
        # The second was needed for an older backup alone, and has gone with it.
        "journal": {**rows([segment]), old: [11, "0" * 64]},
        "holds": {"postgres": {"label": LABEL, "journal_from": "000000010000000000000005"}},
    }
    made.add(SECOND, manifest)
    return SimpleNamespace(place=made, folder=tmp_path, file=tmp_path / next(iter(files)), segment=tmp_path / segment)


def test_a_backup_that_is_as_it_was_made_has_no_problem(place: SimpleNamespace) -> None:
    assert place.place.problems(SECOND) == []
    assert place.place.names() == [SECOND]


@pytest.mark.parametrize("whole", [True, False])
def test_a_truncated_file_is_told(place: SimpleNamespace, whole: bool) -> None:
    place.file.write_bytes(place.file.read_bytes()[:-1])
    assert "has 10 bytes and had 11" in place.place.problems(SECOND, whole)[0]


def test_a_changed_file_a_lost_one_and_a_lost_piece_of_the_journal_are_told(place: SimpleNamespace) -> None:
    place.file.write_bytes(b"Salted__ons")
    assert "has other content" in place.place.problems(SECOND)[0]
    assert place.place.problems(SECOND, whole=False) == [], "a glance sees sizes alone"
    place.file.unlink()
    place.segment.unlink()
    assert len(place.place.problems(SECOND)) == 2


def test_a_piece_of_the_journal_that_is_being_written_is_none_yet(place: SimpleNamespace) -> None:
    before = place.place.segments()
    place.segment.with_name(place.segment.name.replace("05-", "06-") + ".pgbackrest.tmp").write_bytes(b"Salted__")
    assert place.place.segments() == before
    assert list(before.values()) == ["000000010000000000000005"]


def test_a_push_to_the_place_before_is_ended_and_no_other(program: SimpleNamespace, tmp_path: Path) -> None:
    settings = tmp_path / "pgbackrest.conf"
    settings.touch()
    os.utime(settings, (time.time() - 60,) * 2)
    script = tmp_path / "pgbackrest"
    script.write_text("import time; time.sleep(60)")
    with subprocess.Popen([sys.executable, str(script), "--stanza=hedgerow", "archive-push", "x"]) as push:
        program.postgres.let_go(settings, str(os.getuid()))
        assert push.poll() is None
        time.sleep(2)
        settings.touch()
        program.postgres.let_go(settings, str(os.getuid()))
        assert push.wait(10) == -signal.SIGTERM


def test_a_manifest_that_was_made_fit_is_told(place: SimpleNamespace) -> None:
    """Whoever can write at the backup's place has not the key of the seal."""
    path = (place.folder / "sets") / SECOND / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "files": {}}))
    assert "was changed, or another deployment made it" in place.place.problems(SECOND)[0]


def test_a_backup_lies_away_as_it_would_in_a_folder(
    program: SimpleNamespace, place: SimpleNamespace, tmp_path: Path
) -> None:
    """pgBackRest's own commands stand between: here a program of a few lines plays them over another folder."""
    shelves = importlib.import_module("backing.shelves")
    away = tmp_path / "away"
    away.mkdir()
    script = tmp_path / "pgbackrest"
    script.write_text(PGBACKREST)
    shelf = shelves.Repository((sys.executable, str(script), str(away)))
    for name in place.place.shelf.files("postgres"):
        file = away / name.removeprefix("postgres/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((place.folder / name).read_bytes())
    there = program.places.Place("s3://acme-backup/acme", b"key", shelf)
    manifest = place.place.manifest(SECOND)
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "host.enc").write_bytes(b"Salted__host")
    manifest["files"][f"sets/{SECOND}/host.enc"] = [12, program.base.digest(begun / "host.enc")]
    there.begun = lambda _: begun
    assert there.names() == []
    there.add(SECOND, manifest)
    assert there.names() == [SECOND]
    assert there.problems(SECOND) == []
    there.shelf.at_hand([f"sets/{SECOND}/host.enc"], tmp_path / "fetched")
    assert (tmp_path / f"fetched/sets/{SECOND}/host.enc").read_bytes() == b"Salted__host"
    assert place.segment.name in {path.rpartition("/")[2] for path in there.segments()}
    assert there.youngest() > 0
    (away / f"sets/{SECOND}/host.enc").write_bytes(b"Salted__hosT")
    assert "has other content" in there.problems(SECOND)[0]
    assert there.problems(SECOND, whole=False) == []
    (away / f"sets/{SECOND}/host.enc").unlink()
    assert "is not there" in there.problems(SECOND)[0]
    (away / f"sets/{SECOND}/manifest.mac").unlink()
    assert there.names() == [], "what was not written to its end is no backup"
    there.drop(SECOND)
    assert there.shelf.files("sets") == {}


def test_all_that_lies_there_can_be_given_away(
    program: SimpleNamespace, place: SimpleNamespace, tmp_path: Path
) -> None:
    into = io.BytesIO()
    program.reading.give(place.place, into)
    with tarfile.open(fileobj=io.BytesIO(into.getvalue())) as archive:
        rows = {row.name: (row.uname, row.mode, row.isdir()) for row in archive}
    assert rows["postgres"] == ("postgres", 0o700, True)
    assert rows[f"sets/{SECOND}/manifest.json"] == ("root", 0o600, False)
    assert {name for name, row in rows.items() if not row[2]} == set(place.place.shelf.files())


def test_a_name_that_leads_elsewhere_is_no_backup(place: SimpleNamespace) -> None:
    assert "there is no backup ../../etc" in place.place.problems("../../etc")[0]


@pytest.fixture
def kept(tmp_path: Path) -> SimpleNamespace:
    """A file that is on this host alone, and a passphrase."""
    seed, passphrase = tmp_path / "state/second-factor", tmp_path / "cipher.pass"
    seed.parent.mkdir()
    seed.write_text("JBSWY3DPEHPK3PXP")
    seed.chmod(0o600)
    passphrase.write_text("correct horse\n")
    return SimpleNamespace(seed=seed, passphrase=passphrase, file=tmp_path / "host.enc")


def test_what_is_on_a_host_alone_comes_back_as_it_was(program: SimpleNamespace, kept: SimpleNamespace) -> None:
    data, names = program.host_files.packed([str(kept.seed), "/nowhere/second-factor"], kept.passphrase)
    assert names == [str(kept.seed)]
    assert data.startswith(b"Salted__"), "as the check of what lies readable wants it"
    assert b"JBSWY3DPEHPK3PXP" not in data
    kept.file.write_bytes(data)
    kept.seed.unlink()
    kept.seed.parent.rmdir()
    program.host_files.put_back(program.host_files.opened(kept.file, kept.passphrase))
    assert kept.seed.read_text() == "JBSWY3DPEHPK3PXP"
    assert kept.seed.stat().st_mode & 0o7777 == 0o600
    assert [path.name for path in kept.seed.parent.iterdir()] == ["second-factor"]


def test_what_is_not_there_is_not_packed(program: SimpleNamespace, kept: SimpleNamespace) -> None:
    assert program.host_files.packed(["/nowhere/second-factor"], kept.passphrase) == (b"", [])


def test_a_wrong_passphrase_and_a_cut_file_open_nothing(program: SimpleNamespace, kept: SimpleNamespace) -> None:
    data, _ = program.host_files.packed([str(kept.seed)], kept.passphrase)
    kept.file.write_bytes(data[:-16])
    with pytest.raises(program.RefusedError):
        program.host_files.opened(kept.file, kept.passphrase)
    kept.file.write_bytes(data)
    kept.passphrase.write_text("other\n")
    with pytest.raises(program.RefusedError):
        program.host_files.opened(kept.file, kept.passphrase)


def test_a_folder_is_packed_in_pieces_that_open_to_what_it_was(
    program: SimpleNamespace, kept: SimpleNamespace, tmp_path: Path
) -> None:
    source, into, back = (tmp_path / name for name in ("source", "into", "back"))
    for folder in (source / "data", into, back):
        folder.mkdir(parents=True)
    (source / ".backup").write_text("files")
    (source / "data/part").write_bytes(bytes(range(256)) * 9000)
    made = program.pieces.packed(source, into, "clickhouse", kept.passphrase, largest=1 << 20)
    assert [path.name for path in made] == [f"clickhouse.{number:03}.enc" for number in range(3)]
    assert all(path.read_bytes().startswith(b"Salted__") for path in made)
    program.pieces.unpacked(made, back, kept.passphrase)
    assert (back / "data/part").read_bytes() == (source / "data/part").read_bytes()
    assert (back / ".backup").read_text() == "files"
    made[1].write_bytes(made[1].read_bytes()[:-16])
    with pytest.raises(program.RefusedError):
        program.pieces.unpacked(made, back, kept.passphrase)
    with pytest.raises(program.RefusedError, match="tar could not read"):
        program.pieces.packed(tmp_path / "nowhere", into, "clickhouse", kept.passphrase)


MANIFEST = """\
file appendonly.aof.2.base.rdb seq 2 type b
file appendonly.aof.1.incr.aof seq 1 type h
file appendonly.aof.2.incr.aof seq 2 type i
file appendonly.aof.3.incr.aof seq 3 type i
"""


@pytest.fixture
def live(tmp_path: Path) -> SimpleNamespace:
    """Valkey's folder: a base, what came since, and what an older base left behind."""
    data = tmp_path / "valkey"
    folder = data / "appendonlydir"
    folder.mkdir(parents=True)
    (folder / "appendonly.aof.manifest").write_text(MANIFEST)
    for name in ("2.base.rdb", "1.incr.aof", "2.incr.aof", "3.incr.aof"):
        (folder / f"appendonly.aof.{name}").write_text(name)
    return SimpleNamespace(data=data, folder=folder, aside=data / ".hedgerow-backup")


def test_of_valkey_s_files_those_of_its_list_are_copied_and_what_grows_is_no_second_name(
    program: SimpleNamespace, live: SimpleNamespace
) -> None:
    assert program.valkey.copied(live.folder, live.aside)
    with (live.folder / "appendonly.aof.3.incr.aof").open("a") as growing:
        growing.write(" and more")
    names = {path.name.removeprefix("appendonly.aof."): path.read_text() for path in live.aside.iterdir()}
    assert names == {
        "manifest": MANIFEST, "2.base.rdb": "2.base.rdb", "2.incr.aof": "2.incr.aof", "3.incr.aof": "3.incr.aof",
    }  # fmt: skip


def test_a_new_base_meanwhile_means_once_more(
    program: SimpleNamespace, live: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there and the list is another, or the old one is gone already."""
    monkeypatch.setattr(
        program.valkey.shutil, "copy2",
        lambda source, to: (live.folder / "appendonly.aof.manifest").write_text("file x seq 4 type b\n")
        and to.write_text(source.read_text()),
    )  # fmt: skip
    assert not program.valkey.copied(live.folder, live.aside)
    assert not program.valkey.copied(live.folder, live.aside), "what the list names is not there"


def test_what_valkey_held_takes_the_place_of_what_it_holds(
    program: SimpleNamespace, kept: SimpleNamespace, live: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sealed, lost, put back: and what was there before is gone once the server has answered."""
    asked: list[str] = []
    monkeypatch.setattr(program.valkey, "command", lambda *words, **_: asked.append(words[1]) or "")
    answers = iter([7, None, 7])
    monkeypatch.setattr(program.valkey, "keys", lambda: next(answers))
    monkeypatch.setattr(program.valkey.time, "sleep", lambda _: None)
    for name in ("packed", "unpacked"):
        real = getattr(program.pieces, name)
        monkeypatch.setattr(program.valkey, name, lambda *words, real=real: real(*words, passphrase=kept.passphrase))
    into = live.data.with_name("set")
    into.mkdir()
    assert program.valkey.back_up(into, live.data)["keys"] == 7
    assert not live.aside.exists()
    (live.folder / "appendonly.aof.3.incr.aof").write_text("of later")
    assert program.valkey.put_back(sorted(into.iterdir()), live.data) == {"keys": 7}
    assert (live.folder / "appendonly.aof.3.incr.aof").read_text() == "3.incr.aof"
    assert [path.name for path in live.data.iterdir()] == ["appendonlydir"]
    assert asked == ["stop", "reset-failed", "start"]


def test_what_a_backup_carries_of_the_controller_opens_with_openssl_and_its_key(
    program: SimpleNamespace, tmp_path: Path
) -> None:
    """As docs/backup.md has it; the same content gives the same bytes."""
    root, key = tmp_path / "acme", tmp_path / "acme.key"
    for name in ("deploy.yml", "group_vars/all/secrets.yml", "group_vars/data/backup.yml", "authority/ca.crt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    key.write_text("a word of the vault\n")
    deployment = SimpleNamespace(root=root)
    sealed = carrying.sealed(deployment, key)  # type: ignore[arg-type]
    assert sealed == carrying.sealed(deployment, key)  # type: ignore[arg-type]
    (tmp_path / "deployment.enc").write_bytes(base64.b64decode(sealed))
    line = [*program.base.openssl(key, "-d"), "-in", str(tmp_path / "deployment.enc")]
    opened = subprocess.run(line, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(opened)) as archive:
        found = {row.name: archive.extractfile(row).read().decode() for row in archive}  # type: ignore[union-attr]
    assert found == {name: name for name in ("deploy.yml", "group_vars/all/secrets.yml", "authority/ca.crt")}
    (root / "deploy.yml").write_text("changed")
    assert carrying.sealed(deployment, key)[:24] != sealed[:24], "another content has another salt"  # type: ignore[arg-type]


class Server:
    """ClickHouse as the program asks it: says what it is told to, and keeps what it was asked."""

    def __init__(self, program: SimpleNamespace, folder: Path, answers: dict[str, str]) -> None:
        config = {"address": "192.0.2.1", "port": 8443, "name": "c", "user": "u", "database": "posthog"}
        self.store = program.clickhouse.ClickHouse.__new__(program.clickhouse.ClickHouse)
        self.store.config, self.store.database, self.store.folder = config, "posthog", folder
        self.store.ask = self.ask
        self.answers, self.asked = answers, []

    def ask(self, query: str, _seconds: float = 0, settings: dict[str, int] | None = None) -> str:
        query += f" {settings}" if settings else ""
        self.asked.append(query)
        answer = next(text for key, text in self.answers.items() if key in query)
        if query.startswith("BACKUP"):
            name = query.partition("File('")[2].partition("'")[0]
            (self.store.folder / name / "data").mkdir(parents=True)
            (self.store.folder / name / ".backup").write_text("files")
        return answer


TABLES = '{"name": "events", "total_rows": "3"}\n{"name": "persons", "total_rows": "2"}'
DONE = {"BACKUP": "1\tCREATING_BACKUP", "system.backups": '{"status": "BACKUP_CREATED", "error": ""}'}


def test_a_backup_of_events_goes_on_from_the_full_one_while_its_list_is_there(
    program: SimpleNamespace, kept: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed: list[str] = []
    monkeypatch.setattr("backing.clickhouse.packed", lambda folder, *_: packed.append(folder.name))
    folder = tmp_path / "backups"
    server = Server(program, folder, {**DONE, "now64": "2026-02-08T02:00:00.000000Z", "system.tables": TABLES})
    first = server.store.back_up(FIRST, "", tmp_path)
    assert (first["kind"], first["base"], first["rows"]) == ("full", "", {"events": 3, "persons": 2})
    assert [path.name for path in (folder / FIRST).iterdir()] == [".backup"], "no event stays readable there"
    (folder / "20260101T000000Z/data").mkdir(parents=True)  # what a killed run left
    second = server.store.back_up(SECOND, FIRST, tmp_path)
    assert (second["kind"], second["base"]) == ("incr", FIRST)
    assert f"base_backup = File('{FIRST}')" in next(each for each in server.asked if SECOND in each)
    assert [path.name for path in folder.iterdir()] == [FIRST]
    third = server.store.back_up("20260210T020000Z", "20260101T000000Z", tmp_path)
    assert third["kind"] == "full", "without its list nothing goes on from it"
    assert packed == [FIRST, SECOND, "20260210T020000Z"]


def test_a_backup_of_events_that_fails_says_why(program: SimpleNamespace, tmp_path: Path) -> None:
    answers = {**DONE, "system.backups": '{"status": "BACKUP_FAILED", "error": "no space left"}', "now64": "now"}
    with pytest.raises(program.RefusedError, match="no space left"):
        Server(program, tmp_path / "backups", answers).store.back_up(FIRST, "", tmp_path)
    with pytest.raises(program.RefusedError, match="was it restarted"):
        Server(program, tmp_path / "other", {**answers, "system.backups": ""}).store.back_up(FIRST, "", tmp_path)


def test_what_came_after_a_moment_is_deleted_where_a_table_knows(program: SimpleNamespace, tmp_path: Path) -> None:
    columns = (
        '{"table": "events", "names": ["created_at", "_timestamp"]}\n{"table": "persons", "names": ["created_at"]}'
        '\n{"table": "a_view", "names": ["_timestamp"]}'
    )
    server = Server(
        program,
        tmp_path,
        {"system.columns": columns, "system.tables": TABLES, "count() FROM posthog.`events`": "7", "count()": "0",
         "ALTER": ""},
    )  # fmt: skip
    assert server.store.cut(POSTGRES_AT) == {"events": 7}
    [change] = [each for each in server.asked if each.startswith("ALTER")]
    assert change == (
        "ALTER TABLE posthog.`events` DELETE WHERE coalesce(toDateTime64(_timestamp, 6, 'UTC'),"
        " toDateTime64(created_at, 6, 'UTC')) > toDateTime64('2026-02-08 12:00:00.000000', 6, 'UTC')"
        " {'mutations_sync': 2}"
    )


def test_what_a_killed_run_began_goes(place: SimpleNamespace) -> None:
    (place.place.begun(FIRST) / "host.enc").write_bytes(b"Salted__half")
    assert place.place.names() == [SECOND], "what was begun is no backup"
    place.place.tidy()
    assert [path.name for path in (place.folder / "sets").iterdir()] == [SECOND]


GOOD = {"status": {"code": 0}, "backup": [{"timestamp": {"stop": 1_000_000}, "error": False}]}
DECLARED = "/srv/backup/acme"
EVENTS = SimpleNamespace(declared=SimpleNamespace(services=("web", "clickhouse")))


def recent(
    now: int,
    timer: str = "active\nSubState=waiting\nNextElapseUSecRealtime=Wed 2026-02-11 02:00:00 UTC",
    result: str = "success",
    holds: tuple[str, ...] = ("clickhouse", "postgres", "valkey"),
    **changed: object,
) -> tuple[str, str]:
    answers = {
        "backup look": json.dumps({"holds": holds}),
        "pgbackrest": f"{json.dumps([GOOD | changed])}\n{now}\n",
        "hedgerow-backup.timer": f"ActiveState={timer}\n",
        "hedgerow-backup.service": f"{result}\n",
    }
    return outcome(checks.test_one_is_young_and_the_next_will_come, answers, DECLARED, EVENTS)


def test_the_check_of_a_recent_backup_passes_and_fails() -> None:
    assert recent(1_000_000 + 3600)[0] == "pass"
    assert "31 hours old" in recent(1_000_000 + 31 * 3600)[1]
    assert "no timer waits" in recent(1_000_060, timer="inactive\nSubState=dead\nNextElapseUSecRealtime=")[1]
    assert "no timer waits" in recent(1_000_060, timer="active\nSubState=elapsed\nNextElapseUSecRealtime=")[1]
    making_one = "active\nSubState=running\nNextElapseUSecRealtime="
    assert recent(1_000_060, timer=making_one)[0] == "pass", "the nightly backup is being made"
    assert "ended with exit-code" in recent(1_000_060, result="exit-code")[1]
    assert "there is no backup" in recent(1_000_060, backup=[])[1]
    assert recent(1_000_060, holds=("postgres",))[1].startswith("the newest holds nothing of Valkey and ClickHouse")


def archiver(archived: tuple[int, ...] = (5, 6, 7), **changed: object) -> tuple[str, str]:
    told = {"mode": "on", "command": backups.ARCHIVE, "last": f"{1:08X}{7:016X}", "failing": False, "waiting": 0}
    rows = [GOOD | {"backup": [{"archive": {"start": f"{1:08X}{5:016X}"}, "error": False}]}]
    answers = {
        "pg_stat_archiver": json.dumps(told | changed),
        "find ": "\n".join(f"{1:08X}{number:016X}-{'a' * 40}.zst" for number in archived),
        "pgbackrest": f"{json.dumps(rows)}\n{1_000_000}\n",
    }
    return outcome(checks.test_the_journal_goes_along, answers, DECLARED)


def test_the_check_of_the_archiver_passes_and_fails() -> None:
    assert archiver()[0] == "pass"
    assert "archived nowhere" in archiver(mode="off")[1]
    assert "another command" in archiver(command="/bin/true")[1]
    assert "last try" in archiver(failing=True)[1]
    assert "wait for longer" in archiver(waiting=3)[1]
    assert "is not there" in archiver(archived=(5, 6))[1]
    assert "1 pieces of the journal" in archiver(archived=(5, 7))[1]
    assert archiver(last="00000002.history", archived=())[0] == "fail"


def test_a_hole_in_the_journal_is_found_by_both_who_look_for_it(
    program: SimpleNamespace, place: SimpleNamespace
) -> None:
    """A piece that is lost since the newest backup, also where a later one was archived, and over a file's turn."""
    state = {"backup": [{"archive": {"start": "000000010000000000000005"}}]}
    assert program.postgres.holes(place.place, state, "000000010000000000000005") == 0
    assert program.postgres.holes(place.place, state, "000000010000000000000007") == 2
    assert program.postgres.holes(place.place, state, "00000002.history") == 0
    assert program.postgres.holes(place.place, {"backup": []}, "000000010000000000000007") == 0
    for number in (program.postgres.number, checks.number):
        assert number("000000020000000100000000") - number("0000000100000000000000FF") == 1


def test_the_check_of_what_lies_readable_passes_and_fails() -> None:
    ask = checks.test_nothing_lies_readable
    assert outcome(ask, {"find ": "7\n"}, DECLARED)[0] == "pass"
    assert "by-hand.sql" in outcome(ask, {"find ": "/srv/backup/acme/by-hand.sql\n7\n"}, DECLARED)[1]
    assert outcome(ask, {"find ": "0\n"}, DECLARED)[0] == "error"


@pytest.mark.parametrize(
    ("begins", "size", "status"),
    [
        ("Salted__", 9, "pass"),
        ("gone", 9, "pass"),
        ("gone", 4, "fail"),
        ("create t", 9, "fail"),
        ("", 9, "fail"),
    ],
)
def test_away_what_went_since_it_was_listed_is_not_readable(begins: str, size: int, status: str) -> None:
    listed = json.dumps({"sets/x.enc": {"type": "file", "size": size, "time": 1}, "sets": {"type": "path"}})
    answers = {"repo-ls": listed, "repo-get": f"{begins}\n"}
    assert outcome(checks.test_nothing_lies_readable, answers, "s3://acme/posthog")[0] == status


def test_the_check_of_the_newest_passes_and_fails() -> None:
    def look(**changed: object) -> tuple[str, str]:
        told = {"id": SECOND, "problems": [], "read": {"id": SECOND, "at": "now", "problems": []}} | changed
        return outcome(checks.test_the_newest_was_read_back, {"backup look": json.dumps(told)}, DECLARED)

    assert look()[0] == "pass"
    assert "never read back" in look(read=None)[1]
    assert "had 11" in look(problems=["x has 10 bytes and had 11"])[1]
    assert "other content" in look(read={"id": SECOND, "at": "now", "problems": ["x has other content"]})[1]


def test_verbs_without_a_declared_backup_say_what_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deploy.yml").write_text(LAB)
    for words in (["backup", "now"], ["backup", "list"], ["backup", "verify"], ["restore"]):
        assert main([*words, str(tmp_path / "deploy.yml"), "--quiet"]) == 2
        assert "backup: {to: /mnt/backup}" in capsys.readouterr().err


def test_a_restore_that_nobody_confirmed_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    given = SimpleNamespace(yes=False)
    report = SimpleNamespace(err=SimpleNamespace(print=lambda *_, **__: None))
    monkeypatch.setattr(keeping.sys, "stdin", SimpleNamespace(isatty=lambda: False))
    with pytest.raises(CallError, match="overwrites what acme holds now"):
        keeping._demand_word("acme", given, report)
    monkeypatch.setattr(keeping.sys, "stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: "yes\n"))
    with pytest.raises(CallError, match="nothing was restored"):
        keeping._demand_word("acme", given, report)
    monkeypatch.setattr(keeping.sys, "stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: "acme\n"))
    keeping._demand_word("acme", given, report)

"""Lock, mirror, save and load through the command line, against real registries and real files."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from hedgerow import prerequisites
from hedgerow.cli import main
from hedgerow.declaration import parse
from hedgerow.deployment import Deployment
from hedgerow.errors import CallError
from hedgerow.hosts import Host, Site
from hedgerow.image_lock import NAME, ImageLock, Locked
from hedgerow.images import images_for, sources, stack_for, unlocked
from hedgerow.oci import content
from hedgerow.oci.archive import Archive
from hedgerow.oci.references import Reference
from hedgerow.oci.registry import Repository
from hedgerow.services import load_table
from hedgerow.stack import LockedImage
from tests import registries
from tests.registries import Small

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8N"
DIGEST = "sha256:" + "a" * 64
ONPREM = f"""\
name: acme
domain: analytics.acme.example
target: {{kind: onprem, hosts: [{{name: a-1, address: 192.0.2.10, user: debian}}]}}
access: {{administrators: [{{name: jane, ssh_keys: ["{KEY}"]}}]}}
posthog: {{images: {{posthog: "POSTHOG", capture: "CAPTURE"}}}}
"""
SITE = Site((Host("a-1", "192.0.2.10", "192.0.2.10", "debian"),), "192.0.2.1")
LAB = Site((Host("hedge-1", "192.0.2.10", "192.0.2.10", "debian", machine="container"),), "192.0.2.1", stand_ins=True)


WHOLE = load_table()
# Two images are enough to see what is done with each, and every registry and archive here holds just these.
TABLE = replace(
    WHOLE,
    images={key: WHOLE.images[key] for key in ("posthog", "capture")},
    services=tuple(
        replace(row, uses=(), topics=None, clickhouse=False, secrets={})
        for row in WHOLE.services
        if row.image in ("posthog", "capture")
    ),
)


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hedgerow.images.load_table", lambda release: TABLE)


@pytest.fixture(scope="module", autouse=True)
def package() -> None:
    prerequisites.provide(registries.PACKAGE, yes=True, say=print)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that holds what a deployment needs, under tags."""
    with registries.registry(tmp_path_factory.mktemp("upstream")) as host:
        Small("web").push(host, "posthog/posthog", "1.0")
        Small("taker", (), docker=True).push(host, "posthog/capture", "main")
        yield host


class Place:
    """A folder with a declaration, and the command line used there."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        self.declaration = folder / "deploy.yml"

    def declare(self, posthog: str, capture: str) -> None:
        self.declaration.write_text(ONPREM.replace("POSTHOG", posthog).replace("CAPTURE", capture))

    def call(self, action: str, *words: str) -> tuple[int, dict[str, Any], str]:
        code = main(["images", action, str(self.declaration), "--json", "--quiet", *words])
        said = self.capsys.readouterr()
        return code, json.loads(said.out), said.err

    def done(self, action: str, *words: str) -> dict[str, Any]:
        code, said, problem = self.call(action, *words)
        assert code == 0, problem
        return said["images"]

    @property
    def lock(self) -> Path:
        return Deployment("acme").root / NAME

    @property
    def images(self) -> dict[str, LockedImage]:
        """What an install would run."""
        declared = parse(self.declaration.read_text())
        return dict(images_for(declared, SITE, TABLE, ImageLock.read(Deployment("acme").root), print))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], upstream: str) -> Place:
    for name in ("HEDGEROW_DEPLOYMENTS", "XDG_CONFIG_HOME", "HEDGEROW_STATE", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    made = Place(tmp_path, capsys)
    made.declare(f"{upstream}/posthog/posthog:1.0", f"{upstream}/posthog/capture:main")
    return made


@pytest.fixture
def archive(place: Place) -> Path:
    """An archive of the locked images; the lock is then removed, as on a controller that never saw a registry."""
    place.done("lock")
    path = place.folder / "images.oci.tar"
    place.done("save", "--archive", str(path))
    place.lock.unlink()
    return path


def test_a_tag_is_resolved_once_and_again_only_when_asked(place: Place, upstream: str, tmp_path: Path) -> None:
    with registries.registry(tmp_path / "moving") as moving:
        first, second = Small("first"), Small("second")
        first.push(moving, "posthog/posthog", "1.0")
        place.declare(f"{moving}/posthog/posthog:1.0", f"{upstream}/posthog/capture:main")
        locked = place.done("lock")
        assert locked["posthog"]["reference"] == f"{moving}/posthog/posthog@{first.digest}"
        assert locked["posthog"]["source"] == f"{moving}/posthog/posthog:1.0"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", locked["posthog"]["resolved"])
        before = place.lock.read_bytes()
        second.push(moving, "posthog/posthog", "1.0")
        assert place.done("lock") == locked
        assert place.lock.read_bytes() == before
        renewed = place.done("lock", "--update")
        assert renewed["posthog"]["reference"].endswith(second.digest)
        assert renewed["capture"] == locked["capture"], "what did not move stays as it was"
    assert place.images["posthog"] == LockedImage(renewed["posthog"]["reference"])
    assert place.done("lock") == renewed, "what is locked needs no registry"


def test_a_digest_that_is_declared_needs_no_lock(place: Place, upstream: str) -> None:
    declared = [f"{upstream}/posthog/{name}@{DIGEST}" for name in ("posthog", "capture")]
    place.declare(*declared)
    assert [image.reference for image in place.images.values()] == declared


def test_without_a_lock_nothing_is_installed(place: Place) -> None:
    assert main(["install", str(place.declaration), "--quiet"]) == 2
    said = place.capsys.readouterr().err
    assert "posthog.images.posthog" in said
    assert "images lock acme" in said
    assert not Deployment("acme").root.exists()


def test_a_lock_of_something_else_is_not_used(place: Place, upstream: str) -> None:
    place.done("lock")
    place.declare(f"{upstream}/posthog/posthog:2.0", f"{upstream}/posthog/capture:main")
    with pytest.raises(CallError, match=r"posthog:2\.0 may be moved, and was resolved from .*posthog:1\.0"):
        _ = place.images


@pytest.mark.parametrize(
    ("image", "code", "said"),
    [
        ("{upstream}/posthog/posthog:gone", 2, "has no {upstream}/posthog/posthog:gone (MANIFEST_UNKNOWN"),
        ("{upstream}/posthog/nothing:1.0", 2, "has no {upstream}/posthog/nothing:1.0"),
        ("{upstream}/posthog/posthog@" + DIGEST, 2, "has no {upstream}/posthog/posthog@" + DIGEST),
        ("{private}/posthog/posthog:1.0", 3, "refused {private}/posthog/posthog:1.0: 401"),
        ("127.0.0.1:{closed}/posthog/posthog:1.0", 3, "could not be reached"),
        ("nowhere.invalid/posthog/posthog:1.0", 3, "nowhere.invalid could not be reached"),
    ],
)
def test_a_lock_that_cannot_be_made_leaves_nothing(
    place: Place, upstream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: str, code: int, said: str
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "htpasswd").write_text(registries.HTPASSWD)
    auth = {"htpasswd": {"realm": "acme", "path": str(tmp_path / "htpasswd")}}
    with registries.registry(tmp_path / "private", auth) as private:
        known = {"upstream": upstream, "private": private, "closed": registries.free_port()}
        place.declare(image.format(**known), f"{upstream}/posthog/capture:main")
        ended, told, problem = place.call("lock")
    assert ended == code
    assert said.format(**known) in told["error"]
    assert told["fix"] and told["fix"] in problem
    assert not Deployment("acme").root.exists()


def test_a_mirror_has_the_same_digests_and_hosts_pull_from_it(place: Place, upstream: str, tmp_path: Path) -> None:
    locked = place.done("lock")
    with registries.registry(tmp_path / "mirror") as mirror:
        place.done("mirror", "--to", f"{mirror}/copies")
        assert (
            place.done("mirror", "--to", f"{mirror}/copies")["posthog"]["mirror"] == f"{mirror}/copies/posthog/posthog"
        )
        for key, row in locked.items():
            digest = row["reference"].partition("@")[2]
            name = f"copies/posthog/{key}"
            assert place.images[key] == LockedImage(f"{mirror}/{name}@{digest}")
            copy = content.tree(Repository(Reference(mirror, name)), digest)
            original = content.tree(Repository(Reference(upstream, f"posthog/{key}")), digest)
            assert [each.content for each in copy.documents] == [each.content for each in original.documents]
            for blob in copy.blobs:
                assert b"".join(Repository(Reference(mirror, name)).blob(blob))
        declared = parse(place.declaration.read_text())
        stack = stack_for(declared, SITE, ImageLock.read(Deployment("acme").root), print)
        assert stack.containers_repositories(SITE.hosts[0]) == [
            f"{mirror}/copies/posthog/{key}" for key in ("capture", "posthog")
        ]
        assert stack.registry_ports(SITE.hosts[0]) == [int(mirror.partition(":")[2])], "the firewall lets root reach it"
        # A mirror is also where an archive is saved from, and an update that finds the same digest keeps it.
        place.done("save", "--archive", str(tmp_path / "a.tar"))
        assert place.done("lock", "--update")["capture"]["mirror"] == f"{mirror}/copies/posthog/capture"


@pytest.mark.parametrize(
    ("to", "code", "said"),
    [
        ("https://registry.acme.example", 2, "is no place in a registry"),
        ("127.0.0.1:{closed}/x", 3, "could not be reached"),
        ("{private}/x", 3, "refused {private}/x/posthog/posthog"),
        ("{upstream}", 2, "is where posthog comes from"),
    ],
)
def test_a_mirror_that_cannot_be_written_changes_nothing(
    place: Place, upstream: str, tmp_path: Path, to: str, code: int, said: str
) -> None:
    place.done("lock")
    before = place.lock.read_bytes()
    (tmp_path / "htpasswd").write_text(registries.HTPASSWD)
    auth = {"htpasswd": {"realm": "acme", "path": str(tmp_path / "htpasswd")}}
    with registries.registry(tmp_path / "private", auth) as private:
        known = {"upstream": upstream, "private": private, "closed": registries.free_port()}
        ended, told, _ = place.call("mirror", "--to", to.format(**known))
    assert (ended, said.format(**known) in told["error"]) == (code, True), told
    assert place.lock.read_bytes() == before


def test_a_blob_that_changed_on_the_way_is_in_no_mirror_and_no_archive(
    place: Place, upstream: str, tmp_path: Path
) -> None:
    store = tmp_path / "spoilt"
    with registries.registry(store) as spoilt, registries.registry(tmp_path / "mirror") as mirror:
        image = Small("to be spoilt")
        image.push(spoilt, "posthog/posthog", "1.0")
        place.declare(f"{spoilt}/posthog/posthog:1.0", f"{upstream}/posthog/capture:main")
        place.done("lock")
        before = place.lock.read_bytes()
        blob = image.documents[0].blobs[1].digest
        path = store / "data/docker/registry/v2/blobs/sha256" / blob[7:9] / blob[7:] / "data"
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        ended, told, _ = place.call("mirror", "--to", f"{mirror}/x")
        assert (ended, f"{blob} was asked for" in told["error"]) == (3, True), told
        assert not Repository(Reference(mirror, "x/posthog/posthog")).has("blobs", blob)
        ended, told, _ = place.call("save", "--archive", str(tmp_path / "out.tar"))
        assert (ended, f"{blob} was asked for" in told["error"]) == (3, True), told
    assert not list(tmp_path.glob("*out.tar*")), "no half of an archive is left"
    assert place.lock.read_bytes() == before


def test_what_is_not_locked_can_neither_be_mirrored_nor_saved(place: Place) -> None:
    for action, words in (("mirror", ("--to", "registry.acme.example/x")), ("save", ("--archive", "/nowhere/x.tar"))):
        ended, told, _ = place.call(action, *words)
        assert (ended, "images lock acme" in told["fix"]) == (2, True), told
    assert not Deployment("acme").root.exists()


def test_an_archive_makes_the_lock_where_no_registry_is_reached(place: Place, archive: Path) -> None:
    """What was resolved, from what and when comes along; a second load changes nothing."""
    rows = {image.notes["hedgerow.image"]: image for image in Archive(archive).images()}
    loaded = place.done("load", "--archive", str(archive))
    for key, row in loaded.items():
        assert row["reference"] == rows[key].name
        assert row["resolved"] == rows[key].notes["hedgerow.resolved"]
        assert place.images[key] == LockedImage(rows[key].name, str(archive))
    declared = parse(place.declaration.read_text())
    stack = stack_for(declared, SITE, ImageLock.read(Deployment("acme").root), print)
    assert (stack.containers_repositories(SITE.hosts[0]), stack.registry_ports(SITE.hosts[0]), stack.stand_in) == (
        [],
        [],
        False,
    )
    before = place.lock.stat().st_mtime_ns
    assert place.done("load", "--archive", str(archive)) == loaded
    assert place.lock.stat().st_mtime_ns == before
    again = place.folder / "again.tar"
    place.done("save", "--archive", str(again))
    assert again.read_bytes() == archive.read_bytes(), "an archive can be made of an archive"


def test_an_archive_holds_what_images_share_once(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    assert len(names) == len(set(names))
    shared = content.digest_of(b"shared" * 4000)
    assert f"blobs/{shared.replace(':', '/')}" in names


def spoil_blob(data: bytearray) -> None:
    at = data.index(b"shared" * 4000)
    data[at + 5] ^= 1


def spoil_manifest(data: bytearray) -> None:
    at = data.index(b'"architecture": "arm64"')
    data[at + 18] ^= 1


def spoil_index(data: bytearray) -> None:
    at = data.index(b'"digest":"sha256:') + len(b'"digest":"sha256:')
    data[at] = ord("0") if data[at] != ord("0") else ord("1")


def cut(data: bytearray) -> None:
    del data[len(data) // 2 :]


def empty(data: bytearray) -> None:
    del data[:]


def no_tar(data: bytearray) -> None:
    data[:] = b"no archive at all " * 1000


@pytest.mark.parametrize("spoil", [spoil_blob, spoil_manifest, spoil_index, cut, empty, no_tar])
def test_an_archive_that_changed_is_refused(place: Place, archive: Path, spoil: Callable[[bytearray], None]) -> None:
    data = bytearray(archive.read_bytes())
    spoil(data)
    archive.write_bytes(data)
    ended, told, _ = place.call("load", "--archive", str(archive))
    assert (ended, str(archive) in told["error"]) == (2, True), told
    assert not place.lock.exists()


def test_every_single_byte_of_content_counts(place: Place, archive: Path) -> None:
    """A flip at any of many places is found, wherever it is: in a blob, a manifest, the index or a header."""
    good = archive.read_bytes()
    meaningless = []
    for at in range(0, len(good), len(good) // 40):
        data = bytearray(good)
        data[at] ^= 0x40
        archive.write_bytes(data)
        ended, _, _ = place.call("load", "--archive", str(archive))
        if ended == 0:
            meaningless.append(at)
            place.lock.unlink()
    padding = [at for at in meaningless if good[at] == 0]
    assert meaningless == padding, "only what fills blocks of the tar file may differ"


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("oci-layout", "is there twice"),
        ("../../etc/passwd", "does not belong there"),
        ("manifest.json", "does not belong there"),
    ],
)
def test_what_two_programs_could_read_differently_is_refused(
    place: Place, archive: Path, member: str, said: str
) -> None:
    with tarfile.open(archive, "a") as tar:
        tar.addfile(tarfile.TarInfo(member))
    ended, told, _ = place.call("load", "--archive", str(archive))
    assert (ended, said in told["error"]) == (2, True), told


def test_an_archive_of_something_else_is_refused(place: Place, archive: Path, upstream: str) -> None:
    Small("newer").push(upstream, "posthog/newer", "1.0")
    place.declare(f"{upstream}/posthog/newer:1.0", f"{upstream}/posthog/capture:main")
    ended, told, _ = place.call("load", "--archive", str(archive))
    assert (ended, "resolved from" in told["error"]) == (2, True), told
    assert not place.lock.exists()
    place.done("lock")
    before = place.lock.read_bytes()
    ended, told, _ = place.call("load", "--archive", str(archive))
    assert (ended, "and the lock says" in told["error"]) == (2, True), told
    assert place.lock.read_bytes() == before
    assert place.call("load", "--archive", "/nowhere.tar")[0] == 2
    place.declare(f"{upstream}/posthog/newer@{DIGEST}", f"{upstream}/posthog/capture:main")
    ended, told, _ = place.call("load", "--archive", str(archive))
    assert (ended, "and the declaration says" in told["error"]) == (2, True), told


def test_a_mirror_is_trusted_as_declared_and_an_archive_carries_no_signature(place: Place, archive: Path) -> None:
    (place.folder / "ca.pem").write_text("a CA")
    (place.folder / "cosign.pub").write_text("a key")
    trust = f"registry: {{ca_file: {place.folder}/ca.pem, signature_key: {place.folder}/cosign.pub}}, images:"
    declared = parse(place.declaration.read_text().replace("images:", trust))
    row = f"registry.acme.example:5000/x@{DIGEST}"
    both = {key: Locked(row, source, "t") for key, source in sources(declared, TABLE).items()}
    stack = stack_for(declared, SITE, ImageLock(both), print)
    assert (stack.registry.ca, stack.registry.signature_key) == ("a CA", "a key")
    assert (stack.containers_registries(SITE.hosts[0]), stack.registry_ports(SITE.hosts[0])) == (
        ["registry.acme.example:5000"],
        [5000],
    )
    place.done("load", "--archive", str(archive))
    with pytest.raises(CallError, match="carries no signatures") as refused:
        stack_for(declared, SITE, ImageLock.read(Deployment("acme").root), print)
    assert "images mirror" in refused.value.fix


def test_a_damaged_lock_is_said(place: Place) -> None:
    place.lock.parent.mkdir(parents=True)
    for text in ("", "images: 1\n", "images: {posthog: {reference: x}}\n", "images: {a: {b: c}}\n", "\t"):
        place.lock.write_text(text)
        ended, told, _ = place.call("lock")
        assert (ended, "is no image lock" in told["error"]) == (2, True), (text, told)


def test_nothing_to_do_without_posthog(place: Place) -> None:
    place.declaration.write_text(re.sub(r"posthog: .*", "posthog: {deploy: false}", ONPREM))
    ended, told, _ = place.call("lock")
    assert (ended, "posthog.deploy is false" in told["error"]) == (2, True)


STAND_IN = "localhost/hedgerow-stand-in"
BUILT = {f"{STAND_IN}/{key}": (f"{STAND_IN}/{key}@{DIGEST}", Path("/built.tar")) for key in ("posthog", "capture")}
IN_LAB = "name: demo\ndomain: analytics.acme.example\ntarget: {kind: lab}\n"
OTHER = f"{STAND_IN}/posthog@sha256:{'b' * 64}"


@pytest.mark.parametrize(
    ("row", "image"),
    [
        (None, LockedImage(f"{STAND_IN}/posthog@{DIGEST}", "/built.tar")),
        (Locked(OTHER, "stand-in", "t"), LockedImage(f"{STAND_IN}/posthog@{DIGEST}", "/built.tar")),
        (Locked(OTHER, "stand-in", "t", archive="/saved.tar"), LockedImage(OTHER, "/saved.tar")),
        (
            Locked(OTHER, "stand-in", "t", mirror="r.example/x/hedgerow-stand-in/posthog"),
            LockedImage(f"r.example/x/hedgerow-stand-in/posthog@sha256:{'b' * 64}"),
        ),
    ],
)
def test_a_lab_runs_stand_ins_from_where_the_lock_has_them(
    monkeypatch: pytest.MonkeyPatch, row: Locked | None, image: LockedImage
) -> None:
    monkeypatch.setattr("hedgerow.images.built_here", lambda say: BUILT)
    lock = ImageLock({"posthog": row} if row else {})
    declared = parse(IN_LAB)
    assert images_for(declared, LAB, TABLE, lock, print)["posthog"] == image
    assert stack_for(declared, LAB, lock, print).stand_in, "they are given the commands of stand-ins"


def test_no_stand_in_leaves_the_lab_through_a_lock() -> None:
    declared = parse(ONPREM.replace("POSTHOG", "r.example/a:1").replace("CAPTURE", f"r.example/b@{DIGEST}"))
    lock = ImageLock({"posthog": Locked(OTHER, "r.example/a:1", "t")})
    assert ["stand-in" in line for line in unlocked(declared, lock)] == [True]


def test_upstreams_own_tags_are_the_default_outside_the_lab() -> None:
    declared = parse(ONPREM.replace("posthog:", "#", 1))
    assert [line.split()[1] for line in unlocked(declared, ImageLock({}))] == [
        "docker.io/posthog/posthog:latest",
        "ghcr.io/posthog/posthog/capture:master",
    ]


def test_a_lock_is_readable(tmp_path: Path) -> None:
    row = Locked(f"r.example/a@{DIGEST}", "r.example/a:1", "2026-02-01T00:00:00Z", archive="/a.tar")
    ImageLock({"posthog": row}).write(tmp_path)
    text = (tmp_path / NAME).read_text()
    assert "mirror" not in yaml.safe_load(text)["images"]["posthog"]
    assert ImageLock.read(tmp_path) == ImageLock({"posthog": row})

"""The stand-in images: an archive that is what its digests say, built once. Debian's part is a small file here."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hedgerow import stand_in, stand_in_engine
from hedgerow import stand_in_layers as oci
from hedgerow.errors import UnreachableError


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Stand in for mmdebstrap: write a root file system of one file, and return how often it was asked."""
    calls: list[list[str]] = []

    def attempt(argv: list[str], **_: Any) -> tuple[int, str, str]:
        calls.append(argv)
        with tarfile.open(argv[-1], "w") as tar:
            entry = tarfile.TarInfo("etc/os-release")
            entry.size = 6
            tar.addfile(entry, io.BytesIO(b"debian"))
        return 0, "", ""

    def fetch(argv: list[str], **_: Any) -> tuple[int, str, str]:
        calls.append(argv)
        wheels = Path(argv[argv.index("--dest") + 1])
        wheels.mkdir()
        with zipfile.ZipFile(wheels / "engine.whl", "w") as wheel:
            wheel.writestr("chdb/_chdb.abi3.so", b"engine")
            wheel.writestr("chdb/__init__.py", b"opens an engine when imported")
        return 0, "", ""

    monkeypatch.setattr(stand_in, "attempt", attempt)
    monkeypatch.setattr(stand_in_engine, "attempt", fetch)
    return calls


def build(cache: Path) -> tuple[stand_in.StandInImage, ...]:
    return stand_in.images(lambda _: None, cache)


class Archive:
    """An OCI archive, read as an engine would; each blob is held against its digest."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            self.files = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]

    def blob(self, descriptor: dict[str, Any]) -> bytes:
        content = self.files[f"blobs/{descriptor['digest'].replace(':', '/')}"]
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == descriptor["digest"]
        assert len(content) == descriptor["size"]
        return content

    def image(self, reference: str) -> tuple[dict[str, Any], list[bytes]]:
        """The configuration and the uncompressed layers of the image with this very reference."""
        index = json.loads(self.files["index.json"])
        [entry] = [row for row in index["manifests"] if row["annotations"][oci.REF_NAME] == reference]
        manifest = json.loads(self.blob(entry))
        layers = [gzip.decompress(self.blob(layer)) for layer in manifest["layers"]]
        return json.loads(self.blob(manifest["config"])), layers


def test_each_image_is_what_its_digest_says(debian: list[list[str]], tmp_path: Path) -> None:
    built = build(tmp_path)
    assert [image.reference.partition("@")[0] for image in built] == list(stand_in.ALL)
    for image in built:
        config, layers = Archive(image.archive).image(image.reference)
        digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
        assert config["rootfs"]["diff_ids"] == digests


def test_an_image_says_that_it_is_a_stand_in_and_runs_as_nobody_special(
    debian: list[list[str]], tmp_path: Path
) -> None:
    for image in build(tmp_path):
        config, _ = Archive(image.archive).image(image.reference)
        assert config["config"]["User"] == "10001:10001"
        assert config["config"]["Labels"]["hedgerow.stand-in"] == "true"
        assert "stand-in" in config["config"]["Labels"]["org.opencontainers.image.title"]


def test_the_application_is_in_the_image(debian: list[list[str]], tmp_path: Path) -> None:
    image = build(tmp_path)[0]
    config, layers = Archive(image.archive).image(image.reference)
    with tarfile.open(fileobj=io.BytesIO(layers[1])) as tar:
        names = set(tar.getnames())
    [place] = [word.partition("=")[2] for word in config["config"]["Env"] if word.startswith("PYTHONPATH=")]
    sources = {path.name for path in (stand_in.SOURCES / "stand_in").glob("*.py")}
    assert {f"{place.lstrip('/')}/stand_in/{name}" for name in sources} < names


def test_what_is_cached_is_not_built_again(debian: list[list[str]], tmp_path: Path) -> None:
    assert build(tmp_path) == build(tmp_path)
    assert len(debian) == 2


def test_equal_input_gives_equal_digests(debian: list[list[str]], tmp_path: Path) -> None:
    first, second = build(tmp_path / "a"), build(tmp_path / "b")
    assert [image.reference for image in first] == [image.reference for image in second]


def test_a_changed_application_is_another_image_on_the_same_base(
    debian: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(tmp_path)
    changed = tmp_path / "sources"
    shutil.copytree(stand_in.SOURCES, changed)
    for kind in stand_in.KINDS:
        (changed / kind.package / "__main__.py").write_text("print('changed')\n")
    monkeypatch.setattr(stand_in, "SOURCES", changed)
    second = build(tmp_path)
    assert {image.reference for image in first}.isdisjoint(image.reference for image in second)
    assert len(debian) == 2


def test_old_archives_do_not_pile_up(debian: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tmp_path / "sources"
    shutil.copytree(stand_in.SOURCES, changed)
    monkeypatch.setattr(stand_in, "SOURCES", changed)
    for number in range(stand_in.KEEP + 2):
        (changed / "stand_in" / "__main__.py").write_text(f"print({number})\n")
        newest = stand_in.images(lambda _: None, tmp_path, wanted=["localhost/hedgerow-stand-in/capture"])[0]
    kept = list((tmp_path / "stand-in").glob("stand_in-*.oci.tar"))
    assert newest.archive in kept
    assert len(kept) == stand_in.KEEP


def test_only_what_is_wanted_is_built(debian: list[list[str]], tmp_path: Path) -> None:
    [image] = stand_in.images(lambda _: None, tmp_path, wanted=["localhost/hedgerow-stand-in/capture"])
    assert image.reference.startswith("localhost/hedgerow-stand-in/capture@")
    assert len(debian) == 1


def test_of_the_engine_only_the_library_is_laid_down(debian: list[list[str]], tmp_path: Path) -> None:
    [image] = stand_in.images(lambda _: None, tmp_path, wanted=["localhost/hedgerow-stand-in/clickhouse"])
    _, layers = Archive(image.archive).image(image.reference)
    with tarfile.open(fileobj=io.BytesIO(layers[1])) as tar:
        assert tar.getnames() == ["usr/lib/hedgerow-stand-in/chdb/_chdb.abi3.so"]


def test_an_engine_that_cannot_be_fetched_leaves_nothing(
    debian: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        stand_in_engine, "attempt", lambda *_, **__: (1, "", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES")
    )
    with pytest.raises(UnreachableError, match="engine could not be fetched: ERROR: THESE PACKAGES DO NOT MATCH"):
        build(tmp_path)
    assert not list((tmp_path / "stand-in").glob("engine-*"))


def test_a_build_that_fails_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in, "attempt", lambda *_, **__: (1, "", "noise\nE: unable to fetch\nmore noise"))
    with pytest.raises(UnreachableError, match=r"could not be built: E: unable to fetch$"):
        build(tmp_path)
    assert {path.name for path in (tmp_path / "stand-in").iterdir() if path.is_file()} == {"lock"}


def test_what_a_killed_build_left_is_swept(debian: list[list[str]], tmp_path: Path) -> None:
    left = tmp_path / "stand-in" / "workshop" / "half"
    left.mkdir(parents=True)
    build(tmp_path)
    assert not left.parent.exists()

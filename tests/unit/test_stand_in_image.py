"""The stand-in images: an archive that is what its digests say, built once. Debian's part is a small file here."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hedgerow import stand_in
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

    monkeypatch.setattr(stand_in, "attempt", attempt)
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
        [entry] = [row for row in index["manifests"] if row["annotations"][stand_in.REF_NAME] == reference]
        manifest = json.loads(self.blob(entry))
        layers = [gzip.decompress(self.blob(layer)) for layer in manifest["layers"]]
        return json.loads(self.blob(manifest["config"])), layers


def test_each_image_is_what_its_digest_says(debian: list[list[str]], tmp_path: Path) -> None:
    for image, name in zip(build(tmp_path), ("posthog", "capture", "feature-flags"), strict=True):
        assert image.reference.startswith(f"localhost/hedgerow-stand-in/{name}@sha256:")
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
    sources = {path.name for path in stand_in.SOURCES.glob("*.py")}
    assert {f"{place.lstrip('/')}/stand_in/{name}" for name in sources} < names


def test_what_is_cached_is_not_built_again(debian: list[list[str]], tmp_path: Path) -> None:
    assert build(tmp_path) == build(tmp_path)
    assert len(debian) == 1


def test_equal_input_gives_equal_digests(debian: list[list[str]], tmp_path: Path) -> None:
    first, second = build(tmp_path / "a"), build(tmp_path / "b")
    assert [image.reference for image in first] == [image.reference for image in second]


def test_a_changed_application_is_another_image_on_the_same_base(
    debian: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(tmp_path)
    changed = tmp_path / "sources"
    changed.mkdir()
    (changed / "__main__.py").write_text("print('changed')\n")
    monkeypatch.setattr(stand_in, "SOURCES", changed)
    second = build(tmp_path)
    assert {image.reference for image in first}.isdisjoint(image.reference for image in second)
    assert len(debian) == 1


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

"""Files out of an image: laid down as the image has them, put right when changed, removed with the image."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible.module_utils.testing import patch_module_args

from tests.unit.test_podman_modules import load

NAME = "hedgerow_from_images"
OLD, NEW = (f"registry.example/app@sha256:{letter * 64}" for letter in "ab")
PODMAN = f"""#!{sys.executable}
import os, sys
from pathlib import Path
home = Path(os.environ["FAKE_PODMAN"])
with (home / "asked").open("a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
place = home / "images" / sys.argv[-1].rpartition(":")[2]
if not place.is_dir():
    sys.exit(1 if sys.argv[2] == "exists" else "no such image")
print(place)
"""
FUNCTIONS = """<functions>
    <!-- v2 --><function><type>executable_pool</type><name>funnel_v1</name><command>v1/funnel steps</command></function>
    <function><type>executable_pool</type><name>funnel_v10</name><command>v10/funnel steps</command></function>
    <function><type>executable_pool</type><name>drop_keys_v2</name><command>v2/drop</command></function>
</functions>
"""
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for reference in (OLD, NEW):
        image = tmp_path / "images" / reference.rpartition(":")[2]
        (image / "code/scripts/v1").mkdir(parents=True)
        (image / "code/scripts/functions.xml").write_text(FUNCTIONS)
        (image / "code/scripts/v1/funnel").write_text("#!/bin/sh\n")
        (image / "code/scripts/v1/funnel").chmod(0o775)
    program = tmp_path / "bin/podman"
    program.parent.mkdir()
    program.write_text(PODMAN)
    program.chmod(0o755)
    monkeypatch.setenv("FAKE_PODMAN", str(tmp_path))
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    # Only root can give files to root; who runs the tests does not matter to anything else here.
    module = load(NAME)
    monkeypatch.setattr(module.os, "chown", lambda *_: None)
    return tmp_path


@pytest.fixture
def call(home: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*rows: tuple[str, str], check: bool = False, tidy: bool = False, plain: bool = False) -> dict[str, Any]:
        files = [{"reference": reference, "path": path, "unversioned": plain} for reference, path in rows]
        words = {"files": files, "tidy": tidy, "folder": str(home / "here"), "_ansible_check_mode": check}
        with patch_module_args(words), pytest.raises(SystemExit):
            load(NAME).main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
        return answer

    return run


def place(home: Path, reference: str, path: str = "code/scripts") -> Path:
    return home / "here" / reference.rpartition(":")[2] / path


def test_a_folder_is_laid_down_once_and_nobody_may_change_it(home: Path, call: Call) -> None:
    assert call((OLD, "/code/scripts"))["paths"] == [str(place(home, OLD))]
    assert stat.S_IMODE((place(home, OLD) / "v1/funnel").stat().st_mode) == 0o755
    assert stat.S_IMODE((place(home, OLD) / "functions.xml").stat().st_mode) == 0o644
    assert [path.name for path in place(home, OLD).parent.iterdir()] == ["scripts"], "nothing is left beside it"
    assert call((OLD, "/code/scripts"))["changed"] is False
    asked = (home / "asked").read_text().split("\n")
    assert asked.count(f"image mount {OLD}") == asked.count(f"image unmount {OLD}") == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda top: (top / "v1/funnel").write_text("#!/bin/sh\nother\n"),
        lambda top: (top / "v1/funnel").chmod(0o777),
        lambda top: (top / "v1/more").touch(),
        lambda top: (top / "functions.xml").unlink(),
        lambda top: ((top / "functions.xml").unlink(), (top / "functions.xml").symlink_to("/etc/passwd")),
    ],
)
def test_what_was_changed_is_laid_down_anew_as_a_folder_of_its_own(
    home: Path, call: Call, change: Callable[[Path], object]
) -> None:
    """A container still sees the folder that it was started with: a new one tells that it must be started anew."""
    call((OLD, "/code/scripts"))
    top = place(home, OLD)
    before = top.stat().st_ino
    change(top)
    assert call((OLD, "/code/scripts"), check=True)["changed"] is True
    assert top.stat().st_ino == before
    assert call((OLD, "/code/scripts"))["changed"] is True
    assert top.stat().st_ino != before
    assert call((OLD, "/code/scripts"))["changed"] is False


def test_what_is_left_of_other_images_goes_last(home: Path, call: Call) -> None:
    call((OLD, "/code/scripts"))
    call((NEW, "/code/scripts"))
    assert place(home, OLD).is_dir(), "who runs until the restart still has them"
    assert call((NEW, "/code/scripts"), tidy=True)["paths"] == [str(home / "here" / ("a" * 64))]
    assert call((NEW, "/code/scripts"), tidy=True)["changed"] is False
    assert (place(home, OLD).exists(), place(home, NEW).exists()) == (False, True)


def test_functions_have_plain_names_and_their_newest_version(home: Path, call: Call) -> None:
    call((OLD, "/code/scripts/functions.xml"), plain=True)
    path = place(home, OLD, "unversioned/code/scripts/functions.xml")
    made = ElementTree.parse(path).findall("function")  # noqa: S314 (ours, a moment ago)
    assert [(each.findtext("name"), each.findtext("command")) for each in made] == [
        ("drop_keys", "v2/drop"),
        ("funnel", "v10/funnel steps"),
    ]
    assert call((OLD, "/code/scripts/functions.xml"), plain=True)["changed"] is False


def test_before_the_first_converge_everything_is_promised(home: Path, call: Call) -> None:
    unknown = f"registry.example/app@sha256:{'c' * 64}"
    assert call((unknown, "/code/scripts"), check=True)["changed"] is True
    assert not (home / "here").exists()


def test_what_cannot_be_laid_down_is_told(home: Path, call: Call) -> None:
    assert "has no such thing" in call((OLD, "/code/gone"))["msg"]
    (home / "images" / ("b" * 64) / "code/scripts/link").symlink_to("/etc")
    assert "neither a file nor a folder" in call((NEW, "/code/scripts"))["msg"]
    assert not place(home, NEW).exists()
    assert "absolute path" in call((OLD, "code/../../etc"))["msg"]
    assert "absolute path" in call(("registry.example/app:latest", "/code"))["msg"]

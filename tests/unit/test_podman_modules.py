"""Our modules for Podman, run for real against a small Podman of our own that keeps its things in a folder."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

REPOSITORY = Path(__file__).parents[2]
DIGEST = "@sha256:" + "a" * 64
PODMAN = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path
home = Path(os.environ["FAKE_PODMAN"])
with (home / "asked").open("a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
secrets, images = home / "secrets", home / "images"
match sys.argv[1:]:
    case ["secret", "ls", *_]:
        print("\\n".join(sorted(p.name for p in secrets.iterdir())))
    case ["secret", "inspect", "--showsecret", *names]:
        print(json.dumps([{{"Spec": {{"Name": n}}, "SecretData": (secrets / n).read_text()}} for n in names]))
    case ["secret", "create", "--replace", name, "-"]:
        (secrets / name).write_text(sys.stdin.read())
    case ["secret", "rm", *names]:
        for name in names:
            (secrets / name).unlink()
    case ["image", "exists", reference]:
        sys.exit(0 if reference in images.read_text().split() else 1)
    case ["pull", "--quiet", source]:
        if "refused" in source:
            sys.exit("the registry refused")
        reference = source.split(":", 2)[2] if source.startswith("oci-archive:") else source
        images.write_text(f"{{images.read_text()}} {{reference}}")
    case other:
        sys.exit(f"not known here: {{other}}")
"""
Call = Callable[..., dict[str, Any]]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / f"plugins/modules/{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "images").write_text("")
    (tmp_path / "asked").write_text("")
    program = tmp_path / "bin" / "podman"
    program.parent.mkdir()
    program.write_text(PODMAN)
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("FAKE_PODMAN", str(tmp_path))
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """One call of a module by name; returns what it would tell Ansible."""

    def run(name: str, check: bool = False, **arguments: Any) -> dict[str, Any]:
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            load(name).main()
        return json.loads(capsys.readouterr().out.strip().splitlines()[-1])

    return run


def kept(podman: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (podman / "secrets").iterdir()}


def test_secrets_are_made_replaced_and_removed(podman: Path, call: Call) -> None:
    for name, value in {"hedgerow-a": "old", "hedgerow-gone": "x", "of-somebody-else": "y"}.items():
        (podman / "secrets" / name).write_text(value)
    result = call("hedgerow_podman_secrets", secrets={"hedgerow-a": "new", "hedgerow-b": "fresh"})
    assert (result["replaced"], result["removed"]) == (["hedgerow-a", "hedgerow-b"], ["hedgerow-gone"])
    assert kept(podman) == {"hedgerow-a": "new", "hedgerow-b": "fresh", "of-somebody-else": "y"}


def test_secrets_that_hold_are_left_alone(podman: Path, call: Call) -> None:
    (podman / "secrets" / "hedgerow-a").write_text("same")
    result = call("hedgerow_podman_secrets", secrets={"hedgerow-a": "same"})
    assert result["changed"] is False
    assert "create" not in (podman / "asked").read_text()


def test_secrets_are_only_told_in_check_mode(podman: Path, call: Call) -> None:
    result = call("hedgerow_podman_secrets", check=True, secrets={"hedgerow-a": "v"})
    assert result["changed"] is True
    assert kept(podman) == {}


def test_secrets_go_by_standard_input_and_are_not_told(podman: Path, call: Call) -> None:
    result = call("hedgerow_podman_secrets", secrets={"hedgerow-a": "swordfish-and-more"})
    assert "swordfish" not in (podman / "asked").read_text() + json.dumps(result["diff"])


@pytest.mark.parametrize(
    ("secrets", "words"),
    [({"other-a": "v"}, "does not begin with hedgerow-"), ({"hedgerow-a": ""}, "hedgerow-a is empty")],
)
def test_secrets_that_cannot_be_kept_are_refused(podman: Path, call: Call, secrets: dict[str, str], words: str) -> None:
    assert words in call("hedgerow_podman_secrets", secrets=secrets)["msg"]
    assert kept(podman) == {}


def row(name: str, archive: str = "", digest: str = DIGEST) -> dict[str, str]:
    return {"reference": f"{name}{digest}", "archive": archive}


def test_an_image_is_pulled_by_its_digest_and_only_once(podman: Path, call: Call) -> None:
    first = call("hedgerow_podman_images", images=[row("registry.example/app")])
    again = call("hedgerow_podman_images", images=[row("registry.example/app")])
    assert (first["fetched"], again["changed"]) == ([f"registry.example/app{DIGEST}"], False)
    assert (podman / "asked").read_text().count('"pull"') == 1


def test_an_image_with_an_archive_waits_for_it(podman: Path, call: Call) -> None:
    images = [row("localhost/a", "/on/the/controller.tar"), row("localhost/b", "/on/the/controller.tar")]
    asked = call("hedgerow_podman_images", images=images)
    assert asked["missing"] == [each["reference"] for each in images]
    placed = {each["reference"]: "/on/the/host.tar" for each in images}
    loaded = call("hedgerow_podman_images", images=images, archives=placed)
    assert (loaded["missing"], loaded["fetched"]) == ([], [each["reference"] for each in images])


def test_an_image_is_only_told_in_check_mode(podman: Path, call: Call) -> None:
    result = call("hedgerow_podman_images", check=True, images=[row("registry.example/app")])
    assert (result["changed"], result["missing"]) == (True, [f"registry.example/app{DIGEST}"])
    assert "pull" not in (podman / "asked").read_text()


def test_a_tag_is_no_image(podman: Path, call: Call) -> None:
    assert "names no digest" in call("hedgerow_podman_images", images=[row("registry.example/app", digest=":1")])["msg"]


def test_a_registry_that_refuses_is_told(podman: Path, call: Call) -> None:
    assert "the registry refused" in call("hedgerow_podman_images", images=[row("refused/app")])["msg"]


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("hedgerow_podman_secrets", {"secrets": {"hedgerow-a": "v"}}),
        ("hedgerow_podman_images", {"images": [row("registry.example/app")]}),
    ],
)
def test_before_podman_is_there_all_is_promised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, call: Call, module: str, arguments: dict[str, Any]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("ansible.module_utils.basic.get_bin_path", _not_there)
    assert call(module, check=True, **arguments)["changed"] is True
    assert call(module, **arguments)["msg"] == "podman is not installed"


def _not_there(*_: object, **__: object) -> str:
    raise ValueError("not there")

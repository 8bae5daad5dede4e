"""hedgerow_files, run for real in a folder of its own."""

from __future__ import annotations

import grp
import importlib.util
import json
import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

REPOSITORY = Path(__file__).parents[2]
MINE = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}
Call = Callable[..., dict[str, Any]]


def load_module():
    source = REPOSITORY / "plugins/modules/hedgerow_files.py"
    spec = importlib.util.spec_from_file_location("hedgerow_files", source)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """One call of the module; files belong to whoever runs the tests unless a case says otherwise."""
    module = load_module()

    def run(files=(), folders=(), check=False) -> dict[str, Any]:
        arguments = {"files": [{**MINE, **row} for row in files], "folders": list(folders)}
        switches = {"_ansible_check_mode": check, "_ansible_diff": True}
        with patch_module_args({**arguments, **switches}), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run


def mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.lstat().st_mode):04o}"


def test_a_file_is_placed_once_and_then_left_alone(call: Call, tmp_path: Path) -> None:
    rows = [{"dest": str(tmp_path / "deep/er/a.conf"), "content": "one\n", "mode": "0640"}]
    first = call(rows)
    placed = tmp_path / "deep/er/a.conf"
    before = placed.stat()
    second = call(rows)
    assert (first["changed"], first["paths"]) == (True, [str(placed)])
    assert (second["changed"], second["paths"], second["diff"]) == (False, [], [])
    assert (placed.read_text(), mode(placed), mode(placed.parent)) == ("one\n", "0640", "0755")
    assert (placed.stat().st_ino, placed.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_only_what_differs_is_written(call: Call, tmp_path: Path) -> None:
    rows = [{"dest": str(tmp_path / name), "content": name} for name in ("a", "b", "c")]
    call(rows)
    (tmp_path / "b").write_text("by hand")
    assert call(rows)["paths"] == [str(tmp_path / "b")]
    assert (tmp_path / "b").read_text() == "b"


def test_check_mode_shows_and_touches_nothing(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old\n")
    (tmp_path / "stray.conf").write_text("stray\n")
    result = call(
        [{"dest": str(tmp_path / "a"), "content": "new\n"}, {"dest": str(tmp_path / "x/b"), "content": "b\n"}],
        [{"path": str(tmp_path), "purge": ["*.conf"]}, {"path": str(tmp_path / "made"), "mode": "0700"}],
        check=True,
    )
    assert result["changed"] is True
    assert set(result["paths"]) == {str(tmp_path / name) for name in ("a", "x/b", "stray.conf", "made")}
    assert {(row["before"], row["after"]) for row in result["diff"]} >= {("old\n", "new\n"), ("stray\n", "")}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "stray.conf"]
    assert (tmp_path / "a").read_text() == "old\n"


def test_an_owner_that_an_earlier_task_only_promised_does_not_stop_a_check(call: Call, tmp_path: Path) -> None:
    row = {"dest": str(tmp_path / "a"), "content": "a", "owner": "nobody-yet", "group": "nobody-yet"}
    assert call([row], check=True)["changed"] is True
    refused = call([row])
    assert refused["failed"] is True and "nobody-yet" in refused["msg"]
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_mode_is_put_right_without_a_rewrite(call: Call, tmp_path: Path) -> None:
    placed = tmp_path / "key"
    placed.write_text("k")
    placed.chmod(0o644)
    inode = placed.stat().st_ino
    result = call([{"dest": str(placed), "content": "k", "mode": "0600"}])
    assert (mode(placed), placed.stat().st_ino) == ("0600", inode)
    assert "0644" in result["diff"][0]["before"] and "0600" in result["diff"][0]["after"]


def test_strangers_go_and_ours_kept_and_folders_stay(call: Call, tmp_path: Path) -> None:
    for name in ("00-a.conf", "README", "10-cloud.conf", "notes.txt", "x.conf.hedgerow-new"):
        (tmp_path / name).write_text("x")
    (tmp_path / "sub.conf").mkdir()
    (tmp_path / "dangling.conf").symlink_to("/nowhere")
    rows = [{"dest": str(tmp_path / "50-ours.conf"), "content": "ours"}]
    folders = [{"path": str(tmp_path), "purge": ["*.conf"], "keep": ["10-*"]}]
    call(rows, folders)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "10-cloud.conf", "50-ours.conf", "README", "notes.txt", "sub.conf",
    ]  # fmt: skip
    assert call(rows, folders)["changed"] is False


def test_a_link_in_place_of_a_file_is_replaced_not_followed(call: Call, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not ours")
    (tmp_path / "a").symlink_to(elsewhere)
    call([{"dest": str(tmp_path / "a"), "content": "ours"}])
    assert (elsewhere.read_text(), (tmp_path / "a").is_symlink()) == ("not ours", False)


def test_links_are_made_and_kept(call: Call, tmp_path: Path) -> None:
    rows = [{"dest": str(tmp_path / "localtime"), "link": "/usr/share/zoneinfo/Etc/UTC"}]
    assert call(rows)["changed"] is True
    assert call(rows)["changed"] is False
    assert (tmp_path / "localtime").readlink() == Path("/usr/share/zoneinfo/Etc/UTC")


def test_absent_is_absent(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    rows = [{"dest": str(tmp_path / "a"), "state": "absent"}]
    assert call(rows)["paths"] == [str(tmp_path / "a")]
    assert call(rows)["changed"] is False


def test_of_a_file_that_is_another_s_only_the_access_is_ours(call: Call, tmp_path: Path) -> None:
    (tmp_path / "shadow").write_text("theirs")
    (tmp_path / "shadow").chmod(0o644)
    rows = [{"dest": str(tmp_path / name), "state": "existing", "mode": "0640"} for name in ("shadow", "missing")]
    assert call(rows)["paths"] == [str(tmp_path / "shadow")]
    assert call(rows)["changed"] is False
    assert [(path.name, mode(path), path.read_text()) for path in tmp_path.iterdir()] == [("shadow", "0640", "theirs")]


def test_one_refused_file_leaves_all_of_them_untouched(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    result = call(
        [
            {"dest": str(tmp_path / "a"), "content": "new"},
            {"dest": str(tmp_path / "b"), "content": "wrong", "validate": "grep -q right %s"},
        ]
    )
    assert result["failed"] is True and "grep -q right" in result["msg"]
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_a_killed_run_left_is_no_obstacle(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.hedgerow-new").write_text("half")
    call([{"dest": str(tmp_path / "a"), "content": "whole"}])
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "whole")]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"dest": "relative", "content": ""}], "absolute path"),
        ([{"dest": "/x/../y", "content": ""}], "absolute path"),
        ([{"dest": "/x", "content": ""}, {"dest": "/x", "content": ""}], "more than once"),
        ([{"dest": "/x"}], "either content or link"),
        ([{"dest": "/x", "content": "", "mode": "rwx"}], "octal"),
        ([{"dest": "/usr", "content": ""}], "a folder is there"),
    ],
)
def test_a_wrong_call_is_refused_with_its_reason(call: Call, rows: list[dict], words: str) -> None:
    result = call(rows, check=True)
    assert result["failed"] is True and words in result["msg"]


PLAY = """
- hosts: localhost
  gather_facts: false
  vars: {who: Jane, nested: "{{ who }}!"}
  tasks:
    - hedgerow_files:
        files:
          - {dest: OUT/a, template: a.j2, vars: {extra: 1}, owner: OWNER, group: GROUP}
          - {dest: OUT/b, file: b, owner: OWNER, group: GROUP}
          - {dest: OUT/c, content: "{{ nested }}", owner: OWNER, group: GROUP}
"""
TEMPLATE = """{{ ansible_managed | comment }}
{% if extra %}
  {{ nested }} {{ lookup('env', 'GREETING') }} {% include 'part.j2' %}
{% endif %}
"""


def test_templates_are_rendered_like_ansibles_own(tmp_path: Path) -> None:
    """The whole way, action plugin included: variables, lookups, includes, and plain files that look like templates."""
    for folder in ("templates", "files", "out"):
        (tmp_path / folder).mkdir()
    (tmp_path / "templates/a.j2").write_text(TEMPLATE)
    (tmp_path / "templates/part.j2").write_text("part\n")
    (tmp_path / "files/b").write_text("${#array[@]} {{ untouched }}\n")
    play = PLAY.replace("OUT", str(tmp_path / "out")).replace("OWNER", MINE["owner"]).replace("GROUP", MINE["group"])
    (tmp_path / "play.yml").write_text(play)
    environment = {
        **os.environ,
        "ANSIBLE_LIBRARY": str(REPOSITORY / "plugins/modules"),
        "ANSIBLE_ACTION_PLUGINS": str(REPOSITORY / "plugins/action"),
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "GREETING": "hello",
    }
    command = [Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", "-c", "local", "play.yml"]
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "WARNING" not in ran.stderr
    first, rest = (tmp_path / "out/a").read_text().split("\n", 1)
    assert first == "#" or first.startswith("# ")
    assert "Managed by Hedgerow" in rest
    assert rest.endswith("  Jane! hello part\n")
    assert (tmp_path / "out/b").read_text() == "${#array[@]} {{ untouched }}\n"
    assert (tmp_path / "out/c").read_text() == "Jane!"

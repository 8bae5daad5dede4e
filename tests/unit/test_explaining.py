"""What is told of a control is read from where it stands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hedgerow import printing_audit
from hedgerow.catalog import load_catalog
from hedgerow.cli import main
from hedgerow.deployment import REPOSITORY
from hedgerow.explaining import NO_TESTS, explain

CATALOG = load_catalog()


@pytest.mark.parametrize("control", sorted(CATALOG.ids))
def test_every_control_has_its_check_and_its_tasks(control: str) -> None:
    found = explain(control, CATALOG)
    assert found.check is not None
    assert f'control("{control}")' in (REPOSITORY / found.check.place.partition(":")[0]).read_text()
    assert found.check.code.startswith("def test_")
    assert found.tasks
    assert found.sabotage.command or found.sabotage.note


def test_a_control_is_told_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "ssh.no-passwords"]) == 0
    said = capsys.readouterr().out
    for words in (
        "A password, even a right one",
        "164.312(d)",
        "never: Passwords over SSH",
        "checks/test_ssh.py:",
        "roles/ssh/tasks/",
        "--tags ssh.no-passwords",
        "PasswordAuthentication yes",
    ):
        assert words in said
    assert main(["explain", "ssh.idle-sessions-end"]) == 0
    assert "possible, in deploy.yml under waivers" in capsys.readouterr().out


def test_it_is_told_to_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "ssh.strong-host-keys", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["id"], told["waivable"], told["role"]) == ("ssh.strong-host-keys", True, "ssh")
    assert "ssh_host_weak_key" in told["sabotage"]["mend"]


def test_an_unknown_control_is_refused_with_a_guess(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "ssh.no-password"]) == 2
    assert "Did you mean ssh.no-passwords?" in capsys.readouterr().err


def test_without_the_tests_that_is_said(tmp_path: Path) -> None:
    for name in ("checks", "roles"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    found = explain("ssh.no-root", CATALOG, tmp_path)
    assert found.sabotage.note == NO_TESTS
    assert found.check is not None


def test_it_says_why_it_matters_by_severity_and_paragraph() -> None:
    told = "\n".join(printing_audit.explained(explain("ssh.no-passwords", load_catalog())))
    assert "Where it fails, anybody who reaches the host gets at health data or becomes root (critical)." in told
    assert "164.312(d): Person or entity authentication. Verify that" in told
    assert "What to do when it fails" in told

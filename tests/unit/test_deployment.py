"""The deployment folder: lock, journal, atomic writes, and what is left after destroy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hedgerow.deployment import Deployment, known_deployments, write_file
from hedgerow.errors import CallError


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Deployment("acme")


def test_the_second_run_is_told_who_holds_the_lock(deployment: Deployment) -> None:
    with (
        deployment.lock("install"),
        pytest.raises(CallError, match=rf"install by .*, process {os.getpid()}"),
        deployment.lock("verify"),
    ):
        pass
    with deployment.lock("verify"):
        pass


def test_a_killed_run_leaves_no_lock(deployment: Deployment) -> None:
    code = (
        "import os, signal\nfrom hedgerow.deployment import Deployment\n"
        "with Deployment('acme').lock('install'):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with deployment.lock("install"):
        pass


def test_the_journal_says_who_did_what(deployment: Deployment) -> None:
    deployment.record("install", "done", seconds=3)
    deployment.record("verify", "exit 1")
    lines = [json.loads(line) for line in (deployment.root / "journal.jsonl").read_text().splitlines()]
    assert [(line["verb"], line["outcome"]) for line in lines] == [("install", "done"), ("verify", "exit 1")]
    assert all(line["who"] and line["at"].endswith("Z") for line in lines)


def test_forgetting_keeps_evidence_and_journal(deployment: Deployment, tmp_path: Path) -> None:
    source = tmp_path / "deploy.yml"
    source.write_text("name: acme\n")
    deployment.adopt(source)
    assert known_deployments() == ("acme",)
    assert deployment.source_folder() == tmp_path
    deployment.record("install", "done")
    write_file(deployment.evidence / "one" / "findings.json", "{}")
    write_file(deployment.secrets, "x")
    write_file(deployment.key_file, "k", 0o600)
    deployment.forget()
    assert sorted(path.name for path in deployment.root.iterdir()) == ["evidence", "journal.jsonl"]
    assert not deployment.key_file.exists()
    assert known_deployments() == ()


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_file(path, "old", 0o600)

    def refuse(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="no space"):
        write_file(path, "new")
    assert path.read_text() == "old"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]

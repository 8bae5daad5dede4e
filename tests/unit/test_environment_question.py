"""The question what containers were started with, asked of a process of ours by a Podman of ours."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from checks.on_host import program

STARTED = {"SITE_URL": "https://a.example", "SECRET_KEY": "x" * 40, "REDIS_URL": "rediss://u:p@valkey.example:6379/0"}


def test_each_container_is_told_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where one of its variables is a URL, which has a name in it as well."""
    process = subprocess.Popen(["/bin/sleep", "30"], env=STARTED)
    try:
        (tmp_path / "podman").write_text(f"#!/bin/sh\necho '{process.pid} hedgerow-web'\n")
        (tmp_path / "podman").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        asked = program("environment", json.dumps(["p"]), json.dumps(["SITE_URL"]))
        told = json.loads(subprocess.run(["/bin/sh", "-c", asked], capture_output=True, check=True, timeout=20).stdout)
    finally:
        process.kill()
        process.wait()
    assert list(told) == ["hedgerow-web"]
    assert told["hedgerow-web"]["settings"] == {"SITE_URL": "https://a.example"}
    assert told["hedgerow-web"]["lengths"] == {"SECRET_KEY": 40}
    assert told["hedgerow-web"]["defaults"] == ["REDIS_URL"]
    assert told["hedgerow-web"]["urls"]["REDIS_URL"]["host"] == "valkey.example"

"""Machines that are already there: whose key nobody declared is known by the one it was met with."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hedgerow import ssh
from hedgerow.errors import UnreachableError
from hedgerow.hosts import Host
from hedgerow.targets.onprem import OnpremTarget

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8N"
HOST = Host("one", "192.0.2.11", "192.0.2.11", "debian", 2222)


def met(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """Have an ssh that reaches every host, and remembers what it is told to."""

    def ask(_host: Host, known_hosts: Path, _words: list[str]) -> subprocess.CompletedProcess[str]:
        if line:
            known_hosts.write_text(line)
        return subprocess.CompletedProcess([], 0, "203.0.113.9\nnone\n", "")

    monkeypatch.setattr(ssh, "ask", ask)


def test_the_key_that_a_host_was_met_with_is_pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    met(monkeypatch, f"[192.0.2.11]:2222 {KEY}\n")
    site = OnpremTarget((HOST,), tmp_path / "new" / "known_hosts").site()
    assert site.hosts[0].host_key == KEY


def test_a_declared_key_needs_no_meeting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    met(monkeypatch, "")
    site = OnpremTarget((replace(HOST, host_key=KEY),), tmp_path / "new" / "known_hosts").site()
    assert site.hosts[0].host_key == KEY
    assert not (tmp_path / "new").exists()


def test_who_is_not_reached_leaves_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def ask(*_: object) -> None:
        assert (tmp_path / "new").is_dir()
        raise UnreachableError("no route to host")

    monkeypatch.setattr(ssh, "ask", ask)
    assert OnpremTarget((HOST,), tmp_path / "new" / "known_hosts").preflight() == ["one: no route to host"]
    assert not (tmp_path / "new").exists()


def test_a_key_that_could_not_be_kept_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    met(monkeypatch, "")
    with pytest.raises(UnreachableError, match="the key of one was met and could not be kept"):
        OnpremTarget((HOST,), tmp_path / "known_hosts").site()

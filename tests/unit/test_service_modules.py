"""When a service must be started, reloaded or left alone, decided from times and states."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]


def load(path: str):
    """Return a module that Ansible would send to a host."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, REPOSITORY / path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


service = load("plugins/modules/hedgerow_service.py")
server = load("roles/postgres/library/hedgerow_postgres_server.py")

START, RELOAD = 100.0, 200.0


def unit(**others: Any):
    """A unit that runs since START and reloaded at RELOAD, unless a case says otherwise."""
    return service.Unit(
        **{
            "exists": True,
            "enabled": True,
            "active": True,
            "started": START,
            "taken_up": RELOAD,
            "reloaded_well": True,
            "outdated": False,
            "files": (),
        }
        | others
    )


@pytest.mark.parametrize(
    ("found", "files", "unit_files", "take_up", "verbs"),
    [
        (unit(), RELOAD - 1, START - 1, "reload", []),
        (unit(), RELOAD + 1, START - 1, "reload", ["reload"]),
        (unit(), START + 1, START - 1, "restart", ["restart"]),
        (unit(), RELOAD + 1, START + 1, "reload", ["restart"]),
        (unit(reloaded_well=False), 0, 0, "reload", ["reload"]),
        (unit(outdated=True), 0, 0, "reload", ["daemon-reload", "restart"]),
        (unit(active=False), RELOAD + 1, 0, "reload", ["start"]),
        (unit(active=False, enabled=False, outdated=True), 0, 0, "restart", ["daemon-reload", "enable", "start"]),
        (unit(enabled=False), 0, 0, "restart", ["enable"]),
    ],
)
def test_a_unit_runs_with_its_present_files(found, files, unit_files, take_up, verbs) -> None:
    assert service.needed(found, files, unit_files, take_up) == verbs


def test_systemd_is_asked_by_the_name_that_its_bus_uses() -> None:
    assert service.bus_path("postgresql@17-main.service").endswith("/postgresql_4017_2dmain_2eservice")


def test_what_systemd_says_is_read_in_seconds() -> None:
    said = {
        "LoadState": {"type": "s", "data": "loaded"},
        "ActiveState": {"type": "s", "data": "active"},
        "UnitFileState": {"type": "s", "data": "disabled"},
        "ExecMainStartTimestamp": {"type": "t", "data": 100_000_000},
        "StateChangeTimestamp": {"type": "t", "data": 200_000_000},
        "ReloadResult": {"type": "s", "data": "success"},
        "NeedDaemonReload": {"type": "b", "data": False},
        "FragmentPath": {"type": "s", "data": "/lib/a.service"},
        "DropInPaths": {"type": "as", "data": ["/etc/b.conf"]},
    }
    assert service.Unit.of(said) == unit(enabled=False, files=("/lib/a.service", "/etc/b.conf"))


def test_a_file_taken_away_from_a_folder_counts_as_a_change(tmp_path: Path) -> None:
    stray = tmp_path / "stray.conf"
    stray.touch()
    before = service.changed_at([str(tmp_path)])
    os.utime(tmp_path, (1, 1))  # what somebody sets is not what is looked at
    stray.unlink()
    assert service.changed_at([str(tmp_path)]) >= before > 1
    assert service.changed_at([str(tmp_path / "missing")]) == 0


def running(**others: Any) -> dict[str, Any]:
    """A server that runs as it should, unless a case says otherwise."""
    return {"checksums": True, "started": START, "loaded": RELOAD, "pending": []} | others


@pytest.mark.parametrize(
    ("state", "files", "unit_files", "steps"),
    [
        (running(), RELOAD - 1, START - 1, []),
        (None, RELOAD + 1, 0, ["start"]),
        (running(), RELOAD + 1, 0, ["reload"]),
        (running(pending=["listen_addresses"]), 0, 0, ["restart"]),
        (running(pending=["listen_addresses"]), RELOAD + 1, 0, ["reload"]),
        (running(), 0, START + 1, ["restart"]),
        (running(checksums=False), RELOAD + 1, START + 1, ["stop", "checksums", "start"]),
    ],
)
def test_postgresql_runs_with_checksums_and_its_present_files(state, files, unit_files, steps) -> None:
    assert server.needed(state, files, unit_files) == steps

"""When the edge refuses events for want of room: the decision, and the file that nginx looks for."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from hedgerow.deployment import REPOSITORY


@pytest.fixture(scope="module")
def pressure() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pressure", REPOSITORY / "roles" / "edge" / "files" / "pressure.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("refusing", "free", "then"),
    [
        (False, {"/a": 100}, False),
        (False, {"/a": 20}, False),
        (False, {"/a": 19}, True),
        (False, {"/a": 100, "/b": 19}, True),  # the fullest decides
        (True, {"/a": 19}, True),
        (True, {"/a": 20}, True),  # between the marks nothing changes
        (True, {"/a": 29}, True),
        (True, {"/a": 30}, False),
        (True, {"/a": 100, "/b": 29}, True),
        (False, {"/a": 0}, True),
    ],
)
def test_two_marks(pressure: ModuleType, refusing: bool, free: dict[str, int], then: bool) -> None:
    assert pressure.decide(refusing, free, 20, 30)[0] is then


def test_the_reason_names_the_fullest_path(pressure: ModuleType) -> None:
    _, why = pressure.decide(False, {"/a": 50 << 20, "/b": 7 << 20}, 20 << 20, 30 << 20)
    assert why == "7 MiB free at /b, below 20 MiB"


def test_nothing_measured_is_no_reason_to_accept(pressure: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="empty"):
        pressure.decide(True, pressure.free_bytes([str(tmp_path / "not-there")]), 20, 30)


def test_the_file_comes_and_goes_once(
    pressure: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"paths": ["/x"], "refuse_below": 20, "accept_above": 30}
    seen = []
    for free in (100, 10, 10, 25, 40, 40):
        monkeypatch.setattr(pressure, "free_bytes", lambda _, free=free: {"/x": free})
        pressure.look(settings, tmp_path)
        seen.append((tmp_path / "full").exists())
    assert seen == [False, True, True, True, False, False]
    assert (tmp_path / "rehearsal").exists()
    told = capsys.readouterr().err.splitlines()
    assert [line[:3] for line in told] == ["<2>", "<5>"]

"""Break a control on the live host, see exactly it fail, converge, see it hold again."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import tests.sabotage
from hedgerow.catalog import load_catalog


@dataclass(frozen=True)
class Case:
    """One way to break one control. `companions` may fail with it, `mend` undoes what converge leaves alone."""

    control: str
    command: str
    companions: frozenset[str]
    mend: str


def cases() -> Iterator[Case]:
    """Return every case of the modules beside this one."""
    for found in pkgutil.iter_modules(tests.sabotage.__path__):
        if not found.name.startswith("test_"):
            module = importlib.import_module(f"tests.sabotage.{found.name}")
            companions = getattr(module, "COMPANIONS", {})
            mend = getattr(module, "MEND", {})
            for control, command in module.SABOTAGE.items():
                yield Case(control, command, frozenset(companions.get(control, ())), mend.get(control, ""))


CASES = sorted(cases(), key=lambda case: case.control)


def broken(findings) -> dict[str, str]:
    """Return what does not hold: control to status and reason."""
    return {f.control: f"{f.status}: {f.reason}" for f in findings if f.status in {"fail", "error", "waived"}}


@pytest.fixture(scope="module")
def held(lab) -> None:
    """Everything holds before anything is broken: else a failure would prove nothing."""
    assert broken(lab.verify()) == {}


@pytest.fixture
def restored(lab) -> Iterator[None]:
    """A case that ends badly must not spoil the next one."""
    states: list[bool] = []
    yield states.append
    if not states:
        lab.converge().raise_for_failure()


@pytest.mark.lab
@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.control)
def test_broken_seen_mended(lab, restored, case):
    done = lab.run(lab.host, case.command)
    assert done.returncode == 0, f"the sabotage itself failed: {done.stderr}"

    seen = broken(lab.verify())
    assert seen.get(case.control, "holds").startswith("fail"), f"{case.control} {seen.get(case.control, 'holds')}"
    assert set(seen) <= {case.control, *case.companions}, f"others broke too: {seen}"

    if case.mend:
        mended = lab.run(lab.host, case.mend)
        assert mended.returncode == 0, mended.stderr
    tags = sorted(control for control in seen if not case.mend or control != case.control) or [case.control]
    lab.converge(tags=tags).raise_for_failure()
    assert broken(lab.verify(controls=sorted(seen))) == {}, "converge with the control's own tag does not restore it"
    restored(True)


def test_sabotage_names_controls_that_exist():
    assert {case.control for case in CASES} <= load_catalog().ids


def test_enough_is_sabotaged():
    """At least twenty-five controls, and something in every role."""
    catalog = load_catalog()
    sabotaged = {case.control for case in CASES}
    assert len(sabotaged) >= 25
    assert {c.role for c in catalog.controls} == {c.role for c in catalog.controls if c.id in sabotaged}

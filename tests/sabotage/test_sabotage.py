"""Break controls on the live host, see exactly them fail, converge, see them hold again.

Concerns that say TOGETHER are broken one control after the other, each seen to be the one that fails
now, and mended by one converge of those controls' tags. The others are broken and mended one by one,
which takes some ten seconds each: by default the first two of each, with HEDGEROW_SABOTAGE=all the lot.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import pytest

import tests.sabotage
from hedgerow.catalog import load_catalog
from hedgerow.findings import Finding

CATALOG = load_catalog()
FEW = 2


@dataclass(frozen=True)
class Case:
    """One way to break one control. `companions` may fail with it, `mend` undoes what converge leaves alone."""

    control: str
    command: str
    companions: frozenset[str]
    mend: str
    together: bool

    @property
    def role(self) -> str:
        """The role that makes the control true."""
        return CATALOG.control(self.control).role


def cases() -> Iterator[Case]:
    """Return every case of the modules beside this one."""
    for found in pkgutil.iter_modules(tests.sabotage.__path__):
        if found.name.startswith(("test_", "conftest")):
            continue
        module = importlib.import_module(f"tests.sabotage.{found.name}")
        for control, command in module.SABOTAGE.items():
            yield Case(
                control,
                command,
                frozenset(getattr(module, "COMPANIONS", {}).get(control, ())),
                getattr(module, "MEND", {}).get(control, ""),
                getattr(module, "TOGETHER", False),
            )


def groups(every: Iterable[Case], whole: bool) -> dict[str, tuple[Case, ...]]:
    """Return what is broken before one converge, by a name for the test.

    Within a group those that take companions along come last, or they would hide the others.
    """
    by_role = sorted(every, key=lambda case: (case.role, len(case.companions)))
    found: dict[str, tuple[Case, ...]] = {}
    for role, rows in groupby(by_role, key=lambda case: case.role):
        mine = list(rows)
        if joined := tuple(case for case in mine if case.together):
            found[role] = joined
        alone = [case for case in mine if not case.together]
        found |= {case.control: (case,) for case in (alone if whole else alone[:FEW])}
    return found


EVERY = tuple(cases())
GROUPS = groups(EVERY, whole=os.environ.get("HEDGEROW_SABOTAGE") == "all")


def broken(findings: Sequence[Finding]) -> dict[str, str]:
    """Return what does not hold: control to status and reason."""
    return {f.control: f"{f.status}: {f.reason}" for f in findings if f.status in {"fail", "error", "waived"}}


@pytest.fixture(scope="module")
def held(lab) -> None:
    """Everything holds before anything is broken: else a failure would prove nothing."""
    assert broken(lab.verify()) == {}


@pytest.fixture
def put_right(lab) -> Iterator[list[Case]]:
    """Whatever is still in this list when a test has ended badly must not spoil the next one."""
    left: list[Case] = []
    yield left
    if left:
        mend(lab, left)
        lab.converge().raise_for_failure()


def mend(lab, some: Iterable[Case]) -> None:
    """Undo what converge leaves alone."""
    for command in dict.fromkeys(case.mend for case in some if case.mend):
        assert lab.run(lab.host, command).returncode == 0, command


@pytest.mark.lab
@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS.keys())
def test_broken_seen_mended(lab, put_right, group):
    # One alone is looked for among all controls; of several each among its role's, and then all among all.
    scope = [control.id for control in CATALOG.controls if control.role == group[0].role] if len(group) > 1 else []
    seen: dict[str, str] = {}
    for case in group:
        put_right.append(case)
        done = lab.run(lab.host, case.command)
        assert done.returncode == 0, f"{case.control}: the sabotage itself failed: {done.stderr}"
        assert case.control not in seen, f"{case.control} was broken by an earlier one already: {seen[case.control]}"
        now = broken(lab.verify(controls=scope))
        assert now.get(case.control, "holds").startswith("fail"), f"{case.control} {now.get(case.control, 'holds')}"
        others = {
            control: why for control, why in now.items() if control not in {case.control, *case.companions, *seen}
        }
        assert not others, f"{case.control} broke others too: {others}"
        seen = now
    if scope:
        all_broken = broken(lab.verify())
        others = {
            c: why for c, why in all_broken.items() if c not in seen and not any(c in x.companions for x in group)
        }
        assert not others, f"others broke too: {others}"
        seen = all_broken
    mend(lab, group)
    lab.converge(tags=sorted(seen)).raise_for_failure()
    assert broken(lab.verify(controls=() if scope else sorted(seen))) == {}, (
        "converge by the controls' tags restores them"
    )
    put_right.clear()


def test_sabotage_names_controls_that_exist():
    assert {case.control for case in EVERY} <= CATALOG.ids


def test_enough_is_sabotaged():
    """At least twenty-five controls, and something in every role, also when it is kept short."""
    chosen = {case.control for group in groups(EVERY, whole=False).values() for case in group}
    assert len(chosen) >= 25
    assert {CATALOG.control(control).role for control in chosen} == {control.role for control in CATALOG.controls}


def test_together_means_one_group_a_role():
    one = Case("ssh.no-root", "a", frozenset(), "", True)
    two = Case("ssh.no-passwords", "b", frozenset({"ssh.no-root"}), "", True)
    alone = Case("edge.hsts", "c", frozenset(), "", False)
    assert groups([two, alone, one], whole=False) == {"edge.hsts": (alone,), "ssh": (one, two)}

"""Break controls on the live host, see exactly them fail, converge, see them hold again.

Concerns that say TOGETHER are broken one control after the other, each seen to be the one that fails
now, and mended by one converge of those controls' tags. The others are broken and mended one by one,
which takes some ten seconds each. By default a few of each role's: all of them (HEDGEROW_SABOTAGE=all, `make sabotage`)
take a quarter of an hour.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

import pytest

import tests.sabotage
from hedgerow.catalog import load_catalog
from hedgerow.findings import Finding

CATALOG = load_catalog()
FEW, SOME = 1, 4


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
            found[role] = joined if whole else spread(joined, SOME)
        alone = [case for case in mine if not case.together]
        found |= {case.control: (case,) for case in (alone if whole else alone[:FEW])}
    return found


def spread(some: tuple[Case, ...], most: int) -> tuple[Case, ...]:
    """Return at most so many of them, from all over, the last one too: it may take the most companions along."""
    if len(some) <= most:
        return some
    return tuple(some[round(number * (len(some) - 1) / (most - 1))] for number in range(most))


EVERY = tuple(cases())
GROUPS = groups(EVERY, whole=os.environ.get("HEDGEROW_SABOTAGE") == "all")


def broken(findings: Sequence[Finding]) -> dict[str, str]:
    """Return what does not hold: control to status and reason."""
    return {f.control: f"{f.status}: {f.reason}" for f in findings if f.status in {"fail", "error", "waived"}}


@pytest.fixture(scope="module")
def beforehand(lab) -> set[str]:
    """What did not hold before: nothing at first; later what an earlier test could not mend and has failed for."""
    assert broken(lab.verify()) == {}, "everything must hold first: else a failure would prove nothing"
    return set()


@pytest.fixture
def put_right(lab, beforehand) -> Iterator[list[Case]]:
    """Whatever is still in this list when a test has ended badly must not spoil the next one."""
    left: list[Case] = []
    yield left
    if left:
        mend(lab, left)
        lab.converge().raise_for_failure()
        beforehand |= broken(lab.verify()).keys()


def mend(lab, some: Iterable[Case]) -> list[str]:
    """Undo what converge leaves alone; return the commands that failed."""
    commands = dict.fromkeys(case.mend for case in some if case.mend)
    return [command for command in commands if lab.run(lab.host, command).returncode != 0]


@pytest.mark.lab
@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS.keys())
def test_broken_seen_mended(lab, beforehand, put_right, group):
    # One alone is looked for among all controls. Of several each is seen to fail, and the one that comes next still to
    # hold; in the end all are looked for among all.
    several = len(group) > 1
    allowed = set(beforehand)
    seen: dict[str, str] = {}
    for case, following in zip_longest(group, group[1:]):
        scope = [each.control for each in (case, following) if each and several]
        put_right.append(case)
        done = lab.run(lab.host, case.command)
        assert done.returncode == 0, f"{case.control}: the sabotage itself failed: {done.stderr}"
        assert case.control not in seen, f"{case.control} was broken by an earlier one already: {seen[case.control]}"
        seen = broken(lab.verify(controls=scope))
        assert seen.get(case.control, "holds").startswith("fail"), f"{case.control} {seen.get(case.control, 'holds')}"
        allowed |= {case.control, *case.companions}
        assert seen.keys() <= allowed, f"{case.control} broke more than itself: {seen}"
    if several:
        seen = broken(lab.verify())
        assert seen.keys() <= allowed, f"more is broken than was meant to be: {seen}"
    assert mend(lab, group) == []
    lab.converge(tags=sorted(seen)).raise_for_failure()
    left = broken(lab.verify(controls=() if several else sorted(seen)))
    assert left.keys() <= beforehand, f"converge by the controls' tags does not restore {left}"
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


def test_a_few_are_from_all_over():
    every = tuple(Case(f"ssh.{letter}", "", frozenset(), "", True) for letter in "abcdefghijk")
    assert [case.control[-1] for case in spread(every, 5)] == list("acfik")
    assert spread(every[:5], 5) == every[:5]

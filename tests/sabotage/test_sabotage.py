"""Break controls on the live host, see exactly them fail, converge, see them hold again.

Concerns that say TOGETHER are broken one control after the other, each seen to be the one that fails
now, and mended by one converge of those controls' tags. The others are broken and mended one by one,
which takes some ten seconds each. By default a few of each role's: all of them (HEDGEROW_SABOTAGE=all, `make sabotage`)
take a quarter of an hour. What needs a kernel of its own is broken in the VM lab (tests/vm).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.breaking import CATALOG, Case, break_and_mend, broken, cases, groups, mend, settle, spread

EVERY = tuple(cases())
HERE = tuple(case for case in EVERY if not case.own_kernel)
GROUPS = groups(HERE, whole=os.environ.get("HEDGEROW_SABOTAGE") == "all")


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
        settle(lab, left)
        beforehand |= broken(lab.verify()).keys()


@pytest.mark.lab
@pytest.mark.parametrize("group", GROUPS.values(), ids=GROUPS.keys())
def test_broken_seen_mended(lab, beforehand, put_right, group):
    break_and_mend(lab, group, beforehand, put_right)


def test_sabotage_names_controls_that_exist():
    assert {case.control for case in EVERY} <= CATALOG.ids


def test_every_control_that_needs_its_own_kernel_is_broken_in_the_vm_lab():
    """What the container lab leaves out is exactly what only the VM lab can show, and there it is broken."""
    assert {case.control for case in EVERY} - {case.control for case in HERE} == {
        control.id for control in CATALOG.controls if control.own_kernel
    }


def test_enough_is_sabotaged():
    """At least twenty-five controls, and something in every role, also when it is kept short.

    The renewal of a certificate needs an authority: tests/lab/test_acme.py has one, and breaks it there.
    """
    chosen = {case.control for group in groups(HERE, whole=False).values() for case in group}
    assert len(chosen) >= 25
    assert {CATALOG.control(control).role for control in chosen} == {
        control.role for control in CATALOG.controls if not control.own_kernel and control.role != "acme"
    }


def test_together_means_one_group_a_role():
    one = Case("ssh.no-root", "a", frozenset(), "", True)
    two = Case("ssh.no-passwords", "b", frozenset({"ssh.no-root"}), "", True)
    alone = Case("edge.hsts", "c", frozenset(), "", False)
    assert groups([two, alone, one], whole=False) == {"edge.hsts": (alone,), "ssh": (one, two)}


def test_a_few_are_from_all_over():
    every = tuple(Case(f"ssh.{letter}", "", frozenset(), "", True) for letter in "abcdefghijk")
    assert [case.control[-1] for case in spread(every, 5)] == list("acfik")
    assert spread(every[:5], 5) == every[:5]


def test_what_takes_a_restart_is_broken_together_and_apart_from_the_rest():
    now, then = Case("audit.running", "a", together=True), Case("audit.time", "b", together=True, restart=True)
    assert groups([then, now], whole=False) == {"audit-at-restart": (then,), "audit": (now,)}

"""Something goes wrong at any call that changes something: the next run ends in the same state, and nothing is doubled.

At each call of an install, of a repair and of a destroy: it is cut when Google has done it, its answer is lost, it is
told to come back, refused, fails later, or somebody does just that a moment before. `make test` takes a few,
`make test-faults` all of them.
"""

from __future__ import annotations

import os

import pytest

from hedgerow.errors import UnreachableError
from hedgerow.targets.gcp.api import methods
from tests.gcp import breaking
from tests.gcp.changing import (
    ENDED,
    ENDED_FRONT,
    ENDED_PRIVATE,
    ENDED_ZONES,
    FRONT,
    KEYS,
    MADE,
    MENDED,
    MENDED_FRONT,
    MENDED_PRIVATE,
    MENDED_ZONES,
    PRIVATE,
    REVIVED,
    ZONES,
)
from tests.gcp.fake.discovery import ASKING
from tests.gcp.fake.running import Fake
from tests.gcp.project import actions, census, quiet, target
from tests.gcp.test_target_egress import CLOSED
from tests.gcp.test_target_watching import WATCHED, zone

HEALED = ("unavailable", "lost", "faster")
"""What is got over at once, and does not end a run."""
LATE = ("quota-late", "fails-late")
PUBLIC = f"public: true, lock: true, audit: true, {WATCHED}"
"""A declaration with everything that any can have but what is a private machine's."""
BALANCED = "load_balancer: {}"
OPERATED = ("compute.", "serviceusage.")
"""Compute and Service Usage refuse a quota with 403; the others ask to come back (429), which is done."""
LOOKED_AT_AGAIN = (f"{KEYS}.cryptoKeys.cryptoKeyVersions.destroy", "dns.changes.create")
"""Where the end of a thing was refused, it is looked at again, and one that has ended all the same ends no destroy."""
NAMELESS = f"{KEYS}.cryptoKeys.cryptoKeyVersions.create"
"""Google numbers versions, and takes no number of ours: one that is made twice is there twice, and harms nobody."""


def healed(name: str, kind: str) -> bool:
    """Tell whether a fault at a call is got over within the same run."""
    return kind in HEALED or (kind == "quota" and not name.startswith(OPERATED))


def cases(names: set[str], kinds: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return each kind of fault at each call; only Compute and Service Usage have operations that fail."""
    return sorted((name, kind) for name in names for kind in kinds if kind not in LATE or name.startswith(OPERATED))


COMMON = (*HEALED, "quota", "denied", "cut", *LATE)
MAKING = cases(MADE | PRIVATE | ZONES | FRONT, (*COMMON, "exists"))
MENDING = cases(MENDED | MENDED_PRIVATE | MENDED_ZONES | MENDED_FRONT | REVIVED, COMMON)
ENDING = cases(ENDED | ENDED_PRIVATE | ENDED_ZONES | ENDED_FRONT, COMMON)
ALL = os.environ.get("HEDGEROW_FAULTS") == "all"
SAMPLE = [("compute.instances.insert", kind) for kind in ("cut", "exists", "fails-late")]
MENDING_SAMPLE = [("compute.subnetworks.patch", "faster"), ("compute.instances.stop", "cut")]
State = tuple[dict[str, int], set[str]]
EXPECTED: dict[tuple[str, bool, bool], State] = {}
"""What an undisturbed run leads to, by declaration, and whether it mends, and a key too."""


def more_of(name: str) -> str:
    """Return the declaration in which a call happens: a NAT is a private machine's, an address a public one's."""
    if ".managedZones." in name:
        return CLOSED
    if name in FRONT | MENDED_FRONT | ENDED_FRONT:
        return BALANCED
    return "" if ".routers." in name else PUBLIC


def state(fake: Fake, more: str) -> State:
    """Return what is there, and what is still to be done."""
    counted = {name: number for name, number in census(fake).items() if not name.startswith("serviceusage")}
    return counted, set(actions(target(more)).values())


def broken(more: str, *, ended: bool) -> None:
    """Install, and change what can be changed; with `ended`, the key's version has ended, and nothing else."""
    zone()
    target(more).provision(quiet)
    if ended:
        breaking.ended()
        return
    change(more)


def change(more: str = PUBLIC) -> None:
    """Change what can be changed of what a declaration led to."""
    breaking.network()
    breaking.machine(public=more == PUBLIC)
    breaking.keys()
    breaking.records()
    if more == PUBLIC:
        breaking.watched()
    elif more == BALANCED:
        breaking.front()
    else:
        breaking.ways_out(closed=more == CLOSED)


def disturbed(name: str, kind: str, more: str, fake: Fake) -> None:
    """Run with a fault, and once more where it ended the run."""
    fake.forget()
    fake.fault(name, kind)
    if healed(name, kind):
        target(more).provision(quiet)
    else:
        try:
            target(more).provision(quiet)
        except UnreachableError as error:
            assert error.exit_code == 3 and error.fix
        target(more).provision(quiet)
    assert kind in {one["fault"] for one in fake.calls()}, "the fault struck"


@pytest.mark.parametrize(("name", "kind"), MAKING if ALL else SAMPLE)
def test_an_install_that_failed_is_finished_by_the_next(name: str, kind: str, gcp: Fake) -> None:
    more = more_of(name)
    zone()
    if (more, False, False) not in EXPECTED:
        target(more).provision(quiet)
        EXPECTED[more, False, False] = state(gcp, more)
        gcp.reset()
        zone()
    disturbed(name, kind, more, gcp)
    assert state(gcp, more) == EXPECTED[more, False, False]


@pytest.mark.parametrize(("name", "kind"), MENDING if ALL else MENDING_SAMPLE)
def test_a_repair_that_failed_is_finished_by_the_next(name: str, kind: str, gcp: Fake) -> None:
    more, ended = more_of(name), name in REVIVED
    broken(more, ended=ended)
    if (more, True, ended) not in EXPECTED:
        target(more).provision(quiet)
        EXPECTED[more, True, ended] = state(gcp, more)
        gcp.reset()
        broken(more, ended=ended)
    disturbed(name, kind, more, gcp)
    counted, left = state(gcp, more)
    if name == NAMELESS and kind in ("lost", "faster"):
        counted["cloudkms:cryptoKeyVersions"] -= 1
    assert (counted, left) == EXPECTED[more, True, ended]


@pytest.mark.parametrize("kind", HEALED)
def test_what_is_got_over_is_got_over_at_every_call_of_one_run(kind: str, gcp: Fake) -> None:
    zone()
    for name in MADE:
        gcp.fault(name, kind)
    target(PUBLIC).provision(quiet)
    assert set(actions(target(PUBLIC)).values()) == {"keep"}
    made = census(gcp)
    change()
    gcp.forget()
    for name in MENDED:
        gcp.fault(name, kind)
    target(PUBLIC).provision(quiet)
    struck = {one["method"] for one in gcp.calls() if one["fault"] == kind}
    assert struck == MENDED, "each of them had its fault"
    assert set(actions(target(PUBLIC)).values()) == {"keep"}
    assert census(gcp) == made | {"compute:resourcePolicies": 2}, "nothing is there twice; somebody's schedule stays"
    for name in ENDED:
        gcp.fault(name, kind)
    target(PUBLIC).destroy(quiet)
    assert not [one for one in census(gcp) if one.startswith(("iam:", "monitoring:", "compute:inst", "compute:disk"))]


@pytest.mark.parametrize("kind", ["denied", "cut"])
def test_a_run_that_is_ended_at_every_call_in_turn_gets_there(kind: str, gcp: Fake) -> None:
    zone()
    target(PUBLIC).provision(quiet)
    change()
    for name in MENDED:
        gcp.fault(name, kind)
    for _ in MENDED:
        try:
            target(PUBLIC).provision(quiet)
            break
        except UnreachableError as error:
            assert error.exit_code == 3 and error.fix
    assert set(actions(target(PUBLIC)).values()) == {"keep"}
    for name in ENDED:
        gcp.fault(name, kind)
    for _ in ENDED:
        try:
            target(PUBLIC).destroy(quiet)
            break
        except UnreachableError as error:
            assert error.exit_code == 3 and error.fix
    assert not [one for one in census(gcp) if one.startswith(("iam:", "monitoring:", "compute:inst", "compute:disk"))]


@pytest.mark.parametrize(("name", "kind"), ENDING if ALL else [("compute.instances.delete", "fails-late")])
def test_a_destroy_that_failed_is_finished_by_the_next(name: str, kind: str, gcp: Fake) -> None:
    more = more_of(name)
    zone()
    target(more).provision(quiet)
    gcp.forget()
    gcp.fault(name, kind)
    if healed(name, kind) or (kind == "cut" and name in LOOKED_AT_AGAIN):
        target(more).destroy(quiet)
        assert kind in {one["fault"] for one in gcp.calls()}, "the fault struck"
    else:
        with pytest.raises(UnreachableError, match="could not be removed"):
            target(more).destroy(quiet)
        target(more).destroy(quiet)
    left = {name: number for name, number in census(gcp).items() if name != "compute:"}
    assert not [one for one in left if one.startswith(("compute:", "iam:"))]
    assert (left["dns:zones"], left["dns:acme-example"]) == (1, 2), "the zone that was there, and its own two records"


def test_every_call_that_changes_something_is_among_these(gcp: Fake) -> None:
    by_declaration = {
        PUBLIC: (MADE, MENDED, ENDED),
        "": (PRIVATE, MENDED_PRIVATE, ENDED_PRIVATE),
        CLOSED: (ZONES, MENDED_ZONES, ENDED_ZONES),
        BALANCED: (FRONT, MENDED_FRONT, ENDED_FRONT),
    }
    every = [set[str]().union(*each) for each in zip(*by_declaration.values(), strict=True)]
    for more, wanted in by_declaration.items():
        found = []
        gcp.reset()
        broken(more, ended=False)
        gcp.forget()
        target(more).provision(quiet)
        found.append(set(gcp.changing()))
        gcp.forget()
        target(more).destroy(quiet)
        found.append(set(gcp.changing()))
        gcp.reset()
        zone()
        gcp.forget()
        target(more).provision(quiet)
        found.insert(0, set(gcp.changing()))
        for called, needed, known in zip(found, wanted, every, strict=True):
            assert needed <= called <= known
    # By the names that the target has for them, and those that only look left out: no call is without its faults.
    names = {
        ".".join((words[0], *words[-2:])) for words in (one.split(".") for one in set[str]().union(*every, REVIVED))
    }
    asking = {"cloudresourcemanager.projects.getIamPolicy"}
    assert (
        names == {one.name for one in methods().values() if one.verb != "GET" and not ASKING.search(one.name)} - asking
    )

"""A run that ends at any call that changes something: the next run finds what is there, and ends where one run would.

Two ways to fail, once for each operation that an install or a destroy uses: the answer is lost after AWS has done it
(the worst of being killed), and AWS says "not now". `make test` takes a few, `make test-faults` all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from hedgerow.targets.aws.api import asks
from hedgerow.targets.aws.permissions import calls
from tests.cloud.account import Throttle, census, changing, quiet, recorded, state, target, watched
from tests.cloud.conftest import reset

SAMPLE = ("ec2.run_instances",)
CHANGING = sorted(name for name in calls() if not asks(name.partition(".")[2]))
CHOSEN = CHANGING if os.environ.get("HEDGEROW_FAULTS") == "all" else SAMPLE


class KilledError(Exception):
    """What stands for the end of the process."""


class Once:
    """Lets one operation be done, and ends the run before its answer is heard."""

    def __init__(self, name: str) -> None:
        self.name, self.left = name, 1

    def __call__(self, name: str, make: Callable[[], Any]) -> Any:
        answer = make()
        if name == self.name and self.left:
            self.left -= 1
            raise KilledError(name)
        return answer


@pytest.fixture(scope="module")
def whole(emulator: str) -> dict[str, Any]:
    """Hold what one undisturbed run leads to; filled by the first test that asks."""
    return {}


def reference(whole: dict[str, Any], emulator: str) -> dict[str, Any]:
    """Return the end of an undisturbed install, of an undisturbed destroy, and the calls of each."""
    if not whole:
        with recorded() as made:
            target().provision(quiet)
        whole["installed"], whole["install"] = state(target()), set(changing(made))
        with recorded() as made:
            target().destroy(quiet)
        whole["destroyed"], whole["destroy"] = census(), set(changing(made))
        reset(emulator)
    return whole


@pytest.mark.parametrize("name", CHOSEN)
def test_a_run_that_is_killed_is_finished_by_the_next(name: str, aws: str, whole: dict[str, Any]) -> None:
    expected = reference(whole, aws)
    once = Once(name)
    if name in expected["install"]:
        with watched(once), pytest.raises(KilledError):
            target().provision(quiet)
        target().provision(quiet)
        assert state(target()) == expected["installed"]
    if name in expected["destroy"]:
        if name not in expected["install"]:
            target().provision(quiet)
        once.left = 1
        with watched(once), pytest.raises(KilledError):
            target().destroy(quiet)
        target().destroy(quiet)
        assert census() == expected["destroyed"]


@pytest.mark.parametrize("name", CHOSEN)
def test_a_call_that_is_throttled_is_made_again(name: str, aws: str, whole: dict[str, Any]) -> None:
    expected = reference(whole, aws)
    made = target(fresh=True)
    throttle = Throttle(made, name)
    made.provision(quiet)
    assert state(target()) == expected["installed"]
    assert (throttle.left == 0) == (name in expected["install"])

"""The clouds' common part: what differs, in which order, with how much patience, at what price."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hedgerow.errors import UnreachableError
from hedgerow.hosts import Change
from hedgerow.targets.aws.facts import billed
from hedgerow.targets.cloud.costs import estimate
from hedgerow.targets.cloud.doing import bring_about, look, take_away
from hedgerow.targets.cloud.graph import Found, Ref, Resource, Step, order, step, steps
from hedgerow.targets.cloud.patience import LONGEST_SECONDS, delay, patiently

NET = Resource("net", "a", {"cidr": "10.0.0.0/16"}, fixed=frozenset({"cidr"}))
HOST = Resource("host", "h", {"net": Ref("net/a"), "ports": ["80", "443"]}, needs=("net/a",))
THERE = {
    "net/a": Found("net-1", {"cidr": "10.0.0.0/16"}, {}),
    "host/h": Found("host-1", {"net": "net-1", "ports": ["443", "80"]}, {}),
}


@pytest.mark.parametrize(
    ("resource", "found", "action", "differs"),
    [
        (NET, {}, "create", ()),
        (NET, THERE, "keep", ()),
        (replace(NET, wanted={"cidr": "10.9.0.0/16"}), THERE, "replace", ("cidr",)),
        (HOST, {}, "create", ()),
        (HOST, THERE, "keep", ()),
        (replace(HOST, wanted={"net": Ref("net/a"), "ports": ["443"]}), THERE, "change", ("ports",)),
        (HOST, {"host/h": THERE["host/h"]}, "change", ("net",)),
        (replace(HOST, absent=True), THERE, "delete", ()),
        (replace(HOST, absent=True), {}, None, ()),
        (replace(HOST, absent=True, kept="it holds records"), THERE, "keep", ()),
        (replace(HOST, absent=True, kept="it holds records"), {}, None, ()),
        (replace(NET, wanted={"cidr": "x"}), {"net/a": Found("net-9", {}, {}, adopted=True)}, "keep", ()),
        (replace(NET, absent=True), {"net/a": Found("net-9", {}, {}, adopted=True)}, None, ()),
    ],
)
def test_what_is_to_be_done_follows_from_what_is_there(
    resource: Resource, found: dict[str, Found], action: str | None, differs: tuple[str, ...]
) -> None:
    seen = step(resource, found)
    assert (seen and seen.action, seen.change.differs if seen else ()) == (action, differs)


def test_a_difference_says_what_is_there_and_what_is_wanted() -> None:
    wrong = {**THERE, "host/h": Found("host-1", {"net": "net-1", "ports": []}, {})}
    seen = step(HOST, wrong)
    assert seen is not None
    assert seen.change == Change("change", "host", "h", "ports: [] -> ['80', '443']", ("ports",))


def test_a_difference_names_no_account() -> None:
    wrong = {**THERE, "host/h": Found("host-1", {"net": "arn:aws:ec2:us-east-1:123456789012:net/1", "ports": []}, {})}
    seen = step(HOST, wrong)
    assert seen is not None and "net: arn:aws:ec2:us-east-1:ACCOUNT:net/1 -> net-1" in seen.change.detail


def test_each_comes_after_what_it_needs_and_deletions_come_last_and_backwards() -> None:
    gone = [replace(NET, name="old", absent=True), replace(HOST, name="old", needs=("net/old",), absent=True)]
    there = {**THERE, "net/old": THERE["net/a"], "host/old": THERE["host/h"]}
    assert [one.resource.key for one in steps([HOST, *gone, NET], there)] == ["net/a", "host/h", "host/old", "net/old"]
    with pytest.raises(ValueError, match="need each other"):
        order([HOST])


class Cloud:
    """A cloud of dictionaries, which fails where it is told to."""

    def __init__(self, fails: str = "") -> None:
        self.there: dict[str, Found] = {}
        self.done: list[str] = []
        self.fails = fails

    def find(self, resource: Resource) -> Found | None:
        return self.there.get(resource.key)

    def make(self, resource: Resource) -> None:
        self._do("make", resource)
        self.there[resource.key] = Found(f"{resource.key}-id", {}, {})

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        self._do("change", resource)
        self.there[resource.key] = Found(
            found.id, {**found.fields, **{name: resource.wanted[name] for name in fields}}, {}
        )

    def remove(self, resource: Resource, found: Found) -> None:
        self._do("remove", resource)
        del self.there[resource.key]

    def _do(self, verb: str, resource: Resource) -> None:
        self.done.append(f"{verb} {resource.key}")
        if self.fails == self.done[-1]:
            raise UnreachableError("no")

    @property
    def drivers(self) -> dict[str, Any]:
        return {"net": self, "host": self}


def run(cloud: Cloud) -> tuple[Step, ...]:
    found = look([HOST, NET], cloud.drivers)
    doing = steps([HOST, NET], found)
    bring_about(doing, found, cloud.drivers, lambda _: None)
    return doing


def test_what_is_made_is_then_set_and_a_second_run_does_nothing() -> None:
    cloud = Cloud()
    run(cloud)
    assert cloud.done == ["make net/a", "change net/a", "make host/h", "change host/h"]
    assert cloud.there["host/h"].fields["net"] == "net/a-id"
    assert {one.action for one in run(cloud)} == {"keep"} and len(cloud.done) == 4


@pytest.mark.parametrize("fails", ["make net/a", "change net/a", "make host/h", "change host/h"])
def test_what_a_failed_run_left_is_finished_by_the_next(fails: str) -> None:
    cloud = Cloud(fails)
    with pytest.raises(UnreachableError):
        run(cloud)
    cloud.fails = ""
    run(cloud)
    assert {one.action for one in run(cloud)} == {"keep"}
    assert sum(line.startswith("make host") for line in cloud.done) == (2 if fails == "make host/h" else 1)


def test_the_end_goes_backwards_and_says_what_it_left_and_why() -> None:
    cloud = Cloud()
    run(cloud)
    resources = [HOST, replace(NET, kept="it holds records")]
    gone, left = take_away(resources, look(resources, cloud.drivers), cloud.drivers, lambda _: None)
    assert (gone, left) == ([Change("delete", "host", "h")], [Change("keep", "net", "a", "it holds records")])
    cloud = Cloud("remove host/h")
    run(cloud)
    gone, left = take_away([HOST, NET], look([HOST, NET], cloud.drivers), cloud.drivers, lambda _: None)
    assert left == [Change("failed", "host", "h", "no")] and gone == [Change("delete", "net", "a")]


def _failing(times: int, error: Exception) -> Callable[[], str]:
    left = [error] * times

    def call() -> str:
        if left:
            raise left.pop()
        return "done"

    return call


def test_patience_has_a_measure() -> None:
    waits: list[float] = []
    answer = patiently(_failing(3, OSError()), lambda _: True, sleep=waits.append, jitter=lambda: 1.0)
    assert answer == "done" and waits == [0.2, 0.4, 0.8]
    with pytest.raises(OSError):
        patiently(_failing(99, OSError()), lambda _: True, sleep=waits.append)
    with pytest.raises(KeyError):
        patiently(_failing(1, KeyError()), lambda error: isinstance(error, OSError), sleep=waits.append)
    assert delay(0, 0.0) == 0.1 and delay(50, 1.0) == LONGEST_SECONDS


def test_a_month_is_priced_by_kind_type_and_size() -> None:
    prices = {
        "monthly": {"key": 1.0},
        "hourly": {"instance m": 0.1, "vpc-endpoint": 0.01},
        "gib_month": {"gp3": 0.08},
        "hours": 730,
        "currency": "USD",
        "as_of": "2025-06-01",
        "region": "here",
        "not_counted": ["traffic", "the trail"],
    }
    resources = [
        Resource("key", "a", {}),
        Resource("key", "b", {}, absent=True),
        Resource("instance", "i", {"type": "m", "disks": [{"gib": 100, "type": "gp3"}]}),
        Resource("vpc-endpoint", "gateway", {"route_tables": ["r"]}),
        Resource("vpc-endpoint", "interface", {}),
    ]
    cost = estimate(resources, prices, billed)
    assert cost.parts == {"key/a": 1.0, "instance/i": 81.0, "vpc-endpoint/interface": 7.3}
    assert cost.in_words("here").startswith("about 89 USD a month at prices of 2025-06-01 in here. ")
    assert "; there has prices of its own" in cost.in_words("there")
    assert cost.in_words("here").endswith(". Not counted, as it depends on use: traffic, the trail; nor taxes.")

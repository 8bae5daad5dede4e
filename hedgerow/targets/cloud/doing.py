"""Looking at and changing a graph of resources, several at a time and each after what it needs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Protocol

from hedgerow.errors import UnreachableError
from hedgerow.hosts import Change
from hedgerow.targets import Say
from hedgerow.targets.cloud.graph import Found, Resource, Step, order, resolved, step

AT_ONCE = 8
SETTLE_SECONDS = 60.0


class Driver(Protocol):
    """How one kind of resource is found, made, changed and removed. Every method is safe to repeat."""

    def find(self, resource: Resource) -> Found | None:
        """Return it as it is. The resource's Refs are resolved as far as they can be; None where it is not there."""
        ...

    def make(self, resource: Resource) -> None:
        """Create the bare thing, marked as ours in the same call. What differs afterwards is left to `change`."""
        ...

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Set these fields as wanted."""
        ...

    def remove(self, resource: Resource, found: Found) -> None:
        """Remove it."""
        ...


Drivers = Mapping[str, Driver]


def look(resources: Sequence[Resource], drivers: Drivers) -> dict[str, Found]:
    """Return everything that is there, by key. Nothing is touched."""
    found: dict[str, Found] = {}

    def one(resource: Resource) -> None:
        there = drivers[resource.kind].find(resolved(resource, found))
        if there is not None:
            found[resource.key] = there

    in_order(resources, one)
    return found


def bring_about(steps: Sequence[Step], found: dict[str, Found], drivers: Drivers, say: Say) -> None:
    """Do the steps, and keep `found` up to date. Raises what a driver raises, once what runs has ended."""
    doing = {one.resource.key: one for one in steps}

    def one(resource: Resource) -> None:
        driver, planned = drivers[resource.kind], doing[resource.key]
        if planned.action == "keep":
            return
        say(f"{planned.action}: {resource.kind} {resource.name}")
        if planned.action == "replace" and planned.found is not None:
            driver.remove(resolved(resource, found), planned.found)
            del found[resource.key]
        if planned.action in ("create", "replace"):
            # Some things come with others (a VPC's default group): they are there once those are.
            if driver.find(resolved(resource, found)) is None:
                driver.make(resolved(resource, found))
            found[resource.key] = settled(lambda: driver.find(resolved(resource, found)), resource)
        # What creation has not set yet, and what a killed run has left unset, are the same thing.
        left = step(resource, found)
        if left is not None and left.differences and left.found is not None:
            driver.change(resolved(resource, found), left.found, frozenset(each.field for each in left.differences))
            found[resource.key] = settled(lambda: driver.find(resolved(resource, found)), resource)

    in_order([one.resource for one in steps if one.action != "delete"], one)
    for gone in (one for one in steps if one.action == "delete"):
        say(f"delete: {gone.resource.kind} {gone.resource.name}")
        if gone.found is not None:
            drivers[gone.resource.kind].remove(resolved(gone.resource, found), gone.found)
            found.pop(gone.resource.key, None)


def settled(find: Callable[[], Found | None], resource: Resource, sleep: Callable[[float], None] = time.sleep) -> Found:
    """Return what was just made; a cloud may take a while to show it. Raises UnreachableError."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (there := find()) is None:
        if time.monotonic() > deadline:
            raise UnreachableError(
                f"{resource.kind} {resource.name} was created and does not show", "Run the same command again."
            )
        sleep(1)
    return there


def take_away(
    resources: Sequence[Resource], found: Mapping[str, Found], drivers: Drivers, say: Say
) -> tuple[list[Change], list[Change]]:
    """Remove everything that was found, backwards; return what is gone, and what was left with the reason."""
    gone: list[Change] = []
    left: list[Change] = []
    lock = threading.Lock()

    def one(resource: Resource) -> None:
        there = found.get(resource.key)
        if there is None:
            return
        why, action = "it was there before" if there.adopted else resource.kept, "keep"
        if not why:
            say(f"delete: {resource.kind} {resource.name}")
            try:
                drivers[resource.kind].remove(resolved(resource, found), there)
            except UnreachableError as error:
                # What can be removed all the same is: a machine costs, and a subnet that is left does not.
                why, action = error.message, "failed"
        with lock:
            (left if why else gone).append(Change(action if why else "delete", resource.kind, resource.name, why))

    in_order(backwards(resources), one)
    return gone, left


def backwards(resources: Sequence[Resource]) -> list[Resource]:
    """Return the same graph with each arrow turned round."""
    needed: dict[str, list[str]] = {resource.key: [] for resource in resources}
    for resource in resources:
        for need in resource.needs:
            needed[need].append(resource.key)
    turned = [replace(resource, needs=tuple(needed[resource.key])) for resource in resources]
    return list(order(turned))


def in_order(resources: Sequence[Resource], act: Callable[[Resource], None]) -> None:
    """Act on each resource after those it needs among these, several at once; after a failure begin no more."""
    here = {resource.key for resource in resources}
    waiting = {resource.key: (resource, {need for need in resource.needs if need in here}) for resource in resources}
    running: dict[Future[None], str] = {}
    failure: BaseException | None = None
    failed = threading.Event()

    def begin(resource: Resource) -> None:
        if failed.is_set():  # it waited in the pool's queue when another failed
            return
        try:
            act(resource)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(AT_ONCE) as pool:
        while waiting or running:
            if failure is None:
                for key in [key for key, (_, needs) in waiting.items() if not needs]:
                    running[pool.submit(begin, waiting.pop(key)[0])] = key
            if not running:
                break
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                key = running.pop(future)
                failure = failure or future.exception()
                for _, needs in waiting.values():
                    needs.discard(key)
    if failure is not None:
        raise failure

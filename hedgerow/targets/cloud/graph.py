"""Resources as values: what is wanted, what was found, and what follows from the two. Nothing here calls a cloud."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hedgerow.hosts import Change

SHOWN = 60


@dataclass(frozen=True)
class Ref:
    """The id (or another fact) of a resource that may not be there yet."""

    key: str
    fact: str = "id"


@dataclass(frozen=True)
class Resource:
    """One thing in a cloud.

    `wanted` holds the fields that are compared with what is there, and may hold `Ref`s at any depth; `needs` the keys
    of what must be there before. `given` is what creation alone takes: it is never compared. A field of `fixed` cannot
    change in place. `absent`: it is not wanted, and removed where found. `kept` says why `destroy` leaves it alone
    ("" where it does not). `holds_data`: it is never replaced without a person.
    """

    kind: str
    name: str
    wanted: Mapping[str, Any]
    needs: tuple[str, ...] = ()
    given: Mapping[str, Any] | None = None
    fixed: frozenset[str] = frozenset()
    absent: bool = False
    kept: str = ""
    holds_data: bool = False

    @property
    def key(self) -> str:
        """What others call it by."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class Found:
    """A resource as the cloud shows it: its id there, the fields that are compared, and facts that others refer to."""

    id: str
    fields: Mapping[str, Any]
    facts: Mapping[str, Any]
    adopted: bool = False
    """It was there before us and is somebody else's: used, never changed, never removed."""


@dataclass(frozen=True)
class Difference:
    """One field that is not as wanted."""

    field: str
    found: Any
    wanted: Any

    def __str__(self) -> str:
        return f"{self.field}: {_short(self.found)} -> {_short(self.wanted)}"


@dataclass(frozen=True)
class Step:
    """What is to be done with one resource, and why."""

    action: str
    resource: Resource
    found: Found | None = None
    differences: tuple[Difference, ...] = ()

    @property
    def change(self) -> Change:
        """The step as every target's plan says it."""
        detail = "; ".join(map(str, self.differences))
        if self.found is not None and self.found.adopted:
            detail = "there already, and used as it is"
        return Change(
            self.action,
            self.resource.kind,
            self.resource.name,
            detail,
            tuple(one.field for one in self.differences),
        )


class Unknown:
    """Stands for a fact of something that is not there yet."""

    def __repr__(self) -> str:
        return "(known once created)"


UNKNOWN = Unknown()


def _short(value: Any) -> str:
    # ARNs name the account, which a plan that is passed on need not.
    text = "none" if value is None else re.sub(r"(?<=:)\d{12}(?=:)", "ACCOUNT", str(value))
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def resolve(value: Any, found: Mapping[str, Found]) -> Any:
    """Put what is known in the place of each `Ref`."""
    if isinstance(value, Ref):
        if value.key not in found:
            return UNKNOWN
        there = found[value.key]
        return there.id if value.fact == "id" else there.facts.get(value.fact, UNKNOWN)
    if isinstance(value, Mapping):
        return {key: resolve(item, found) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(item, found) for item in value]
    return value


def resolved(resource: Resource, found: Mapping[str, Found]) -> Resource:
    """Return the resource with every `Ref` resolved that can be."""
    given = None if resource.given is None else resolve(resource.given, found)
    return replace(resource, wanted=resolve(resource.wanted, found), given=given)


def step(resource: Resource, found: Mapping[str, Found]) -> Step | None:
    """Return what is to be done with one resource; None where it is not there and not wanted."""
    there = found.get(resource.key)
    if resource.absent:
        if there is None or there.adopted:
            return None
        return Step("keep" if resource.kept else "delete", resource, there)
    if there is None:
        return Step("create", resource)
    if there.adopted:
        return Step("keep", resource, there)
    wanted = resolved(resource, found)
    differing = tuple(
        Difference(name, there.fields.get(name), value)
        for name, value in wanted.wanted.items()
        if plain(there.fields.get(name)) != plain(value)
    )
    if not differing:
        return Step("keep", resource, there)
    action = "replace" if any(one.field in resource.fixed for one in differing) else "change"
    return Step(action, resource, there, differing)


def steps(resources: Sequence[Resource], found: Mapping[str, Found]) -> tuple[Step, ...]:
    """Return what is to be done, in the order in which it is done: what is wanted, then what is not, backwards."""
    ordered = order(resources)
    wanted = [step(resource, found) for resource in ordered if not resource.absent]
    gone = [step(resource, found) for resource in reversed(ordered) if resource.absent]
    return tuple(one for one in [*wanted, *gone] if one is not None)


def plain(value: Any) -> Any:
    """Return a value in which a list and a tuple are the same, and texts have no order, as in clouds."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [plain(item) for item in value]
        return sorted(items) if all(isinstance(item, str) for item in items) else items
    return value


def order(resources: Iterable[Resource]) -> tuple[Resource, ...]:
    """Return the resources so that each comes after what it needs. Raises ValueError for a circle or a missing need."""
    left = {resource.key: resource for resource in resources}
    done: dict[str, Resource] = {}
    while left:
        ready = [key for key, resource in left.items() if all(need in done for need in resource.needs)]
        if not ready:
            raise ValueError(f"these need each other, or what is not there: {', '.join(left)}")
        done.update((key, left.pop(key)) for key in ready)
    return tuple(done.values())

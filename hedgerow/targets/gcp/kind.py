"""A kind of resource as data, and the one driver that every kind of data has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from hedgerow.errors import CallError
from hedgerow.targets.cloud.graph import UNKNOWN, Found, Resource, plain
from hedgerow.targets.gcp.api import Google, RefusedError, Row
from hedgerow.targets.gcp.shape import shaped

LABEL = "hedgerow-deployment"
WRONG = 400
GONE = 404
EXISTS = 409
STALE = 412
TRIES = 3
RUNNING = "running"
"""The field that a machine which is stopped differs in: one that was stopped for a change is started after it."""


@dataclass(frozen=True)
class Call:
    """One call that sets something: its name in methods.yml, body and query."""

    method: str
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)


Way = Callable[[Any, Row], list[Call]]
"""From the wanted value of a field and the whole row to the calls that set it."""


def same(row: Row) -> Row:
    """Return it as it is."""
    return row


@dataclass(frozen=True)
class Kind:
    """How one kind is found, made, changed and removed.

    `collection` is how its methods begin; `insert` and `patch` are the names of creation and change. `marked` is the
    field that says whose a thing is. Fields of `ways` are set by calls of their own, the rest by a patch; those of
    `stopped` only while the machine is stopped; in those of `whole` what nobody wanted is a difference too. `read`
    brings a row into the form that is compared, `write` a body into the form that Google takes. `unlock` is called
    before a removal; `query` is what a creation says beside its body, from the place.
    """

    collection: str
    marked: str = "description"
    insert: str = "insert"
    patch: str = "patch"
    ways: Mapping[str, Way] = field(default_factory=dict)
    stopped: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    read: Callable[[Row], Row] = same
    write: Callable[[Row], Row] = same
    unlock: tuple[Call, ...] = ()
    query: Mapping[str, str] = field(default_factory=dict)


def anew(
    act: Callable[[Found], object], found: Found, find: Callable[[], Found | None], overtaken: Collection[int]
) -> None:
    """Act on a thing as it was seen; where Google answers that somebody was faster, look again and act once more.

    Raises RefusedError where that does not help, for any other answer, and where the thing is gone.
    """
    for attempt in range(TRIES):
        try:
            act(found)
            return
        except RefusedError as refused:
            again = find() if refused.status in overtaken and attempt < TRIES - 1 else None
            if again is None:
                raise
            found = again


class Rest:
    """The driver of a kind: a row is found by its name, and compared where something is wanted of it."""

    def __init__(self, kind: Kind, google: Google, deployment: str) -> None:
        self.kind, self.google, self.deployment = kind, google, deployment

    def find(self, resource: Resource) -> Found | None:
        """Return it as it is. Raises CallError where somebody else has the name."""
        row = self.google.ask(f"{self.kind.collection}.get", self.path(resource))
        if row is None:
            return None
        if not self._ours(row):
            raise not_ours(resource, self.name(resource))
        row = self.kind.read(row)
        fields = {
            name: row.get(name) if name in self.kind.whole else shaped(row.get(name), wanted)
            for name, wanted in resource.wanted.items()
        }
        return Found(self.name(resource), fields, row)

    def make(self, resource: Resource) -> None:
        """Create it, marked. What another run has made meanwhile is left to `find`."""
        given = resource.given or {}
        wanted = {name: value for name, value in resource.wanted.items() if value is not None and value is not UNKNOWN}
        body = {"name": self.name(resource), **self._mark(), **given.get("body", {}), **wanted}
        if "labels" in body:
            body["labels"] = {**self._labels(), **body["labels"]}
        query = {name: self.google.place[of] for name, of in self.kind.query.items()}
        try:
            call = f"{self.kind.collection}.{self.kind.insert}"
            self.google.call(call, self.path(resource), body=self.kind.write(body), query=query)
        except RefusedError as refused:
            if refused.status != EXISTS:
                raise

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Set these fields. Where somebody else changed the thing meanwhile, look again and set what still differs.

        Google refuses that as stale, as wrong (a second address of the internet), or as about what is gone.
        """

        def put(seen: Found) -> None:
            looked = fields | ({RUNNING} & set(resource.wanted))
            left = frozenset(one for one in looked if plain(seen.fields.get(one)) != plain(resource.wanted[one]))
            if left:
                self._change(resource, dict(seen.facts), left)

        anew(put, found, lambda: self.find(resource), {WRONG, GONE, STALE})

    def remove(self, resource: Resource, found: Found) -> None:
        """Remove it, and what kept it from being removed."""
        path = self.path(resource)
        try:
            for call in self.kind.unlock:
                self.google.call(call.method, path, body=call.body, query=call.query)
            self.google.call(f"{self.kind.collection}.delete", path)
        except RefusedError as refused:
            if not refused.absent:
                raise

    def path(self, resource: Resource) -> dict[str, str]:
        """Return what the addresses of its methods take."""
        return {"name": self.name(resource), **(resource.given or {}).get("path", {})}

    def name(self, resource: Resource) -> str:
        """Return its name in the project."""
        return str((resource.given or {}).get("name") or f"hedgerow-{self.deployment}-{resource.name}")

    def _change(self, resource: Resource, row: Row, fields: frozenset[str]) -> None:
        path, held = self.path(resource), fields & self.kind.stopped
        free = (fields & set(self.kind.ways)) - held - ({RUNNING} if held else set())
        calls = self._ways(free, resource, row)
        plain = sorted(fields - set(self.kind.ways))
        if plain:
            body = {"name": self.name(resource)} | {name: resource.wanted[name] for name in plain}
            body |= {"fingerprint": row["fingerprint"]} if "fingerprint" in row else {}
            calls.insert(0, Call(f"{self.kind.collection}.{self.kind.patch}", self.kind.write(body)))
        if held:
            stop, start = (Call(f"{self.kind.collection}.{name}") for name in ("stop", "start"))
            calls += [stop, *self._ways(held, resource, row), start]
        for call in calls:
            self.google.call(call.method, path, body=call.body, query=call.query)

    def _ways(self, fields: frozenset[str], resource: Resource, row: Row) -> list[Call]:
        return [call for one in sorted(fields) for call in self.kind.ways[one](resource.wanted[one], row)]

    def _labels(self) -> dict[str, str]:
        return {LABEL: self.deployment}

    def _mark(self) -> Row:
        if self.kind.marked == "labels":
            return {"labels": self._labels()}
        return {self.kind.marked: mark(self.deployment)} if self.kind.marked else {}

    def _ours(self, row: Row) -> bool:
        if self.kind.marked == "labels":
            return bool(row.get("labels", {}).get(LABEL) == self.deployment)
        return not self.kind.marked or row.get(self.kind.marked) == mark(self.deployment)


def not_ours(resource: Resource, name: str) -> CallError:
    """Return the refusal of what has our name and not our mark."""
    return CallError(
        f"there is a {resource.kind} {name} in the project already, and it is not ours",
        "Give the deployment another name, or remove what has this one.",
    )


def mark(deployment: str) -> str:
    """Return the description of a thing of ours that can have no labels."""
    return f"hedgerow-deployment: {deployment}"

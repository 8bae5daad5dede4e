"""The access list as the wire has it: who asks for it, who adds to it and takes from it. Versions 1 of each."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

from event_log.answers import NO_CLUSTER, WRONG_REQUEST, Room
from event_log.rights import CLUSTER_NAME, Entry
from event_log.wire import Reader, array, int8, int16, int32, string

ANY, MATCH = 1, 2


class Administration(Room):
    """DescribeAcls, CreateAcls and DeleteAcls."""

    def describe(self, read: Reader, version: int, user: str) -> bytes:
        """Give the entries that a filter fits."""
        chosen = _filter(read)
        if not self.may(user, "describe", "cluster", CLUSTER_NAME):
            return int32(0) + int16(NO_CLUSTER) + string("not authorised") + array([])
        resources = (
            int8(kind)
            + string(name)
            + int8(pattern)
            + array(string(e.principal) + string(e.host) + int8(e.operation) + int8(e.permission) for e in entries)
            for (kind, name, pattern), entries in groupby(self.rights.listed(chosen), key=lambda entry: entry[:3])
        )
        return int32(0) + int16(0) + string(None) + array(resources)

    def create(self, read: Reader, version: int, user: str) -> bytes:
        """Add entries; each is answered for itself."""
        rows = read.rows(
            lambda: Entry(read.int8(), read.word(), read.int8(), read.word(), read.word(), read.int8(), read.int8())
        )
        if not self.may(user, "alter", "cluster", CLUSTER_NAME):
            return int32(0) + array(int16(NO_CLUSTER) + string("not authorised") for _ in rows)
        self.rights.add(entry for entry in rows if not entry.fault)
        return int32(0) + array(
            int16(WRONG_REQUEST if entry.fault else 0) + string(entry.fault or None) for entry in rows
        )

    def delete(self, read: Reader, version: int, user: str) -> bytes:
        """Take out the entries that each filter fits, and say which they were."""
        chosen = read.rows(lambda: _filter(read))
        if not self.may(user, "alter", "cluster", CLUSTER_NAME):
            return int32(0) + array(int16(NO_CLUSTER) + string("not authorised") + array([]) for _ in chosen)
        return int32(0) + array(
            int16(0) + string(None) + array(map(_gone, self.rights.remove(each))) for each in chosen
        )


def _gone(entry: Entry) -> bytes:
    return (
        int16(0)
        + string(None)
        + int8(entry.kind)
        + string(entry.name)
        + int8(entry.pattern)
        + string(entry.principal)
        + string(entry.host)
        + int8(entry.operation)
        + int8(entry.permission)
    )


def _filter(read: Reader) -> Callable[[Entry], bool]:
    """Return what a filter fits. What is left out of it fits everything; so do the numbers for "any"."""
    kind, name, pattern = read.int8(), read.string(), read.int8()
    principal, host, operation, permission = read.string(), read.string(), read.int8(), read.int8()

    def fits(entry: Entry) -> bool:
        if pattern == MATCH:
            named = name is None or entry.about(entry.kind, name)
        else:
            named = name in (None, entry.name) and pattern in (ANY, entry.pattern)
        return (
            named
            and kind in (ANY, entry.kind)
            and principal in (None, entry.principal)
            and host in (None, entry.host)
            and operation in (ANY, entry.operation)
            and permission in (ANY, entry.permission)
        )

    return fits

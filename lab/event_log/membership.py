"""Consumer groups as the wire has them: who comes, who goes, and how far they have read."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from event_log.answers import ME, NO_GROUP, NO_TOPIC, Room
from event_log.groups import Group
from event_log.wire import Reader, array, blob, int16, int32, int64, string


@dataclass
class Membership(Room):
    """FindCoordinator, JoinGroup, SyncGroup, Heartbeat, LeaveGroup, OffsetCommit and OffsetFetch."""

    groups: dict[str, Group] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def _group(self, name: str) -> Group:
        with self.lock:
            return self.groups.setdefault(name, Group())

    def coordinator(self, read: Reader, version: int, user: str) -> bytes:
        """Say who looks after a group: this broker."""
        name, kind = read.word(), read.int8() if version >= 1 else 0
        error = 0 if kind == 0 and self.may(user, "describe", "group", name) else NO_GROUP
        listener = self.config.listeners[0]
        place = int32(ME) + string(listener.host) + int32(listener.advertised)
        nowhere = int32(-1) + string("") + int32(-1)
        throttle, words = (int32(0), string(None)) if version >= 1 else (b"", b"")
        return throttle + int16(error) + words + (nowhere if error else place)

    def join(self, read: Reader, version: int, user: str) -> bytes:
        """Come into a group."""
        name, session = read.word(), read.int32() / 1000
        patience = read.int32() / 1000 if version >= 1 else session
        member, _ = read.word(), read.word()
        protocols = dict(read.rows(lambda: (read.word(), read.bytes() or b"")))
        throttle = int32(0) if version >= 2 else b""
        if not self.may(user, "read", "group", name):
            return throttle + int16(NO_GROUP) + int32(-1) + string("") + string("") + string(member) + array([])
        told = self._group(name).join(member, protocols, session, patience)
        members = array(string(key) + blob(data) for key, data in told.members)
        names = string(told.protocol) + string(told.leader) + string(told.member)
        return throttle + int16(told.error) + int32(told.generation) + names + members

    def sync(self, read: Reader, version: int, user: str) -> bytes:
        """Hand out or be handed partitions."""
        name, generation, member = read.word(), read.int32(), read.word()
        shares = dict(read.rows(lambda: (read.word(), read.bytes() or b"")))
        error, share = NO_GROUP, b""
        if self.may(user, "read", "group", name):
            error, share = self._group(name).sync(member, generation, shares)
        return (int32(0) if version >= 1 else b"") + int16(error) + blob(share)

    def heartbeat(self, read: Reader, version: int, user: str) -> bytes:
        """Be there."""
        name, generation, member = read.word(), read.int32(), read.word()
        allowed = self.may(user, "read", "group", name)
        error = self._group(name).heartbeat(member, generation) if allowed else NO_GROUP
        return (int32(0) if version >= 1 else b"") + int16(error)

    def leave(self, read: Reader, version: int, user: str) -> bytes:
        """Go from a group."""
        name, member = read.word(), read.word()
        error = self._group(name).leave(member) if self.may(user, "read", "group", name) else NO_GROUP
        return (int32(0) if version >= 1 else b"") + int16(error)

    def commit(self, read: Reader, version: int, user: str) -> bytes:
        """Keep how far a group has read."""
        name, generation, member = read.word(), read.int32(), read.word()
        read.int64()
        rows = read.rows(lambda: (read.word(), read.rows(lambda: (read.int32(), read.int64(), read.word()))))
        fault = (
            self._group(name).commit_fault(member, generation) if self.may(user, "read", "group", name) else NO_GROUP
        )
        kept, answers = {}, []
        for topic, parts in rows:
            error = fault or (0 if self.may(user, "read", "topic", topic) else NO_TOPIC)
            for index, offset, note in parts if not error else ():
                kept[topic, index] = (offset, note)
            answers.append(string(topic) + array(int32(index) + int16(error) for index, _, _ in parts))
        if kept:
            self.store.commit(name, kept)
        return (int32(0) if version >= 3 else b"") + array(answers)

    def committed(self, read: Reader, version: int, user: str) -> bytes:
        """Say how far a group has read."""
        name = read.word()
        wanted = read.array(lambda: (read.word(), read.rows(read.int32)))
        allowed = self.may(user, "describe", "group", name)
        known = self.store.committed_by(name) if allowed else {}
        if wanted is None:
            wanted = [(topic, [index for t, index in known if t == topic]) for topic in sorted({t for t, _ in known})]
        answers = []
        for topic, indexes in wanted:
            error = 0 if self.may(user, "describe", "topic", topic) else NO_TOPIC
            rows = [(index, *(known.get((topic, index), (-1, "")) if not error else (-1, ""))) for index in indexes]
            answers.append(
                string(topic)
                + array(int32(i) + int64(offset) + string(note) + int16(error) for i, offset, note in rows)
            )
        tail = int16(0 if allowed else NO_GROUP) if version >= 2 else b""
        return (int32(0) if version >= 3 else b"") + array(answers) + tail

"""The requests: who may, what is done, what is said. One function an API, in the versions before "flexible" ones.

Source: Apache Kafka's protocol guide. A version that is not offered is never parsed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from event_log.config import MECHANISMS, Config, Listener
from event_log.groups import Group
from event_log.scram import Exchange, ScramError
from event_log.store import BadBatchError, Store
from event_log.wire import Reader, array, blob, int8, int16, int32, int64, string

PRODUCE, FETCH, LIST_OFFSETS, METADATA, COMMIT, COMMITTED, COORDINATOR = 0, 1, 2, 3, 8, 9, 10
JOIN, HEARTBEAT, LEAVE, SYNC, HANDSHAKE, VERSIONS, CREATE, AUTHENTICATE = 11, 12, 13, 14, 17, 18, 19, 36
OFFERED = {
    PRODUCE: (3, 7),
    FETCH: (4, 6),
    LIST_OFFSETS: (1, 3),
    METADATA: (1, 5),
    COMMIT: (2, 4),
    COMMITTED: (1, 4),
    COORDINATOR: (0, 2),
    JOIN: (0, 3),
    HEARTBEAT: (0, 2),
    LEAVE: (0, 2),
    SYNC: (0, 2),
    HANDSHAKE: (0, 1),  # version 0 is only named: librdkafka before 2.10 takes its absence for no SASL at all
    VERSIONS: (0, 3),
    CREATE: (0, 3),
    AUTHENTICATE: (0, 1),
}
BEFORE = (VERSIONS, HANDSHAKE, AUTHENTICATE)
OUT_OF_RANGE, CORRUPT, UNKNOWN_TOPIC, NO_TOPIC, NO_GROUP, NO_CLUSTER = 1, 2, 3, 29, 30, 31
BAD_MECHANISM, BAD_STATE, BAD_VERSION, TAKEN, BAD_NAME, BAD_LOGIN, BAD_ACKS = 33, 34, 35, 36, 17, 58, 21
LONGEST_WAIT = 30.0
ME = 1


class HangUpError(Exception):
    """The client does what nobody may: the connection ends. `last` is what it is told before."""

    def __init__(self, words: str, last: bytes = b"") -> None:
        super().__init__(words)
        self.last = last


@dataclass
class Session:
    """One connection: who it is, once it has said so."""

    listener: Listener
    user: str = ""
    exchange: Exchange | None = None
    signed_in: bool = False


@dataclass
class Broker:
    """Answers requests; many threads ask at once."""

    config: Config
    store: Store
    groups: dict[str, Group] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopping: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: bytes, session: Session) -> bytes | None:
        """Return the response to one request; None where none is wanted. Raises HangUpError and wire.WireError."""
        read = Reader(request)
        key, version, number = read.int16(), read.int16(), int32(read.int32())
        read.string()  # the client's name for itself
        low, high = OFFERED.get(key, (0, -1))
        if not low <= version <= high:
            if key == VERSIONS:
                return number + self._versions(0, BAD_VERSION)
            raise HangUpError(f"API {key} version {version} is not offered")
        if not session.signed_in and session.listener.sasl and key not in BEFORE:
            raise HangUpError("not signed in")
        if key == VERSIONS:
            return number + self._versions(version, 0)
        if key == HANDSHAKE:
            if version == 0:
                raise HangUpError("SASL outside of Kafka's own requests is not offered")
            return number + self._handshake(read, session)
        if key == AUTHENTICATE:
            return number + self._authenticate(read, session, version, number)
        body = self._calls()[key](read, version, session.user)
        return None if body is None else number + body

    def _calls(self) -> dict[int, Callable[[Reader, int, str], bytes | None]]:
        return {
            PRODUCE: self._produce,
            FETCH: self._fetch,
            LIST_OFFSETS: self._offsets,
            METADATA: self._metadata,
            COMMIT: self._commit,
            COMMITTED: self._committed,
            COORDINATOR: self._coordinator,
            JOIN: self._join,
            HEARTBEAT: self._heartbeat,
            LEAVE: self._leave,
            SYNC: self._sync,
            CREATE: self._create,
        }

    def _may(self, user: str, operation: str, kind: str, name: str) -> bool:
        return self.config.may(user, operation, kind, name)

    # Signing in

    def _versions(self, version: int, error: int) -> bytes:
        rows = [int16(key) + int16(low) + int16(high) for key, (low, high) in OFFERED.items()]
        if version == 3:  # the only flexible one: every client asks it first
            return int16(error) + bytes([len(rows) + 1]) + b"".join(row + b"\0" for row in rows) + int32(0) + b"\0"
        return int16(error) + array(rows) + (int32(0) if version else b"")

    def _handshake(self, read: Reader, session: Session) -> bytes:
        mechanism = read.word()
        known = mechanism in MECHANISMS
        session.exchange = Exchange(mechanism, self.config.passwords) if known else None
        return int16(0 if known else BAD_MECHANISM) + array(string(name) for name in MECHANISMS)

    def _authenticate(self, read: Reader, session: Session, version: int, number: bytes) -> bytes:
        lifetime = int64(0) if version else b""
        if session.exchange is None or session.signed_in:
            raise HangUpError("no handshake", number + int16(BAD_STATE) + string("no handshake") + blob(b"") + lifetime)
        try:
            said = session.exchange.answer(read.bytes() or b"")
        except ScramError:
            words = "SASL authentication failed: security: Invalid credentials"
            last = number + int16(BAD_LOGIN) + string(words) + blob(b"") + lifetime
            raise HangUpError("sign-in refused", last) from None
        if session.exchange.user is not None:
            session.user, session.signed_in = session.exchange.user, True
        return int16(0) + string(None) + blob(said) + lifetime

    # Topics

    def _metadata(self, read: Reader, version: int, user: str) -> bytes:
        wanted = read.array(read.word)
        names = sorted(self.store.topics) if wanted is None else wanted
        shown = [name for name in names if wanted is not None or self._may(user, "describe", "topic", name)]
        listener = self.config.listeners[0]
        broker = int32(ME) + string(listener.host) + int32(listener.advertised) + string(None)
        throttle, cluster = (int32(0) if version >= 3 else b""), (string("stand-in") if version >= 2 else b"")
        topics = array(self._topic(name, version, user) for name in shown)
        return throttle + array([broker]) + cluster + int32(ME) + topics

    def _topic(self, name: str, version: int, user: str) -> bytes:
        allowed = self._may(user, "describe", "topic", name)
        count = len(self.store.topics.get(name, [])) if allowed else 0
        error = 0 if count else UNKNOWN_TOPIC if allowed else NO_TOPIC
        one, away = array([int32(ME)]), (array([]) if version >= 5 else b"")
        rows = (int16(0) + int32(index) + int32(ME) + one + one + away for index in range(count))
        return int16(error) + string(name) + int8(0) + array(rows)

    def _create(self, read: Reader, version: int, user: str) -> bytes:
        def topic() -> tuple[str, int]:
            name, partitions = read.word(), read.int32()
            read.int16()
            read.rows(lambda: (read.int32(), read.rows(read.int32)))
            read.rows(lambda: (read.word(), read.string()))
            return name, partitions

        rows = read.rows(topic)
        read.int32()
        dry = bool(read.int8()) if version >= 1 else False
        answers = []
        for name, partitions in rows:
            error = 0
            if not self._may(user, "create", "topic", name):
                error = NO_TOPIC
            elif name in self.store.topics:
                error = TAKEN
            elif not dry:
                try:
                    self.store.create(name, 1 if partitions == -1 else partitions)
                except ValueError:
                    error = BAD_NAME
            answers.append(string(name) + int16(error) + (string(None) if version >= 1 else b""))
        return (int32(0) if version >= 2 else b"") + array(answers)

    # Events

    def _produce(self, read: Reader, version: int, user: str) -> bytes | None:
        transaction, acks = read.string(), read.int16()
        read.int32()
        rows = read.rows(lambda: (read.word(), read.rows(lambda: (read.int32(), read.bytes() or b""))))
        if transaction is not None:
            raise HangUpError("transactions are not offered")
        answers = []
        for topic, parts in rows:
            kept = [(index, *self._keep(user, topic, index, records, acks)) for index, records in parts]
            start = int64(0) if version >= 5 else b""
            answers.append(
                string(topic)
                + array(int32(i) + int16(error) + int64(offset) + int64(-1) + start for i, error, offset in kept)
            )
        return None if acks == 0 else array(answers) + int32(0)

    def _keep(self, user: str, topic: str, index: int, records: bytes, acks: int) -> tuple[int, int]:
        if not self._may(user, "write", "topic", topic):
            return NO_TOPIC, -1
        partition = self.store.partition(topic, index)
        if partition is None or acks not in (-1, 0, 1):
            return (BAD_ACKS if partition else UNKNOWN_TOPIC), -1
        try:
            return 0, partition.append(records)
        except BadBatchError:
            return CORRUPT, -1

    def _fetch(self, read: Reader, version: int, user: str) -> bytes:
        read.int32()
        patience, least, most = read.int32(), read.int32(), read.int32()
        read.int8()

        def part() -> tuple[int, int, int]:
            index, offset = read.int32(), read.int64()
            if version >= 5:
                read.int64()
            return index, offset, read.int32()

        rows = read.rows(lambda: (read.word(), read.rows(part)))
        until = time.monotonic() + min(patience / 1000, LONGEST_WAIT)
        while True:
            size, answers, wrong = 0, [], False
            for topic, parts in rows:
                told = []
                for index, offset, each in parts:
                    error, end, records = self._read(user, topic, index, offset, min(each, most - size))
                    size, wrong = size + len(records), wrong or error != 0
                    start = int64(0) if version >= 5 else b""
                    told.append(
                        int32(index) + int16(error) + int64(end) + int64(end) + start + array([]) + blob(records)
                    )
                answers.append(string(topic) + array(told))
            left = until - time.monotonic()
            if wrong or size >= least or left <= 0 or self.stopping.is_set():
                return int32(0) + array(answers)
            self._await(rows, min(left, 0.1 if len(rows) > 1 else 0.5))

    def _await(self, rows: list[tuple[str, list[tuple[int, int, int]]]], seconds: float) -> None:
        """Wait until the first wanted partition grows; with several, look at them all again soon."""
        found = [self.store.partition(topic, index) for topic, parts in rows for index, _, _ in parts]
        offsets = [offset for _, parts in rows for _, offset, _ in parts]
        if not found or found[0] is None:
            time.sleep(seconds)
            return
        with found[0].grown:
            if found[0].end <= offsets[0]:
                found[0].grown.wait(seconds)

    def _read(self, user: str, topic: str, index: int, offset: int, most: int) -> tuple[int, int, bytes]:
        if not self._may(user, "read", "topic", topic):
            return NO_TOPIC, -1, b""
        partition = self.store.partition(topic, index)
        if partition is None:
            return UNKNOWN_TOPIC, -1, b""
        if not 0 <= offset <= partition.end:
            return OUT_OF_RANGE, partition.end, b""
        return 0, partition.end, partition.read(offset, most) if most > 0 else b""

    def _offsets(self, read: Reader, version: int, user: str) -> bytes:
        read.int32()
        if version >= 2:
            read.int8()
        rows = read.rows(lambda: (read.word(), read.rows(lambda: (read.int32(), read.int64()))))
        answers = []
        for topic, parts in rows:
            told = []
            for index, when in parts:
                partition = self.store.partition(topic, index)
                error = UNKNOWN_TOPIC if partition is None else 0
                error = error if self._may(user, "describe", "topic", topic) else NO_TOPIC
                offset = -1 if error or partition is None else partition.offset_at(when)
                told.append(int32(index) + int16(error) + int64(-1) + int64(offset))
            answers.append(string(topic) + array(told))
        return (int32(0) if version >= 2 else b"") + array(answers)

    # Groups

    def _group(self, name: str) -> Group:
        with self.lock:
            return self.groups.setdefault(name, Group())

    def _coordinator(self, read: Reader, version: int, user: str) -> bytes:
        name, kind = read.word(), read.int8() if version >= 1 else 0
        error = 0 if kind == 0 and self._may(user, "describe", "group", name) else NO_GROUP
        listener = self.config.listeners[0]
        place = int32(ME) + string(listener.host) + int32(listener.advertised)
        nowhere = int32(-1) + string("") + int32(-1)
        throttle, words = (int32(0), string(None)) if version >= 1 else (b"", b"")
        return throttle + int16(error) + words + (nowhere if error else place)

    def _join(self, read: Reader, version: int, user: str) -> bytes:
        name, session = read.word(), read.int32() / 1000
        patience = read.int32() / 1000 if version >= 1 else session
        member, _ = read.word(), read.word()
        protocols = dict(read.rows(lambda: (read.word(), read.bytes() or b"")))
        throttle = int32(0) if version >= 2 else b""
        if not self._may(user, "read", "group", name):
            return throttle + int16(NO_GROUP) + int32(-1) + string("") + string("") + string(member) + array([])
        told = self._group(name).join(member, protocols, session, patience)
        members = array(string(key) + blob(data) for key, data in told.members)
        names = string(told.protocol) + string(told.leader) + string(told.member)
        return throttle + int16(told.error) + int32(told.generation) + names + members

    def _sync(self, read: Reader, version: int, user: str) -> bytes:
        name, generation, member = read.word(), read.int32(), read.word()
        shares = dict(read.rows(lambda: (read.word(), read.bytes() or b"")))
        error, share = NO_GROUP, b""
        if self._may(user, "read", "group", name):
            error, share = self._group(name).sync(member, generation, shares)
        return (int32(0) if version >= 1 else b"") + int16(error) + blob(share)

    def _heartbeat(self, read: Reader, version: int, user: str) -> bytes:
        name, generation, member = read.word(), read.int32(), read.word()
        allowed = self._may(user, "read", "group", name)
        error = self._group(name).heartbeat(member, generation) if allowed else NO_GROUP
        return (int32(0) if version >= 1 else b"") + int16(error)

    def _leave(self, read: Reader, version: int, user: str) -> bytes:
        name, member = read.word(), read.word()
        error = self._group(name).leave(member) if self._may(user, "read", "group", name) else NO_GROUP
        return (int32(0) if version >= 1 else b"") + int16(error)

    def _commit(self, read: Reader, version: int, user: str) -> bytes:
        name, generation, member = read.word(), read.int32(), read.word()
        read.int64()
        rows = read.rows(lambda: (read.word(), read.rows(lambda: (read.int32(), read.int64(), read.word()))))
        fault = (
            self._group(name).commit_fault(member, generation) if self._may(user, "read", "group", name) else NO_GROUP
        )
        kept, answers = {}, []
        for topic, parts in rows:
            error = fault or (0 if self._may(user, "read", "topic", topic) else NO_TOPIC)
            for index, offset, note in parts if not error else ():
                kept[topic, index] = (offset, note)
            answers.append(string(topic) + array(int32(index) + int16(error) for index, _, _ in parts))
        if kept:
            self.store.commit(name, kept)
        return (int32(0) if version >= 3 else b"") + array(answers)

    def _committed(self, read: Reader, version: int, user: str) -> bytes:
        name = read.word()
        wanted = read.array(lambda: (read.word(), read.rows(read.int32)))
        allowed = self._may(user, "describe", "group", name)
        known = self.store.committed_by(name) if allowed else {}
        if wanted is None:
            wanted = [(topic, [index for t, index in known if t == topic]) for topic in sorted({t for t, _ in known})]
        answers = []
        for topic, indexes in wanted:
            error = 0 if self._may(user, "describe", "topic", topic) else NO_TOPIC
            rows = [(index, *(known.get((topic, index), (-1, "")) if not error else (-1, ""))) for index in indexes]
            answers.append(
                string(topic)
                + array(int32(i) + int64(offset) + string(note) + int16(error) for i, offset, note in rows)
            )
        tail = int16(0 if allowed else NO_GROUP) if version >= 2 else b""
        return (int32(0) if version >= 3 else b"") + array(answers) + tail

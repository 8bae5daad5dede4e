"""The requests: which are offered, who may ask, and which room answers. The versions before "flexible" ones.

Source: Apache Kafka's protocol guide. A version that is not offered is never parsed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from event_log.administration import Administration
from event_log.answers import HangUpError, Room
from event_log.config import MECHANISMS, Listener
from event_log.events import Events
from event_log.membership import Membership
from event_log.scram import Exchange, ScramError
from event_log.settings import Settings
from event_log.topics import Topics
from event_log.wire import Reader, array, blob, int16, int32, int64, string

PRODUCE, FETCH, LIST_OFFSETS, METADATA, COMMIT, COMMITTED, COORDINATOR = 0, 1, 2, 3, 8, 9, 10
JOIN, HEARTBEAT, LEAVE, SYNC, HANDSHAKE, VERSIONS, CREATE, AUTHENTICATE = 11, 12, 13, 14, 17, 18, 19, 36
DESCRIBE_ACLS, CREATE_ACLS, DELETE_ACLS, DESCRIBE_CONFIGS, ALTER_CONFIGS = 29, 30, 31, 32, 44
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
    DESCRIBE_ACLS: (1, 1),
    CREATE_ACLS: (1, 1),
    DELETE_ACLS: (1, 1),
    DESCRIBE_CONFIGS: (1, 1),
    ALTER_CONFIGS: (0, 0),
}
BEFORE = (VERSIONS, HANDSHAKE, AUTHENTICATE)
BAD_MECHANISM, BAD_STATE, BAD_VERSION, BAD_LOGIN = 33, 34, 35, 58


@dataclass
class Session:
    """One connection: who it is, once it has said so."""

    listener: Listener
    user: str = ""
    exchange: Exchange | None = None
    signed_in: bool = False


@dataclass
class Broker(Room):
    """Answers requests; many threads ask at once."""

    def __post_init__(self) -> None:
        told = (self.config, self.store, self.rights, self.stopping)
        topics, events, groups = Topics(*told), Events(*told), Membership(*told)
        lists, settings = Administration(*told), Settings(*told)
        self._calls: dict[int, Callable[[Reader, int, str], bytes | None]] = {
            PRODUCE: events.produce,
            FETCH: events.fetch,
            LIST_OFFSETS: events.offsets,
            METADATA: topics.metadata,
            COMMIT: groups.commit,
            COMMITTED: groups.committed,
            COORDINATOR: groups.coordinator,
            JOIN: groups.join,
            HEARTBEAT: groups.heartbeat,
            LEAVE: groups.leave,
            SYNC: groups.sync,
            CREATE: topics.create,
            DESCRIBE_ACLS: lists.describe,
            CREATE_ACLS: lists.create,
            DELETE_ACLS: lists.delete,
            DESCRIBE_CONFIGS: settings.describe,
            ALTER_CONFIGS: settings.alter,
        }

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
        body = self._calls[key](read, version, session.user)
        return None if body is None else number + body

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

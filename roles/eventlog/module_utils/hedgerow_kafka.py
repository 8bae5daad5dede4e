"""The part of Kafka's protocol that says which topics there are, what bounds them, who may do what, and how far
groups have read.

Source: Apache Kafka's protocol guide; the versions are ones that Redpanda offers (its src/v/kafka/server/handlers).
By hand, because no library for it is in both distributions: docs/decisions/0013.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

# API: its key and the version of it that is spoken.
METADATA, CREATE_TOPICS = (3, 1), (19, 2)
LIST_OFFSETS, OFFSET_FETCH = (2, 1), (9, 1)
DESCRIBE_ACLS, CREATE_ACLS, DELETE_ACLS = (29, 1), (30, 1), (31, 1)
DESCRIBE_CONFIGS, ALTER_CONFIGS = (32, 1), (44, 0)
KINDS = {"topic": 2, "group": 3, "cluster": 4, "transactional_id": 5}
PATTERNS = {"literal": 3, "prefixed": 4}
PERMISSIONS = {"deny": 2, "allow": 3}
OPERATIONS = {
    "all": 2,
    "read": 3,
    "write": 4,
    "create": 5,
    "delete": 6,
    "alter": 7,
    "describe": 8,
    "cluster_action": 9,
    "describe_configs": 10,
    "alter_configs": 11,
    "idempotent_write": 12,
}
ANY, SET, TOPIC = 1, 0, 2
END, BEGINNING = -1, -2
"""For a time in ListOffsets: where the next event will lie, and where the oldest does."""
ALREADY_THERE = 36
ERRORS = {
    3: "there is no such topic",
    7: "it took too long",
    29: "the client may not touch this topic",
    31: "the client is no superuser",
    37: "the number of partitions is wrong",
    38: "there are fewer brokers than copies wanted",
    40: "a setting is wrong",
    41: "the broker is not the controller",
    42: "the request is wrong",
    54: "it keeps no access list: authorization is off",
}
PASSING = {7, 8, 14, 15, 41}
"""Errors of a broker that is still finding itself: timed out, not available, loading, no coordinator, no controller."""
LARGEST = 64 * 1024 * 1024


class KafkaError(Exception):
    """The broker refused something; `passing` where it may do it in a moment."""

    def __init__(self, what: str, code: int, words: str | None = None) -> None:
        super().__init__(f"{what}: {words or ERRORS.get(code) or 'error'} ({code})")
        self.passing = code in PASSING


class Acl(NamedTuple):
    """One entry of the access list, in Kafka's own words."""

    principal: str
    operation: str
    kind: str
    name: str
    pattern: str = "literal"
    host: str = "*"
    permission: str = "allow"

    def __str__(self) -> str:
        verb = "may" if self.permission == "allow" else "may not"
        name = f"{self.name}*" if self.pattern == "prefixed" else self.name
        return f"{self.principal}@{self.host} {verb} {self.operation} {self.kind} {name}"


class Reader:
    """Reads one answer from its beginning to its end. Raises struct.error where it ends too early."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> int:
        (value,) = struct.unpack_from(f">{form}", self.data, self.at)
        self.at += struct.calcsize(f">{form}")
        return int(value)

    def text(self) -> str | None:
        length = self.take("h")
        if length < 0:
            return None
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def word(self) -> str:
        return self.text() or ""

    def rows(self, each: Callable[[], Any]) -> list[Any]:
        return [each() for _ in range(self.take("i"))]


def text(value: str | None) -> bytes:
    """Return a string as it travels: after its length, or as none."""
    return struct.pack(">h", -1) if value is None else struct.pack(">h", len(value.encode())) + value.encode()


def array(values: Iterable[bytes]) -> bytes:
    """Return rows as they travel: after their number."""
    rows = list(values)
    return struct.pack(">i", len(rows)) + b"".join(rows)


def packed(acl: Acl) -> bytes:
    """Return an entry as it travels, both when it is made and when it is looked for to be deleted."""
    return (
        struct.pack(">b", _number(KINDS, acl.kind))
        + text(acl.name)
        + struct.pack(">b", _number(PATTERNS, acl.pattern))
        + text(acl.principal)
        + text(acl.host)
        + struct.pack(">bb", _number(OPERATIONS, acl.operation), _number(PERMISSIONS, acl.permission))
    )


def unpacked(read: Reader, kind: int, name: str, pattern: int) -> Acl:
    """Return an entry of one resource from an answer."""
    principal, host, operation, permission = read.word(), read.word(), read.take("b"), read.take("b")
    return Acl(
        principal,
        _name(OPERATIONS, operation),
        _name(KINDS, kind),
        name,
        _name(PATTERNS, pattern),
        host,
        _name(PERMISSIONS, permission),
    )


class Admin:
    """A connection as the event log's superuser. Raises OSError (ssl.SSLError is one), struct.error and KafkaError."""

    def __init__(
        self, address: str, port: int, *, name: str, ca: str, certificate: str, key: str, seconds: float = 15
    ) -> None:
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, key)
        plain = socket.create_connection((address, port), seconds)
        # The name is the certificate's; the address is where the container is, for the host does not resolve it.
        self.link = context.wrap_socket(plain, server_hostname=name)

    def close(self) -> None:
        self.link.close()

    def topics(self) -> list[str]:
        """Return the topics that there are, but for the broker's own."""
        read = self._ask(METADATA, struct.pack(">i", -1))
        read.rows(lambda: (read.take("i"), read.word(), read.take("i"), read.text()))
        read.take("i")

        def topic() -> tuple[str, int]:
            _, name, internal = read.take("h"), read.word(), read.take("b")
            read.rows(
                lambda: (
                    read.take("h"),
                    read.take("i"),
                    read.take("i"),
                    read.rows(lambda: read.take("i")),
                    read.rows(lambda: read.take("i")),
                )
            )
            return name, internal

        # Redpanda does not mark all of its own as internal.
        return [
            n for n, internal in read.rows(topic) if not internal and not n.startswith(("__", "_redpanda", "_schemas"))
        ]

    def create(self, topics: Mapping[str, Mapping[str, str]]) -> None:
        """Make topics of one partition on this one broker, each with its settings."""
        rows = (
            text(name)
            + struct.pack(">ih", 1, 1)
            + array([])
            + array(text(key) + text(value) for key, value in settings.items())
            for name, settings in topics.items()
        )
        read = self._ask(CREATE_TOPICS, array(rows) + struct.pack(">ib", 10_000, 0))
        read.take("i")
        for name, code, words in read.rows(lambda: (read.word(), read.take("h"), read.text())):
            if code not in (0, ALREADY_THERE):
                raise KafkaError(f"making the topic {name}", code, words)

    def settings(self, topics: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return what topics are set to."""
        wanted = array(map(text, names))
        rows = (struct.pack(">b", TOPIC) + text(topic) + wanted for topic in topics)
        read = self._ask(DESCRIBE_CONFIGS, array(rows) + b"\0")
        read.take("i")

        def entry() -> tuple[str, str]:
            name, value = read.word(), read.word()
            read.take("b"), read.take("b"), read.take("b")
            read.rows(lambda: (read.word(), read.text(), read.take("b")))
            return name, value

        def topic() -> tuple[str, dict[str, str]]:
            code, words = read.take("h"), read.text()
            read.take("b")
            name, entries = read.word(), dict(read.rows(entry))
            if code:
                raise KafkaError(f"asking what bounds {name}", code, words)
            return name, {key: entries[key] for key in names if key in entries}

        return dict(read.rows(topic))

    def set(self, topics: Mapping[str, Mapping[str, str]]) -> None:
        """Set some settings of topics and leave their others alone."""
        rows = (
            struct.pack(">b", TOPIC)
            + text(topic)
            + array(text(name) + struct.pack(">b", SET) + text(value) for name, value in settings.items())
            for topic, settings in topics.items()
        )
        read = self._ask(ALTER_CONFIGS, array(rows) + b"\0")
        read.take("i")
        answers = read.rows(lambda: (read.take("h"), read.text(), read.take("b"), read.word()))
        for code, words, _, name in answers:
            if code:
                raise KafkaError(f"bounding {name}", code, words)

    def offsets(self, topics: Sequence[str], when: int) -> dict[str, int]:
        """Return where reading begins in each topic for a time in ms since 1970, END or BEGINNING; -1 where nothing is.

        Ours have one partition each. A topic that is not there is left out.
        """
        rows = (text(topic) + array([struct.pack(">iq", 0, when)]) for topic in topics)
        read = self._ask(LIST_OFFSETS, struct.pack(">i", -1) + array(rows))

        def part() -> tuple[int, int]:
            read.take("i")
            code = read.take("h")
            read.take("q")
            return code, read.take("q")

        found = {}
        for topic, parts in read.rows(lambda: (read.word(), read.rows(part))):
            for code, offset in parts:
                if code not in (0, 3):
                    raise KafkaError(f"asking where {topic} begins and ends", code)
                found |= {topic: offset} if code == 0 else {}
        return found

    def committed(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        """Return how far a group has read each topic; -1 where it never said so."""
        rows = (text(topic) + array([struct.pack(">i", 0)]) for topic in topics)
        read = self._ask(OFFSET_FETCH, text(group) + array(rows))

        def part() -> tuple[int, int]:
            read.take("i")
            offset = read.take("q")
            read.text()
            return read.take("h"), offset

        found = {}
        for topic, parts in read.rows(lambda: (read.word(), read.rows(part))):
            for code, offset in parts:
                if code not in (0, 3):
                    raise KafkaError(f"asking how far {group} has read {topic}", code)
                found[topic] = offset
        return found

    def acls(self) -> list[Acl]:
        """Return the whole access list."""
        everything = struct.pack(">b", ANY) + text(None) + struct.pack(">b", ANY) + text(None) + text(None)
        read = self._ask(DESCRIBE_ACLS, everything + struct.pack(">bb", ANY, ANY))
        read.take("i")
        code, words = read.take("h"), read.text()
        if code:
            raise KafkaError("asking for the access list", code, words)

        def resource() -> list[Acl]:
            kind, name, pattern = read.take("b"), read.word(), read.take("b")
            return read.rows(lambda: unpacked(read, kind, name, pattern))

        return [acl for rows in read.rows(resource) for acl in rows]

    def grant(self, acls: Sequence[Acl]) -> None:
        """Add entries to the access list."""
        read = self._ask(CREATE_ACLS, array(map(packed, acls)))
        read.take("i")
        for acl, (code, words) in zip(acls, read.rows(lambda: (read.take("h"), read.text())), strict=True):
            if code:
                raise KafkaError(f"letting in: {acl}", code, words)

    def revoke(self, acls: Sequence[Acl]) -> None:
        """Take entries from the access list, just these."""
        read = self._ask(DELETE_ACLS, array(map(packed, acls)))
        read.take("i")

        def one() -> tuple[int, str | None]:
            code, words = read.take("h"), read.text()
            for _ in range(read.take("i")):
                inner, told = read.take("h"), read.text()
                kind, name, pattern = read.take("b"), read.word(), read.take("b")
                unpacked(read, kind, name, pattern)
                code, words = code or inner, words or told
            return code, words

        for acl, (code, words) in zip(acls, read.rows(one), strict=True):
            if code:
                raise KafkaError(f"shutting out: {acl}", code, words)

    def _ask(self, api: tuple[int, int], body: bytes) -> Reader:
        request = struct.pack(">hhi", *api, 1) + text("hedgerow") + body
        self.link.sendall(struct.pack(">i", len(request)) + request)
        (length,) = struct.unpack(">i", self._exactly(4))
        if not 4 <= length <= LARGEST:
            raise OSError(f"an answer of {length} bytes")
        read = Reader(self._exactly(length))
        read.take("i")
        return read

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            part = self.link.recv(count - len(data))
            if not part:
                raise ConnectionError("the event log hung up")
            data += part
        return bytes(data)


def _number(names: Mapping[str, int], name: str) -> int:
    return names[name] if name in names else int(name)


def _name(names: Mapping[str, int], number: int) -> str:
    """Return the name of a number; one that is newer than this module stays a number, and can be taken away as such."""
    return next((name for name, known in names.items() if known == number), str(number))

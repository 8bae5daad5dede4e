"""The event log's decisions: its configuration, signing in, access lists, what is on disk, and groups."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
import threading
from pathlib import Path

import pytest
from event_log.answers import HangUpError
from event_log.broker import OFFERED, Broker, Session
from event_log.config import Config, ConfigError, Listener, read_config
from event_log.groups import REBALANCING, UNKNOWN_MEMBER, Group, Joined
from event_log.rights import ALLOW, CLUSTER, DENY, GROUP, LITERAL, NUMBERS, PREFIXED, TOPIC, Entry, Rights
from event_log.scram import Exchange, ScramError
from event_log.store import HEADER, BadBatchError, Partition, Store
from event_log.wire import Reader, array, blob, int16, int32, string

NODE = """
redpanda:
  data_directory: /data
  kafka_api: [{name: internal, address: 0.0.0.0, port: 9093, authentication_method: sasl}]
  advertised_kafka_api: [{name: internal, address: kafka, port: 9093}]
  kafka_api_tls: [{name: internal, enabled: true, cert_file: /crt, key_file: /key}]
"""
PEOPLE = """
users: [{name: in, mechanism: SCRAM-SHA-512, password: secret-word}]
"""


def read(folder: Path, node: str = NODE, people: str = PEOPLE, cluster: str = "") -> Config:
    (folder / "redpanda.yaml").write_text(node)
    (folder / "users.yaml").write_text(people)
    if cluster:
        (folder / ".bootstrap.yaml").write_text(cluster)
    return read_config(folder, folder / "users.yaml")


def test_the_real_brokers_files_are_read(tmp_path: Path) -> None:
    config = read(tmp_path, cluster="superusers: [admin]\n")
    assert config.listeners == (Listener("0.0.0.0", 9093, "kafka", 9093, sasl=True, cert="/crt", key="/key"),)  # noqa: S104
    assert config.passwords == {("SCRAM-SHA-512", "in"): "secret-word"}
    assert (config.superusers, config.data, config.authorization) == ({"admin"}, "/data", True)


def test_what_the_files_leave_open_is_open_as_with_the_real_broker(tmp_path: Path) -> None:
    [listener] = read(tmp_path, "redpanda: {kafka_api: [{address: 0.0.0.0, port: 9092}]}").listeners
    assert (listener.sasl, listener.cert) == (False, "")
    [listener] = read(tmp_path, "redpanda: {kafka_api: [{port: 9092}]}", cluster="enable_sasl: true\n").listeners
    assert listener.sasl


def test_by_mutual_tls_a_client_is_who_its_certificate_says(tmp_path: Path) -> None:
    [listener] = read(tmp_path, NODE.replace("sasl}", "mtls_identity}")).listeners
    assert (listener.mtls, listener.sasl) == (True, False)


@pytest.mark.parametrize(
    ("node", "people", "words"),
    [
        ("redpanda: {}", PEOPLE, "names no listener"),
        ("- a list", PEOPLE, "not a mapping"),
        (NODE.replace("port: 9093, auth", "tls: no, auth"), PEOPLE, "kafka_api internal: tls is not understood"),
        (NODE.replace("sasl}", "http_basic}"), PEOPLE, "authentication_method http_basic is not spoken"),
        (NODE.replace(", key_file: /key", ""), PEOPLE, "needs cert_file and key_file"),
        (NODE, PEOPLE.replace("SCRAM-SHA-512", "PLAIN"), "the mechanism is none of SCRAM-SHA-256, SCRAM-SHA-512"),
        (NODE, PEOPLE.replace("secret-word", "''"), "user in: needs a name and a password"),
        (NODE, PEOPLE + "acls: [{user: in, operations: [write], topic: a}]", "acls is not understood"),
        (NODE, "users: [{name: in, password: secret-word", "not YAML"),
    ],
)
def test_what_is_not_understood_is_refused_without_a_secret(tmp_path: Path, node: str, people: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        read(tmp_path, node, people)
    assert "secret-word" not in str(refused.value)


CONFIG = Config((), "", {}, frozenset({"admin"}))


def entry(user: str, operation: str, kind: int, name: str, pattern: int = LITERAL, permission: int = ALLOW) -> Entry:
    return Entry(kind, name, pattern, f"User:{user}", "*", {**NUMBERS, "all": 2}[operation], permission)


RULES = (
    entry("in", "write", TOPIC, "events"),
    entry("on", "read", TOPIC, "ev", PREFIXED),
    entry("on", "all", GROUP, "g"),
    entry("all", "all", TOPIC, "*"),
    entry("all", "read", TOPIC, "shut", permission=DENY),
    entry("set", "alter_configs", TOPIC, "events"),
    entry("id", "idempotent_write", CLUSTER, "kafka-cluster"),
)


def rights(folder: Path) -> Rights:
    found = Rights(folder, CONFIG.superusers)
    found.add(RULES)
    return found


@pytest.mark.parametrize(
    ("user", "operation", "kind", "name", "may"),
    [
        ("in", "write", "topic", "events", True),
        ("in", "describe", "topic", "events", True),
        ("in", "read", "topic", "events", False),
        ("in", "write", "topic", "events2", False),
        ("on", "read", "topic", "events2", True),
        ("on", "write", "topic", "events", False),
        ("on", "read", "group", "g", True),
        ("on", "read", "group", "ev", False),
        ("", "read", "topic", "events", False),
        ("admin", "create", "topic", "any", True),
        ("all", "write", "topic", "events", True),
        ("all", "read", "topic", "shut", False),
        ("set", "describe_configs", "topic", "events", True),
        ("set", "describe", "topic", "events", False),
        ("id", "idempotent_write", "cluster", "kafka-cluster", True),
        ("id", "alter", "cluster", "kafka-cluster", False),
        ("strange", "describe", "topic", "events", False),
    ],
)
def test_who_may_do_what(tmp_path: Path, user: str, operation: str, kind: str, name: str, may: bool) -> None:
    assert rights(tmp_path).may(user, operation, kind, name) is may
    assert Rights(tmp_path, CONFIG.superusers).may(user, operation, kind, name) is may, "not after a restart"


def test_without_an_entry_nobody_may_anything_and_without_authorization_everybody(tmp_path: Path) -> None:
    assert not Rights(tmp_path).may("in", "describe", "topic", "events")
    assert Rights(tmp_path, authorization=False).may("in", "create", "topic", "events")


def sign_in(name: str, password: str, mechanism: str = "SCRAM-SHA-512", nonce: str = "abc") -> Exchange:
    """A client, by RFC 5802."""
    digest = mechanism[-3:].join(("sha", ""))
    exchange = Exchange(mechanism, {("SCRAM-SHA-512", "in"): "right", ("SCRAM-SHA-256", "in"): "right"})
    first = f"n={name},r={nonce}"
    challenge = exchange.answer(f"n,,{first}".encode()).decode()
    said = dict(part.split("=", 1) for part in challenge.split(","))
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), base64.b64decode(said["s"]), int(said["i"]))
    key = hmac.new(salted, b"Client Key", digest).digest()
    bare = f"c=biws,r={said['r']}"
    signature = hmac.new(hashlib.new(digest, key).digest(), f"{first},{challenge},{bare}".encode(), digest).digest()
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
    exchange.answer(f"{bare},p={proof}".encode())
    return exchange


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_the_right_password_signs_in(mechanism: str) -> None:
    assert sign_in("in", "right", mechanism).user == "in"


@pytest.mark.parametrize(("name", "password"), [("in", "wrong"), ("in", ""), ("nobody", "right"), ("", "right")])
def test_anything_else_does_not(name: str, password: str) -> None:
    with pytest.raises(ScramError, match="the user or the password is wrong"):
        sign_in(name, password)


@pytest.mark.parametrize("message", [b"", b"\xff", b"p=tls-unique,,n=in,r=a", b"n,,r=a", b"n,,n=in"])
def test_what_is_no_scram_is_refused(message: bytes) -> None:
    with pytest.raises(ScramError):
        Exchange("SCRAM-SHA-512", {}).answer(message)


def test_who_does_not_exist_cannot_be_told_from_the_salt() -> None:
    salts = [Exchange("SCRAM-SHA-512", {}).answer(b"n,,n=nobody,r=a").split(b",")[1] for _ in range(2)]
    assert salts[0] == salts[1]


def batch(count: int = 1, size: int = 10, newest: int = 0) -> bytes:
    return HEADER.pack(99, HEADER.size - 12 + size, 0, 2, 0, 0, count - 1, 0, newest, -1, -1, -1, count) + b"r" * size


def test_batches_get_their_offsets_and_are_read_whole(tmp_path: Path) -> None:
    part = Partition(tmp_path / "p")
    assert [part.append(batch(3, newest=50)), part.append(batch(2, newest=60) + batch(1, newest=70))] == [0, 3]
    assert part.end == 6
    bases = [struct.unpack_from(">q", part.read(offset, 1))[0] for offset in (0, 2, 3, 4, 5)]
    assert bases == [0, 0, 3, 3, 5]
    assert len(part.read(0, 10_000)) == 3 * len(batch())
    assert part.read(6, 10_000) == b""
    assert [part.offset_at(when) for when in (-2, -1, 55, 71)] == [0, 6, 3, 6]


@pytest.mark.parametrize("bad", [b"x", batch()[:-1], batch().replace(b"\2", b"\1"), batch() + b"y"])
def test_what_is_no_batch_is_not_kept(tmp_path: Path, bad: bytes) -> None:
    part = Partition(tmp_path / "p")
    with pytest.raises(BadBatchError):
        part.append(bad)
    assert part.end == 0


@pytest.mark.parametrize("torn", [b"", b"x" * 5, batch()[:-1], b"\0" * 200])
def test_what_was_acknowledged_is_there_again_and_a_torn_end_is_cut(tmp_path: Path, torn: bytes) -> None:
    Partition(tmp_path / "p").append(batch(4))
    with (tmp_path / "p/batches.log").open("ab") as file:
        file.write(torn)
    part = Partition(tmp_path / "p")
    assert part.end == 4
    assert part.append(batch()) == 4
    assert Partition(tmp_path / "p").end == 5


def test_topics_and_commits_are_there_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.create("events", 2)
    store.set("events", {"retention.ms": "1"})
    store.set("events", {"retention.bytes": "2"})
    store.commit("g", {("events", 1): (7, "")})
    store.commit("h", {("events", 1): (8, "")})
    again = Store(tmp_path)
    assert again.settings == {"events": {"retention.ms": "1", "retention.bytes": "2"}}
    assert len(again.topics["events"]) == 2
    assert again.committed_by("g") == {("events", 1): (7, "")}


@pytest.mark.parametrize("name", ["", "..", "a/b", "x" * 250, "ä"])
def test_a_topic_has_no_name_that_is_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(name)}$"):
        Store(tmp_path).create(name, 1)


def test_a_group_gathers_anew_when_somebody_comes_and_when_somebody_goes() -> None:
    group, found = Group(), {}
    protocols = {"range": b"topics"}

    def join(key: str, name: str = "") -> None:
        found[key] = group.join(name, protocols, session=10, patience=10)

    join("one")
    first: Joined = found["one"]
    assert (first.error, first.generation, first.leader, len(first.members)) == (0, 1, first.member, 1)
    assert group.sync(first.member, 1, {first.member: b"all"}) == (0, b"all")
    other = threading.Thread(target=join, args=("two",))
    other.start()
    while group.heartbeat(first.member, 1) != REBALANCING:
        pass
    join("one again", first.member)
    other.join(5)
    second: Joined = found["two"]
    assert (found["one again"].generation, second.generation) == (2, 2)
    assert len(found["one again"].members) + len(second.members) == 2
    assert group.leave(second.member) == 0
    assert group.heartbeat(first.member, 2) == REBALANCING
    assert group.heartbeat(second.member, 2) == UNKNOWN_MEMBER


def test_who_falls_silent_is_let_go() -> None:
    group = Group()
    joined = group.join("", {"range": b""}, session=0.05, patience=1)
    group.sync(joined.member, 1, {joined.member: b""})
    threading.Event().wait(0.1)
    assert group.heartbeat(joined.member, 1) == UNKNOWN_MEMBER


def request(key: int, version: int, body: bytes = b"") -> bytes:
    return int16(key) + int16(version) + int32(1) + string("test") + body


def produce(topic: str) -> bytes:
    part = array([int32(0) + blob(batch())])
    return request(0, 3, string(None) + int16(-1) + int32(1000) + array([string(topic) + part]))


def error_of(reply: bytes | None) -> int:
    read = Reader(reply or b"")
    return [read.int32(), read.int32(), read.word(), read.int32(), read.int32(), read.int16()][-1]


@pytest.fixture
def broker(tmp_path: Path) -> Broker:
    store = Store(tmp_path)
    store.create("events", 1)
    store.create("other", 1)
    return Broker(CONFIG, store, rights(tmp_path))


def test_a_stranger_is_hung_up_on(broker: Broker) -> None:
    session = Session(Listener("", 0, "", 0, sasl=True))
    for asked in (produce("events"), request(3, 1, array([])), request(99, 0), request(17, 0)):
        with pytest.raises(HangUpError):
            broker.answer(asked, session)
    assert broker.answer(request(18, 0), session)


@pytest.mark.parametrize(("user", "topic", "error"), [("in", "events", 0), ("in", "other", 29), ("on", "events", 29)])
def test_the_access_list_is_asked_about_every_topic(broker: Broker, user: str, topic: str, error: int) -> None:
    session = Session(Listener("", 0, "", 0, sasl=True), user=user, signed_in=True)
    assert error_of(broker.answer(produce(topic), session)) == error
    assert broker.store.topics[topic][0].end == (0 if error else 1)


def test_every_version_that_is_offered_is_answered_in_its_own_shape(broker: Broker) -> None:
    """The first request of every client: an unknown version is told which there are, in the oldest shape."""
    session = Session(Listener("", 0, "", 0, sasl=True))
    shapes = [broker.answer(request(18, version), session) or b"" for version in (0, 1, 3, 9)]
    assert [len(shape) - len(shapes[0]) for shape in shapes] == [0, 4, 4 - 3 + len(OFFERED) + 1, 0]
    assert struct.unpack(">h", shapes[3][4:6])[0] == 35

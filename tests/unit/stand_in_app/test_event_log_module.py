"""Topics and rights: what is decided, and the module and the stand-in speaking to each other over mutual TLS."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ansible.module_utils
import pytest
from ansible.module_utils.testing import patch_module_args
from event_log.broker import Broker
from event_log.config import Config, Listener
from event_log.rights import Rights
from event_log.server import _welcome, secure
from event_log.store import BEGIN, HEADER, Store

from hedgerow import pki

REPOSITORY = Path(__file__).parents[3]
NAME, ADMIN = "kafka.hedgerow.internal", "hedgerow_eventlog"


@pytest.fixture(scope="module", autouse=True)
def found_by_ansible() -> Iterator[None]:
    """Ansible finds a role's module_utils among its own."""
    folder, modules = str(REPOSITORY / "roles/eventlog/module_utils"), str(REPOSITORY / "plugins/modules")
    ansible.module_utils.__path__.append(folder)
    sys.path.append(modules)
    yield
    ansible.module_utils.__path__.remove(folder)
    sys.path.remove(modules)


@pytest.fixture(scope="module")
def plans() -> Any:
    return importlib.import_module("ansible.module_utils.hedgerow_eventlog_plan")


@pytest.fixture(scope="module")
def kafka() -> Any:
    return importlib.import_module("ansible.module_utils.hedgerow_kafka")


def topic(name: str, hours: int = 72, size: int = 1000) -> dict[str, Any]:
    return {"name": name, "hours": hours, "bytes": size, "segment_bytes": 10}


def client(name: str, **others: Any) -> dict[str, Any]:
    return {"name": name, "writes": [], "reads": [], "group": "", "idempotent": False, **others}


TOPICS = [topic("events"), topic("rows", size=2000)]
CLIENTS = [
    client("posthog_in", writes=["events"]),
    client("posthog_on", writes=["rows"], reads=["events"], group="on-", idempotent=True),
]
SAID = [
    "User:posthog_in@* may write topic events",
    "User:posthog_on@* may idempotent_write cluster kafka-cluster",
    "User:posthog_on@* may read group on-*",
    "User:posthog_on@* may read topic events",
    "User:posthog_on@* may write topic rows",
]


def test_each_client_gets_what_it_needs_and_no_more(plans: Any) -> None:
    assert sorted(map(str, plans.acls(CLIENTS))) == SAID


def test_what_is_as_declared_is_left_alone(plans: Any) -> None:
    settings = {each["name"]: plans.settings(each) for each in TOPICS}
    plan = plans.make_plan(TOPICS, CLIENTS, plans.Found(["events", "rows"], settings, plans.acls(CLIENTS)))
    assert not plan.changed
    assert plans.lines(plan, plans.Found()) == ("", "")


def test_what_differs_is_changed_and_nothing_else(plans: Any, kafka: Any) -> None:
    first, *rest = plans.acls(CLIENTS)
    stranger = kafka.Acl("User:*", "all", "topic", "*")
    settings = {"events": {**plans.settings(TOPICS[0]), "retention.bytes": "-1"}}
    found = plans.Found(["events", "mine"], settings, [*rest, stranger])
    plan = plans.make_plan(TOPICS, CLIENTS, found)
    assert (plan.grant, plan.revoke, plan.strangers) == ([first], [stranger], ["mine"])
    assert plan.set == {"events": {"retention.bytes": "1000"}}
    assert plan.create == {"rows": {"retention.ms": "259200000", "retention.bytes": "2000", "segment.bytes": "10"}}
    before, after = plans.lines(plan, found)
    assert before == "User:*@* may all topic *\nevents retention.bytes=-1\n"
    assert "events retention.bytes=1000" in after


def test_a_broker_that_never_was_is_all_to_be_made(plans: Any) -> None:
    plan = plans.make_plan(TOPICS, CLIENTS, plans.Found())
    assert (list(plan.create), len(plan.grant), plan.revoke, plan.strangers) == (["events", "rows"], 5, [], [])


def test_an_entry_that_is_newer_than_the_module_can_be_taken_away(kafka: Any) -> None:
    entry = kafka.Acl("User:a", "13", "6", "x", "5", "*", "4")
    read = kafka.Reader(kafka.packed(entry))
    kind, name, pattern = read.take("b"), read.word(), read.take("b")
    assert kafka.unpacked(read, kind, name, pattern) == entry


class Place:
    """A broker of the lab's with an authority of its own; `call` runs the module as Ansible would."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.now = datetime.now(UTC)
        self.authority = pki.new_authority("test", self.now)
        (folder / "ca").write_text(self.authority.certificate)
        self.issue("server", NAME)
        self.issue(ADMIN, ADMIN, client=True)
        self.door = socket.create_server(("127.0.0.1", 0))
        data = folder / "data"
        self.rights = Rights(data, frozenset({ADMIN}))
        self.store = Store(data)
        config = Config((self.listener,), str(data), {}, frozenset({ADMIN}))
        broker = Broker(config, self.store, self.rights)
        arguments = (self.door, secure(self.listener), self.listener, broker)
        threading.Thread(target=self._welcome, args=arguments, daemon=True).start()

    @staticmethod
    def _welcome(*arguments: Any) -> None:
        with contextlib.suppress(OSError):  # the door is closed when the test ends
            _welcome(*arguments)

    @property
    def listener(self) -> Listener:
        files = {name: str(self.folder / path) for name, path in (("cert", "server.crt"), ("key", "server.key"))}
        return Listener(
            "127.0.0.1",
            self.door.getsockname()[1],
            NAME,
            9092,
            sasl=False,
            mtls=True,
            truststore=str(self.folder / "ca"),
            client_certificates=True,
            **files,
        )

    def issue(self, name: str, shown: str, *, client: bool = False) -> None:
        pair = pki.issue(self.authority, (shown,), self.now, client=client)
        (self.folder / f"{name}.crt").write_text(pair.certificate)
        (self.folder / f"{name}.key").write_text(pair.key)

    def call(self, *, check: bool = False, who: str = ADMIN, **others: Any) -> dict[str, Any]:
        arguments = {
            "address": "127.0.0.1",
            "port": self.listener.port,
            "name": NAME,
            "ca": str(self.folder / "ca"),
            "certificate": str(self.folder / f"{who}.crt"),
            "key": str(self.folder / f"{who}.key"),
            "topics": TOPICS,
            "clients": CLIENTS,
            "timeout": 5,
            "_ansible_check_mode": check,
            **others,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            importlib.import_module("hedgerow_eventlog").main()
        return json.loads(self.capsys.readouterr().out.strip().splitlines()[-1])


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Place]:
    made = Place(tmp_path, capsys)
    yield made
    made.door.close()


def test_a_new_event_log_is_told_everything_once(place: Place) -> None:
    assert place.call(check=True)["changed"] is True
    assert not place.store.topics
    first, second = place.call(), place.call()
    assert (first["changed"], second["changed"]) == (True, False)
    assert sorted(place.store.topics) == ["events", "rows"]
    assert place.store.settings["rows"]["retention.bytes"] == "2000"
    for user, operation, name in (("in", "write", "events"), ("on", "read", "events"), ("on", "write", "rows")):
        assert place.rights.may(f"posthog_{user}", operation, "topic", name)
    assert place.rights.may("posthog_on", "read", "group", "on-1")
    assert not place.rights.may("posthog_in", "read", "topic", "events")


def widen(place: Place) -> None:
    entry = sorted(place.rights.entries)[0]
    place.rights.add([entry._replace(principal="User:posthog_in", kind=2, name="rows", operation=3)])


SPOILT: dict[str, Callable[[Place], object]] = {
    "a right that nobody declared": widen,
    "no rights": lambda place: place.rights.remove(lambda entry: True),
    "a topic without an end": lambda place: place.store.set("rows", {"retention.bytes": "-1"}),
    "a topic that is gone": lambda place: place.store.topics.pop("rows"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_what_somebody_changed_is_put_right(place: Place, case: str) -> None:
    place.call()
    meant = (set(place.rights.entries), dict(place.store.settings["rows"]))
    SPOILT[case](place)
    assert place.call()["changed"] is True
    assert (place.rights.entries, place.store.settings["rows"], sorted(place.store.topics)) == (
        *meant,
        ["events", "rows"],
    )
    assert place.call()["changed"] is False


def test_a_topic_of_somebody_elses_is_told_and_kept(place: Place) -> None:
    place.store.create("mine", 1)
    told = place.call()
    assert (told["undeclared_topics"], "mine" in place.store.topics) == (["mine"], True)
    assert "left alone: mine" in json.dumps(told["warnings"])


def test_who_is_no_superuser_is_refused_at_once(place: Place) -> None:
    place.issue("web", "posthog_web", client=True)
    assert "the access list: not authorised (31)" in place.call(who="web", timeout=30)["msg"]
    assert not place.store.topics


def test_a_log_with_another_name_is_told_nothing(place: Place) -> None:
    told = place.call(name="other.hedgerow.internal", timeout=0)
    assert "certificate verify failed" in told["msg"]


def test_before_there_is_one_all_of_it_is_still_to_come(place: Place) -> None:
    told = place.call(check=True, certificate="/nowhere/admin.crt")
    assert (told["changed"], "may write topic events" in told["diff"]["after"]) == (True, True)


def batch(at: int) -> bytes:
    """Return one empty batch of one event with a time in ms; a broker looks at its head alone."""
    return HEADER.pack(0, HEADER.size - BEGIN, 0, 2, 0, 0, 0, at, at, -1, -1, -1, 1)


@pytest.fixture
def lagging(kafka: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program of role `health`, with the module it has beside it on a host."""
    monkeypatch.setitem(sys.modules, "hedgerow_kafka", kafka)
    spec = importlib.util.spec_from_file_location("lagging", REPOSITORY / "roles/health/files/lagging.py")
    assert spec is not None
    assert spec.loader is not None
    before, loaded = list(sys.path), importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    sys.path[:] = before
    return loaded


@pytest.mark.parametrize(
    ("times", "committed", "waiting", "late"),
    [
        ([], None, 0, 0),
        ([100, 200, 900], None, 3, 2),  # nobody ever read: all of it waits
        ([100, 200, 900], 3, 0, 0),
        ([100, 200, 900], 2, 1, 0),  # what waits came just now
        ([100, 200, 900], 1, 2, 1),
        ([100, 200, 300], 1, 2, 2),  # and nothing came since
    ],
)
def test_what_waits_for_too_long_is_counted(
    place: Place, kafka: Any, lagging: Any, times: list[int], committed: int | None, waiting: int, late: int
) -> None:
    place.call()
    partition = place.store.partition("events", 0)
    assert partition is not None
    for at in times:
        partition.append(batch(at))
    if committed is not None:
        place.store.commit("on-1", {("events", 0): (committed, "")})
    files = {name: str(place.folder / f"{ADMIN}.{end}") for name, end in (("certificate", "crt"), ("key", "key"))}
    admin = kafka.Admin("127.0.0.1", place.listener.port, name=NAME, ca=str(place.folder / "ca"), **files)
    try:
        reader = {"service": "on", "group": "on-1", "topics": ["events", "nowhere"]}
        rows = lagging.behind(admin, reader, 500)
    finally:
        admin.close()
    assert rows == [{"service": "on", "topic": "events", "waiting": waiting, "late": late}]

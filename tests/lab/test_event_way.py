"""The ways of events and of recordings through the built images, with object storage. The real engine and clients.

The images' layers are laid into one folder and their commands run there as their own user. No container engine is
needed, and no host: what Podman adds (limits, networks, secrets) is the lab's other tests' to see.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hedgerow import pki, stand_in

pytestmark = pytest.mark.lab

PASSWORD = "a-password-of-the-test"
HASH = hashlib.sha256(PASSWORD.encode()).hexdigest()
ENVIRONMENT = {"PATH": "/usr/bin", "PYTHONPATH": f"/{stand_in.APP}", "PYTHONUNBUFFERED": "1", "TZ": "UTC"}
REDPANDA = """
redpanda:
  data_directory: /data/log
  kafka_api: [{{name: internal, address: 127.0.0.1, port: {log}, authentication_method: sasl}}]
  advertised_kafka_api: [{{name: internal, address: localhost, port: {log}}}]
  kafka_api_tls: [{{name: internal, enabled: true, cert_file: /tls/crt, key_file: /tls/key}}]
"""
USERS = {
    "users": [
        {"name": name, "mechanism": "SCRAM-SHA-512", "password": PASSWORD} for name in ("in", "on", "rec", "store")
    ],
}
# What a superuser would have said before clients come: the broker keeps it beside its topics.
TOLD = """
from pathlib import Path
from event_log.rights import ALLOW, GROUP, LITERAL, NUMBERS, TOPIC, Entry, Rights
from event_log.store import Store
for name in (
    "events_plugin_ingestion",
    "clickhouse_events_json",
    "session_recording_snapshot_item_events",
    "session_recording_snapshot_item_overflow",
    "clickhouse_session_replay_events",
):
    Store(Path("/data/log")).create(name, 1)
Rights(Path("/data/log")).add(
    Entry(kind, name, LITERAL, f"User:{user}", "*", NUMBERS[operation], ALLOW)
    for user, operation, kind, name in (
        ("in", "write", TOPIC, "events_plugin_ingestion"),
        ("on", "read", TOPIC, "events_plugin_ingestion"),
        ("on", "read", GROUP, "events-ingestion-consumer"),
        ("on", "write", TOPIC, "clickhouse_events_json"),
        ("store", "read", TOPIC, "clickhouse_events_json"),
        ("store", "read", GROUP, "group1"),
        ("in", "write", TOPIC, "session_recording_snapshot_item_events"),
        ("rec", "read", TOPIC, "session_recording_snapshot_item_events"),
        ("rec", "read", TOPIC, "session_recording_snapshot_item_overflow"),
        ("rec", "read", GROUP, "session-recordings-blob-v2"),
        ("rec", "write", TOPIC, "clickhouse_session_replay_events"),
        ("store", "read", TOPIC, "clickhouse_session_replay_events"),
    )
)
"""
SERVER = """
<clickhouse>
  <http_port remove="remove"/><tcp_port remove="remove"/><mysql_port remove="remove"/>
  <postgresql_port remove="remove"/><interserver_http_port remove="remove"/>
  <user_scripts_path>/code/posthog/user_scripts/</user_scripts_path>
  <user_defined_executable_functions_config>/tls/functions.xml</user_defined_executable_functions_config>
  <https_port>{store}</https_port><listen_host>127.0.0.1</listen_host><path>/data/store</path>
  <openSSL><server>
    <certificateFile>/tls/crt</certificateFile><privateKeyFile>/tls/key</privateKeyFile>
    <verificationMode>none</verificationMode>
  </server></openSSL>
  <kafka>
    <security_protocol>SASL_SSL</security_protocol><sasl_mechanism>SCRAM-SHA-512</sasl_mechanism>
    <sasl_username>store</sasl_username><sasl_password>{password}</sasl_password>
    <ssl_ca_location>/tls/ca</ssl_ca_location>
  </kafka>
  <named_collections><msk_cluster>
    <kafka_broker_list>localhost:{log}</kafka_broker_list>
  </msk_cluster></named_collections>
</clickhouse>
"""
PEOPLE = f"""
<clickhouse>
  <profiles>
    <reader><readonly>1</readonly><max_execution_time>1</max_execution_time><max_result_rows>10</max_result_rows></reader>
  </profiles>
  <users>
    <default remove="remove"/>
    <web>
      <password_sha256_hex>{HASH}</password_sha256_hex><networks><ip>127.0.0.1</ip></networks>
      <grants><query>GRANT SELECT, INSERT, CREATE, SHOW ON posthog.*</query></grants>
    </web>
    <reader>
      <password_sha256_hex>{HASH}</password_sha256_hex><networks><ip>127.0.0.1</ip></networks>
      <profile>reader</profile><grants><query>GRANT SELECT ON posthog.*</query></grants>
    </reader>
    <elsewhere>
      <password_sha256_hex>{HASH}</password_sha256_hex><networks><ip>192.0.2.0/24</ip></networks>
    </elsewhere>
  </users>
</clickhouse>
"""
KEYS = {
    "identities": [
        {"name": "rec", "credentials": [{"accessKey": "rec", "secretKey": PASSWORD}], "actions": ["Read:r", "Write:r"]},
        {"name": "play", "credentials": [{"accessKey": "play", "secretKey": PASSWORD}], "actions": ["Read:r"]},
    ]
}
SETTINGS = """
from stand_in.settings import Settings
from stand_in.objects import Place
def place(user):
    return Place("https://localhost:{objects}", user, "{password}", "r", "session_recordings", "/tls/ca")
def settings(user, **more):
    return Settings(**({{"kafka_hosts": "localhost:{log}", "kafka_mechanism": "SCRAM-SHA-512", "kafka_user": user,
        "kafka_password": "{password}", "clickhouse_host": "localhost:{store}", "clickhouse_user": user,
        "clickhouse_password": "{password}", "clickhouse_database": "posthog", "clickhouse_ca": "/tls/ca",
        "ca_file": "/tls/ca"}} | more))
"""
# Teams come from PostgreSQL; here there is one, and all else of ingestion is what it is.
INGESTION = """
import stand_in.ingestion as it
class Teams:
    def __init__(self, *_, **__): pass
    def teams(self): return {"phc_known": 7}
    def transformations(self): return []
    def meet(self, people): assert all(team == 7 for team, *_ in people)
    def close(self): pass
it.Store = Teams
it.run(settings("on"))
"""
OBJECTS = """
from pathlib import Path
from object_store.config import Places, read_identities
from object_store.server import run
names = ("/tls/identities", "/tls/crt", "/tls/key", "/tls/ca", "/data/objects", "/tls/security")
places = Places(*map(Path, names), "localhost", "127.0.0.1", {objects})
run(places, read_identities(places.identities))
"""
RECORDER = INGESTION.replace("stand_in.ingestion", "stand_in.ingestion_sessionreplay").replace(
    'settings("on")', 'settings("rec", objects=place("rec"))'
)
RECORD = """
import sys, json
from stand_in.event_log import Intake, Outgoing
from stand_in.replay import read_recording
from datetime import datetime, UTC
topic = "session_recording_snapshot_item_events"
body = json.dumps(json.load(sys.stdin)).encode()
Intake(None, Outgoing(settings("in")), topic).put([read_recording(body, {}, {}, datetime.now(UTC))])
"""
PLAY = """
import sys, json
from stand_in import passes
from stand_in.analytics import Analytics
from stand_in.asgi import Request
from stand_in.objects import Objects
from stand_in.player import Player
team, session = json.load(sys.stdin)
player = Player(Objects(place("play")), Analytics(settings("web")), "shared")
def ask(what, **query):
    shown = {"authorization": "Bearer " + passes.issue("shared", team, "read")}
    return player.answer(Request("GET", f"/api/projects/{team}/recordings/{session}/{what}", query, shown))
found = []
for block in json.loads(ask("blocks").body)["blocks"]:
    start, end = str(block["start_byte"]), str(block["end_byte"])
    found += ask("block", key=block["key"], start=start, end=end, decompress="true").body.decode().splitlines()
print(json.dumps([json.loads(line) for line in found]))
"""
PUT = """
import sys, json
from stand_in.event_log import Intake, Outgoing
from stand_in.ingest import Event
Intake(None, Outgoing(settings("in"))).put([Event(**row) for row in json.load(sys.stdin)])
"""
READ = """
import sys, json
from datetime import datetime
from stand_in.analytics import Analytics
from stand_in.records import Wanted
given = json.load(sys.stdin)
store = Analytics(settings("web"))
if given.get("prepare"): store.prepare()
wanted = Wanted(datetime.fromisoformat("2026-01-01T00:00:00+00:00"), **given["wanted"])
print(json.dumps(store.events(7, wanted), default=str))
"""

CAPTURE = """
import json
from stand_in.asgi import Request
from stand_in.capture import handle as answer
from stand_in.event_log import LogError
class Down:
    def knows(self, token): return True
    def put(self, events): raise LogError("_MSG_TIMED_OUT")
    def alive(self): raise LogError("no answer")
body = json.dumps({"api_key": "phc_a", "event": "visit", "distinct_id": "who"}).encode()
for request in (Request("POST", "/i/v0/e/", body=body), Request("GET", "/_readiness")):
    print(answer(request, Down()).status)
"""


@dataclass
class Stack:
    """The images in one folder, and what runs there."""

    root: Path
    ports: dict[str, int]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *argv: str) -> None:
        self.running[name] = subprocess.Popen(self._inside(*argv), env=self._environment(), start_new_session=True)

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def ask(self, code: str, given: object = None) -> str:
        script = SETTINGS.format(password=PASSWORD, **self.ports) + code
        done = subprocess.run(
            self._inside("-c", script),
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=60,
            env=self._environment(),
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def well(self, package: str) -> None:
        until = time.monotonic() + 120
        argv = self._inside("-m", package, "health")
        while subprocess.run(argv, capture_output=True, timeout=60, env=self._environment(), check=False).returncode:
            assert time.monotonic() < until, f"{package} did not start"
            time.sleep(0.2)

    def query(self, user: str, statement: str, password: str = PASSWORD) -> tuple[int, str]:
        """Ask as anybody would, with curl and the CA."""
        url = f"https://localhost:{self.ports['store']}/"
        argv = ["curl", "-sS", "--cacert", str(self.root / "tls/ca"), "-w", "\n%{http_code}", "--config", "-", url]
        told = f'user = "{user}:{password}"\n'
        done = subprocess.run(
            [*argv, "--data-binary", statement], input=told, capture_output=True, text=True, timeout=30, check=True
        )
        text, _, status = done.stdout.rpartition("\n")
        return int(status), text

    def events(self, **wanted: object) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = json.loads(self.ask(READ, {"wanted": wanted}))
        return rows

    def await_events(self, count: int, **wanted: str) -> list[dict[str, object]]:
        """Wait for events, by curl: the clients of the image take a second to start."""
        until = time.monotonic() + 120
        which = " AND ".join(f"{key} = '{value}'" for key, value in wanted.items()) or "1"
        asked = f"SELECT count() FROM posthog.events FINAL WHERE {which}"  # noqa: S608 - the test's own words
        while int((found := self.query("web", asked))[1]) < count:
            assert time.monotonic() < until, f"{found} of {count} events arrived"
            time.sleep(0.2)
        return self.events(**wanted)

    def _inside(self, *argv: str) -> list[str]:
        return [
            "/usr/sbin/chroot",
            f"--userspec={stand_in.USER}:{stand_in.USER}",
            str(self.root),
            "/usr/bin/python3",
            *argv,
        ]

    def _environment(self) -> dict[str, str]:
        return {**ENVIRONMENT, "EVENT_LOG_USERS": "/etc/redpanda/users.yaml"}


def free_port() -> int:
    """Return a port below those that the kernel hands out: nobody who connects takes it before its server is up."""
    for port in random.sample(range(20000, 32000), 100):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    root = tmp_path_factory.mktemp("images") / "root"
    lay(root)
    stack = Stack(root, {"log": free_port(), "store": free_port(), "objects": free_port()})
    configure(stack)
    stack.ask(TOLD)
    try:
        stack.start("log", "-m", "event_log", "serve")
        stack.start("store", "-m", "analytics_store", "serve")
        stack.well("event_log")
        stack.well("analytics_store")
        stack.query("web", "CREATE DATABASE IF NOT EXISTS posthog")
        stack.ask(READ, {"prepare": True, "wanted": {}})
        stack.start("objects", "-c", OBJECTS.format(**stack.ports))
        stack.start("recorder", "-c", SETTINGS.format(password=PASSWORD, **stack.ports) + RECORDER)
        stack.start("ingestion", "-c", SETTINGS.format(password=PASSWORD, **stack.ports) + INGESTION)
        yield stack
    finally:
        for name in list(stack.running):
            stack.kill(name)
        shutil.rmtree(root)


def lay(root: Path) -> None:
    """Unpack every layer of every image, each once, as an engine would."""
    seen: set[str] = set()
    for image in stand_in.images(lambda _: None):
        with tarfile.open(image.archive) as archive:
            index = json.load(archive.extractfile("index.json"))  # type: ignore[arg-type]
            for entry in index["manifests"]:
                manifest = json.load(archive.extractfile(blob(entry["digest"])))  # type: ignore[arg-type]
                for layer in manifest["layers"]:
                    if layer["digest"] in seen:
                        continue
                    seen.add(layer["digest"])
                    with tarfile.open(fileobj=archive.extractfile(blob(layer["digest"])), mode="r:gz") as content:
                        content.extractall(root, filter="tar")


def blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def configure(stack: Stack) -> None:
    root, now = stack.root, datetime.now(UTC)
    carried = (root / "code/posthog/user_scripts/latest_user_defined_function.xml").read_text()
    authority = pki.new_authority("the test", now)
    pair = pki.issue(authority, ("localhost",), now)
    files = {
        "tls/ca": authority.certificate,
        "tls/crt": pair.certificate,
        "tls/key": pair.key,
        "tls/identities": json.dumps(KEYS),
        "tls/functions.xml": carried.replace("_v1</name>", "</name>"),
        "tls/security": '[tls]\nmin_version = "TLS 1.2"\n',
        "etc/hosts": "127.0.0.1 localhost\n",
        "etc/redpanda/redpanda.yaml": REDPANDA.format(**stack.ports),
        "etc/redpanda/users.yaml": json.dumps(USERS),
        "etc/clickhouse-server/config.d/test.xml": SERVER.format(password=PASSWORD, **stack.ports),
        "etc/clickhouse-server/users.d/test.xml": PEOPLE,
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    for name in ("data/log", "data/store", "data/objects", "dev"):
        (root / name).mkdir(parents=True, exist_ok=True)
        os.chown(root / name, stand_in.USER, stand_in.USER)
    (root / "tmp").chmod(0o1777)
    (root / "dev/urandom").exists() or os.mknod(root / "dev/urandom", 0o666 | 0o020000, os.makedev(1, 9))
    (root / "dev/null").exists() or os.mknod(root / "dev/null", 0o666 | 0o020000, os.makedev(1, 3))


def event(number: int, name: str = "visit", **properties: object) -> dict[str, object]:
    return {
        "token": "phc_known",
        "uuid": f"00000000-0000-4000-8000-{number:012d}",
        "event": name,
        "distinct_id": f"who\t{number}'\\",
        "properties": properties,
        "timestamp": f"2026-11-25T10:00:{number % 60:02d}.000123+00:00",
    }


def test_an_event_comes_out_as_it_went_in_and_once(stack: Stack) -> None:
    stack.ask(PUT, [event(1, page="/é\n"), event(1, page="/é\n"), event(2), {**event(3), "token": "phc_unknown"}])
    rows = stack.await_events(2)
    assert [row["id"] for row in rows] == [event(2)["uuid"], event(1)["uuid"]]
    assert rows[1]["properties"] == {"page": "/é\n"}
    assert rows[1]["timestamp"] == "2026-11-25 10:00:01.000123+00:00"
    assert [row["id"] for row in stack.events(distinct_id="who\t1'\\")] == [event(1)["uuid"]]
    stack.ask(PUT, [event(1, page="/é\n"), event(4, "last")])
    stack.await_events(1, event="last")
    assert len(stack.events()) == 3


@pytest.mark.parametrize(
    ("user", "password", "statement", "status", "words"),
    [
        ("reader", PASSWORD, "SELECT 1", 200, "1"),
        ("reader", "wrong", "SELECT 1", 403, "Code: 516"),
        ("nobody", PASSWORD, "SELECT 1", 403, "Code: 516"),
        ("default", "", "SELECT 1", 403, "Code: 516"),
        ("elsewhere", PASSWORD, "SELECT 1", 403, "Code: 516"),
        (
            "reader",
            PASSWORD,
            "INSERT INTO posthog.events (event) VALUES ('x')",
            403,
            "Code: 497. DB::Exception: reader:",
        ),
        ("reader", PASSWORD, "SET readonly = 0", 403, "Code: 497"),
        ("reader", PASSWORD, "SET ROLE user_web", 403, "Code: 497"),
        ("reader", PASSWORD, "SELECT 1; SET ROLE user_web", 400, "Code: 62"),
        ("reader", PASSWORD, "SELECT 1 SETTINGS max_result_rows = 0", 500, "Code: 164"),
        ("reader", PASSWORD, "SELECT number FROM numbers(11)", 500, "Code: 396"),
        ("reader", PASSWORD, "SELECT count(sleepEachRow(0.4)) FROM numbers(5)", 500, "Code: 159"),
        ("web", PASSWORD, "CREATE DATABASE other", 403, "Code: 497"),
        ("web", PASSWORD, "SELECT * FROM file('/etc/passwd', 'LineAsString')", 403, "Code: 497"),
    ],
)
def test_who_may_do_what(stack: Stack, user: str, password: str, statement: str, status: int, words: str) -> None:
    found, text = stack.query(user, statement, password)
    assert (found, text[: len(words)]) == (status, words)


def test_capture_acknowledges_nothing_that_the_log_has_not(stack: Stack) -> None:
    assert stack.ask(CAPTURE).split() == ["503", "503"]


def recording(session: str, tag: str) -> dict[str, object]:
    items = [{"type": 5, "data": {"tag": tag}, "timestamp": time.time() * 1000}]
    properties = {"$session_id": session, "$window_id": "w", "$snapshot_data": items}
    return {"token": "phc_known", "event": "$snapshot", "distinct_id": "who", "properties": properties}


def played(stack: Stack, session: str, lines: int) -> list[str]:
    """Return the tags of what was recorded, once there are so many."""
    until = time.monotonic() + 120
    while len(found := json.loads(stack.ask(PLAY, [7, session]))) < lines:
        ended = [name for name, process in stack.running.items() if process.poll() is not None]
        assert time.monotonic() < until, f"{len(found)} of {lines} lines arrived; ended: {ended}"
        time.sleep(0.5)
    return [item["data"]["tag"] for _, item in found]


def test_a_recording_waits_for_object_storage_and_is_played(stack: Stack) -> None:
    stack.ask(RECORD, recording("s-1", "first"))
    assert played(stack, "s-1", 1) == ["first"]
    stack.kill("objects")
    stack.ask(RECORD, recording("s-1", "second"))  # acknowledged: it waits in the log
    time.sleep(2)
    stack.start("objects", "-c", OBJECTS.format(**stack.ports))
    assert played(stack, "s-1", 2) == ["first", "second"]
    assert json.loads(stack.ask(PLAY, [8, "s-1"])) == [], "another project's"


@pytest.mark.parametrize("port", ["log", "store", "objects"])
def test_who_speaks_in_the_clear_gets_nothing(stack: Stack, port: str) -> None:
    with socket.create_connection(("127.0.0.1", stack.ports[port]), timeout=10) as plain:
        plain.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert plain.recv(100)[:4] not in (b"HTTP", b"Ok.\n")


def test_what_was_acknowledged_outlives_being_killed(stack: Stack) -> None:
    for name in ("ingestion", "log", "store"):
        stack.kill(name)
    stack.start("log", "-m", "event_log", "serve")
    stack.well("event_log")
    stack.ask(PUT, [event(100, "late")])
    stack.kill("log")
    stack.start("log", "-m", "event_log", "serve")
    stack.start("store", "-m", "analytics_store", "serve")
    stack.well("event_log")
    stack.well("analytics_store")
    stack.start("ingestion", "-c", SETTINGS.format(password=PASSWORD, **stack.ports) + INGESTION)
    assert [row["id"] for row in stack.await_events(1, event="late")] == [event(100)["uuid"]]

# What the event log lets each of its clients do, asked from inside the client's container through its side-car; and
# what it holds, asked as its superuser where it runs. Arguments, as JSON: {container: port}; topics to ask about; and
# the log's [address, port, name], or null where it runs elsewhere. Speaks just enough of Kafka and makes no topic:
# Metadata, version 4, DescribeAcls and DescribeConfigs, version 1. Prints for each client and topic the error number
# that the broker gives (0 none, 3 unknown topic, 29 not authorised), and of the log its access list and what bounds
# its topics.
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
from pathlib import Path

SECONDS = 5 * float(os.environ.get("HEDGEROW_PATIENCE", "1"))  # a slow host is given more time (channel.py)

places, topics, log = (json.loads(each) for each in sys.argv[1:4])
FILES = "/etc/hedgerow/eventlog/admin"
KINDS = {2: "topic", 3: "group", 4: "cluster", 5: "transactional_id"}
OPERATIONS = dict(enumerate(["all", "read", "write", "create", "delete", "alter", "describe", "cluster_action"], 2))
OPERATIONS |= {10: "describe_configs", 11: "alter_configs", 12: "idempotent_write"}
BOUNDS = ("retention.ms", "retention.bytes")


def text(words):
    return struct.pack("!h", len(words)) + words.encode()


def exactly(link, count):
    data = b""
    while len(data) < count:
        part = link.recv(count - len(data))
        if not part:
            raise ConnectionError("closed without an answer")
        data += part
    return data


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        (value,) = struct.unpack_from("!" + form, self.data, self.at)
        self.at += struct.calcsize("!" + form)
        return value

    def words(self):
        length = self.take("h")
        if length < 0:
            return ""
        self.at += length
        return self.data[self.at - length : self.at].decode()


def ask(link, key, version, body):
    body = struct.pack("!hhi", key, version, 7) + text("hedgerow-check") + body
    link.settimeout(SECONDS)
    link.sendall(struct.pack("!i", len(body)) + body)
    answer = Reader(exactly(link, struct.unpack("!i", exactly(link, 4))[0]))
    answer.take("i"), answer.take("i")  # correlation, throttle
    return answer


def metadata(link, names):
    """Return topic -> error number, of all topics that the client may see where none are named."""
    wanted = struct.pack("!i", -1) if names is None else struct.pack("!i", len(names)) + b"".join(map(text, names))
    answer = ask(link, 3, 4, wanted + b"\0")
    for _ in range(answer.take("i")):  # brokers
        answer.take("i"), answer.words(), answer.take("i"), answer.words()
    answer.words(), answer.take("i")  # cluster, controller
    found = {}
    for _ in range(answer.take("i")):
        error, topic = answer.take("h"), answer.words()
        inner = answer.take("b")
        for _ in range(answer.take("i")):  # partitions: error, index, leader, replicas, in-sync replicas
            answer.take("h"), answer.take("i"), answer.take("i")
            for _ in range(2):
                for _ in range(answer.take("i")):
                    answer.take("i")
        if names is not None or not (inner or topic.startswith(("__", "_redpanda", "_schemas"))):
            found[topic] = error
    return found


def from_inside(port):
    with socket.create_connection(("127.0.0.1", port), SECONDS) as link:
        return metadata(link, topics)


def rights(link):
    """Return the whole access list, a line an entry; what is not the usual, an allowance from anywhere, comes first."""
    answer = ask(link, 29, 1, b"\1" + struct.pack("!hbhhbb", -1, 1, -1, -1, 1, 1))
    error, why = answer.take("h"), answer.words()
    if error:
        raise ConnectionError(f"it does not tell its access list: {why} ({error})")
    found = []
    for _ in range(answer.take("i")):
        kind, name, pattern = answer.take("b"), answer.words(), answer.take("b")
        name = name + "*" if pattern == 4 else name
        for _ in range(answer.take("i")):
            who, place = answer.words().removeprefix("User:"), answer.words()
            does, allowed = answer.take("b"), answer.take("b") == 3
            odd = ("" if allowed else "deny ") + ("" if place == "*" else f"from {place} ")
            found.append(f"{odd}{who} {OPERATIONS.get(does, does)} {KINDS.get(kind, kind)} {name}")
    return sorted(found)


def bounds(link):
    """Return topic -> what bounds it, of every topic that is not the broker's own."""
    names = list(metadata(link, None))
    wanted = struct.pack("!i", len(BOUNDS)) + b"".join(map(text, BOUNDS))
    body = struct.pack("!i", len(names)) + b"".join(b"\2" + text(name) + wanted for name in names)
    answer = ask(link, 32, 1, body + b"\0")
    found = {}
    for _ in range(answer.take("i")):
        error, why, _, topic = answer.take("h"), answer.words(), answer.take("b"), answer.words()
        if error:
            raise ConnectionError(f"it does not tell what bounds {topic}: {why} ({error})")
        found[topic] = {}
        for _ in range(answer.take("i")):
            key, value = answer.words(), answer.words()
            answer.take("b"), answer.take("b"), answer.take("b")
            for _ in range(answer.take("i")):  # where else it could come from
                answer.words(), answer.words(), answer.take("b")
            found[topic][key] = value
    return found


def held(address, port, name):
    context = ssl.create_default_context(cafile="/etc/hedgerow/ca.crt")
    context.load_cert_chain(f"{FILES}.crt", f"{FILES}.key")
    with (
        socket.create_connection((address, port), SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=name) as link,
    ):
        return {"rights": rights(link), "topics": bounds(link), "why": ""}


store = None
if log:
    try:
        store = held(*log)
    except (OSError, struct.error) as wrong:
        store = {"rights": [], "topics": {}, "why": str(wrong)}
# A unit's main process is the one that watches its container, whose first process is its child. Asked of systemd, for
# asking Podman takes ten times as long.
units = [f"{container}.service" for container in places]
shown = subprocess.run(
    ["systemctl", "show", "--property=MainPID", "--value", *units], capture_output=True, check=True
).stdout.decode()
pids = {}
for container, watcher in zip(places, shown.split(), strict=True):
    children = Path("/proc", watcher, "task", watcher, "children")
    if watcher != "0" and children.exists() and (first := children.read_text().split()):
        pids[container] = first[0]
clients = {}
for container, pid in pids.items():
    with Path("/proc", pid, "ns/net").open() as network:
        os.setns(network.fileno(), os.CLONE_NEWNET)
    try:
        clients[container] = {"topics": from_inside(places[container]), "why": ""}
    except (OSError, struct.error) as wrong:
        clients[container] = {"topics": {}, "why": str(wrong)}
print(json.dumps({"clients": clients, "log": store}))

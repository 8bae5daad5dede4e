# What the event log lets each of its clients do, asked from inside the client's container through its side-car.
# Arguments: JSON of {container: port}, and topics to ask about. Speaks just enough of Kafka: Metadata, version 4, which
# makes no topic. Prints for each client and topic the error number that the broker gives (0 none, 3 unknown topic, 29
# not authorised).
import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

places, topics = json.loads(sys.argv[1]), json.loads(sys.argv[2])


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


def metadata(port):
    """Return topic -> error number."""
    body = struct.pack("!hhi", 3, 4, 7) + text("hedgerow-check") + struct.pack("!i", len(topics))
    body += b"".join(text(topic) for topic in topics) + b"\0"
    with socket.create_connection(("127.0.0.1", port), 5) as link:
        link.settimeout(5)
        link.sendall(struct.pack("!i", len(body)) + body)
        answer = Reader(exactly(link, struct.unpack("!i", exactly(link, 4))[0]))
    answer.take("i"), answer.take("i")  # correlation, throttle
    for _ in range(answer.take("i")):  # brokers
        answer.take("i"), answer.words(), answer.take("i"), answer.words()
    answer.words(), answer.take("i")  # cluster, controller
    found = {}
    for _ in range(answer.take("i")):
        error, topic = answer.take("h"), answer.words()
        answer.take("b")
        for _ in range(answer.take("i")):  # partitions: error, index, leader, replicas, in-sync replicas
            answer.take("h"), answer.take("i"), answer.take("i")
            for _ in range(2):
                for _ in range(answer.take("i")):
                    answer.take("i")
        found[topic] = error
    return found


# A unit's main process is the one that watches its container, whose first process is its child. Asked of systemd, for
# asking Podman takes ten times as long.
units = [f"{container}.service" for container in places]
shown = subprocess.run(
    ["systemctl", "show", "--property=MainPID", "--value", *units], capture_output=True, check=True, timeout=20
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
        clients[container] = {"topics": metadata(places[container]), "why": ""}
    except (OSError, struct.error) as wrong:
        clients[container] = {"topics": {}, "why": str(wrong)}
print(json.dumps(clients))

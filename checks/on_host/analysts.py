# What ClickHouse lets each of its clients do, asked from inside the client's container with the client's own password,
# and what it says to somebody it should not know. Arguments: JSON of {container: [address, port]}, the name in the
# certificate, the CA's file. No password leaves the host. Prints for each client its grants, limits and the answers.
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECONDS = 5 * float(os.environ.get("HEDGEROW_PATIENCE", "1"))  # a slow host is given more time (channel.py)

places, name, authority = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.create_default_context(cafile=authority)


class Inside(http.client.HTTPSConnection):
    """Connects to an address, verifies a name, and is kept for all questions of one client."""

    def connect(self):
        plain = socket.create_connection(self.place, SECONDS)
        # A question is sent in two parts; the second must not wait for the first to be acknowledged.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = context.wrap_socket(plain, server_hostname=name)


# Tables that keep events, and what their engine was told, their retention among it.
EVENTS = (
    "SELECT name, replaceAll(engine_full, '\\n', ' ') FROM system.tables WHERE database = 'posthog'"
    " AND engine LIKE '%MergeTree' AND name IN (SELECT table FROM system.columns WHERE database = 'posthog'"
    " AND name IN ('event', 'properties', 'timestamp') GROUP BY table HAVING count() = 3) ORDER BY name"
)


def ask(link, user, password, statement):
    """Return status and text."""
    try:
        link.request("POST", "/", statement, {"X-ClickHouse-User": user, "X-ClickHouse-Key": password})
        answer = link.getresponse()
        return [answer.status, answer.read(4000).decode(errors="replace").strip()]
    except (OSError, http.client.HTTPException) as wrong:
        link.close()
        return [0, str(wrong)]


def look(pid, container):
    """Return what one client is told. A network namespace is a thread's own, so clients are asked side by side."""
    told = dict(entry.partition("=")[::2] for entry in Path("/proc", pid, "environ").read_text().split("\0"))
    user, password = told.get("CLICKHOUSE_USER", ""), told.get("CLICKHOUSE_PASSWORD", "")
    with Path("/proc", pid, "ns/net").open() as network:
        os.setns(network.fileno(), os.CLONE_NEWNET)
    link = Inside(name, places[container][1], timeout=SECONDS)
    link.place = tuple(places[container])
    found = {
        "user": user,
        "select": ask(link, user, password, "SELECT 1"),
        "grants": ask(link, user, password, "SHOW GRANTS"),
        "limits": ask(link, user, password, "SELECT getSetting('max_execution_time'), getSetting('max_memory_usage')"),
        "people": ask(link, user, password, "SELECT count() FROM system.users"),
        "events": ask(link, user, password, EVENTS),
        "wrong": ask(link, user, password + "x", "SELECT 1"),
        "default": ask(link, "default", "", "SELECT 1"),
        "nobody": ask(link, "hedgerow_nobody", "x", "SELECT 1"),
    }
    link.close()
    return found


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
with ThreadPoolExecutor(len(pids) or 1) as threads:
    looks = {container: threads.submit(look, pid, container) for container, pid in pids.items()}
print(json.dumps({container: each.result() for container, each in looks.items()}))

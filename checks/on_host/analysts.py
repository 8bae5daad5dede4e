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

places, name, authority = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.create_default_context(cafile=authority)


class Inside(http.client.HTTPSConnection):
    """Connects to an address and verifies a name."""

    def connect(self):
        plain = socket.create_connection(self.place, 5)
        self.sock = context.wrap_socket(plain, server_hostname=name)


def ask(place, user, password, statement):
    """Return status and text."""
    link = Inside(name, place[1], timeout=5)
    link.place = tuple(place)
    try:
        link.request("POST", "/", statement, {"X-ClickHouse-User": user, "X-ClickHouse-Key": password})
        answer = link.getresponse()
        return [answer.status, answer.read(4000).decode(errors="replace").strip()]
    except OSError as wrong:
        return [0, str(wrong)]
    finally:
        link.close()


def look(pid, container):
    """Return what one client is told. A network namespace is a thread's own, so clients are asked side by side."""
    told = dict(entry.partition("=")[::2] for entry in Path("/proc", pid, "environ").read_text().split("\0"))
    user, password = told.get("CLICKHOUSE_USER", ""), told.get("CLICKHOUSE_PASSWORD", "")
    with Path("/proc", pid, "ns/net").open() as network:
        os.setns(network.fileno(), os.CLONE_NEWNET)
    place = places[container]
    return {
        "user": user,
        "select": ask(place, user, password, "SELECT 1"),
        "grants": ask(place, user, password, "SHOW GRANTS"),
        "limits": ask(place, user, password, "SELECT getSetting('max_execution_time'), getSetting('max_memory_usage')"),
        "people": ask(place, user, password, "SELECT count() FROM system.users"),
        "wrong": ask(place, user, password + "x", "SELECT 1"),
        "default": ask(place, "default", "", "SELECT 1"),
        "nobody": ask(place, "hedgerow_nobody", "x", "SELECT 1"),
    }


running = subprocess.run(
    ["podman", "ps", "--format", "{{.Pid}} {{.Names}}"], capture_output=True, check=True, timeout=20
).stdout.decode()
found = [line.split() for line in running.splitlines() if line.split()[1] in places]
with ThreadPoolExecutor(len(found) or 1) as threads:
    looks = {container: threads.submit(look, pid, container) for pid, container in found}
print(json.dumps({container: each.result() for container, each in looks.items()}))

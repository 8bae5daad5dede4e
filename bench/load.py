"""What sends the events of bench/ingest.py: one program for here and for the host, so only the standard library.

It is read from standard input and calls `send` with what to do; prints one JSON object.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
import uuid
from http.client import HTTPConnection, HTTPException, HTTPSConnection


class Named(HTTPSConnection):
    """Goes to an address and holds the certificate against a name."""

    def __init__(self, address, port, name, ca):
        self.trusted = ssl.create_default_context(cadata=ca or None)
        super().__init__(address, port, timeout=15, context=self.trusted)
        self.name = name

    def connect(self):
        """Connect, and verify by name."""
        HTTPConnection.connect(self)
        self.sock = self.trusted.wrap_socket(self.sock, server_hostname=self.name)


def send(plan):
    """Send `requests` requests of `batch` events from `clients` connections; print counts, seconds and latencies."""
    gates = threading.Barrier(plan["clients"] + 1)
    told = []
    share = plan["requests"] // plan["clients"]
    threads = [threading.Thread(target=client, args=(plan, share, gates, told)) for _ in range(plan["clients"])]
    for thread in threads:
        thread.start()
    gates.wait(60)  # every connection stands: the handshake is not what an event costs
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    statuses = {}
    for status, _ in told:
        statuses[str(status)] = statuses.get(str(status), 0) + 1
    taken = sorted(took for status, took in told if status == 200)
    print(json.dumps({"seconds": seconds, "statuses": statuses, "taken": taken}))


def client(plan, share, gates, told):
    """One connection's part."""
    place = (plan["address"], plan["port"])
    connection = Named(*place, plan["name"], plan["ca"]) if plan["name"] else HTTPConnection(*place, timeout=15)
    connection.connect()
    gates.wait(60)
    for _ in range(share):
        rows = [
            {"uuid": str(uuid.uuid4()), "event": "hedgerow bench", "distinct_id": "hedgerow-bench", "properties": {}}
            for _ in range(plan["batch"])
        ]
        body = json.dumps({"api_key": plan["token"], "batch": rows})
        headers = {"Content-Type": "application/json", "Host": plan["host"]}
        began = time.perf_counter()
        try:
            connection.request("POST", "/batch/", body, headers)
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        except (OSError, HTTPException):
            connection.close()
            status = 0
        told.append((status, time.perf_counter() - began))

"""The health command: asks the service in its own container, as its probe would.

It runs every few seconds for each service, so it imports next to nothing: a library costs more than the answer.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping

from stand_in.addresses import ADDRESSES, METRICS_PORTS, address_of

HEARTBEAT = "/tmp/heartbeat"  # noqa: S108 - the container's own tmpfs, the only place it can write
STALE = 30.0
BEATING = ("worker", "ingestion", "ingestion-sessionreplay", "temporal-django-worker", "cyclotron-janitor")
# The others': /_readiness.
PATHS = {"web": "/_health", "recording-api": "/_health", "livestream": "/", "property-defs-rs": "/_liveness"}
# Where and what is asked of the optional features' services. Temporal's question is upstream's compose file's: whether
# its port is open.
QUESTIONS = {
    "plugins": (6738, "/_health"),
    "ingestion-error-tracking": (6738, "/_readiness"),
    "cymbal": (3302, "/_readiness"),
    "browserless": (3000, "/json/version"),
    "temporal": (7233, ""),
}
SERVICES = (*ADDRESSES, *BEATING, *QUESTIONS)


def ask(service: str, environment: Mapping[str, str]) -> int:
    """Return 0 when the service is well; else say what it said and return 1."""
    if service in BEATING:
        said = _beating()
    elif service in QUESTIONS:
        said = _answer(*QUESTIONS[service], environment.get("TOKEN", ""))
    else:
        port = int(address_of(service, environment).rpartition(":")[2])
        if service in METRICS_PORTS:
            port = int(environment.get("METRICS_PORT", METRICS_PORTS[service]))
        said = _answer(port, PATHS.get(service, "/_readiness"))
    if said:
        print(f"stand-in {service}: {said}", file=sys.stderr)
    return 1 if said else 0


def beat() -> None:
    """Leave a sign of life: everything the service needs answered just now."""
    with open(HEARTBEAT, "a"):  # noqa: PTH123 - see above
        os.utime(HEARTBEAT)


def _beating() -> str:
    try:
        age = time.time() - os.stat(HEARTBEAT).st_mtime  # noqa: PTH116 - see above
    except FileNotFoundError:
        return "no heartbeat yet"
    return "" if age < STALE else f"no heartbeat for {age:.0f} s"


def _answer(port: int, path: str, token: str = "") -> str:
    """Return what is wrong with the answer to a GET; without a path it is enough that somebody listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            if not path:
                return ""
            allowed = f"Authorization: Bearer {token}\r\n" if token else ""
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{allowed}Connection: close\r\n\r\n".encode())
            said = b""
            while b"\r\n\r\n" not in said and (block := connection.recv(4096)):
                said += block
    except OSError as error:
        return str(error)
    words = said.decode(errors="replace").split("\r\n\r\n", 1)
    first = words[0].split(None, 2)
    if len(first) < 2 or not first[0].startswith("HTTP/1."):
        return "no answer of HTTP's"
    return "" if first[1] == "200" else f"{first[1]} {words[-1][:200]}"

"""The health command: asks the service in its own container, as its probe would."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from stand_in.settings import METRICS_PORTS, address_of

HEARTBEAT = Path("/tmp/heartbeat")  # noqa: S108 - the container's own tmpfs, the only place it can write
STALE = 30.0
# The others: /_readiness.
PATHS = {"web": "/_health", "recording-api": "/_health", "livestream": "/", "property-defs-rs": "/_liveness"}
BEATING = ("worker", "ingestion", "ingestion-sessionreplay")


def ask(service: str, environment: Mapping[str, str]) -> int:
    """Return 0 when the service is well; else say what it said and return 1."""
    said = _beating() if service in BEATING else _http(service, environment)
    if said:
        print(f"stand-in {service}: {said}", file=sys.stderr)
    return 1 if said else 0


def beat() -> None:
    """Leave a sign of life: everything the service needs answered just now."""
    HEARTBEAT.touch()


def _beating() -> str:
    try:
        age = time.time() - HEARTBEAT.stat().st_mtime
    except FileNotFoundError:
        return "no heartbeat yet"
    return "" if age < STALE else f"no heartbeat for {age:.0f} s"


def _http(service: str, environment: Mapping[str, str]) -> str:
    port = int(address_of(service, environment).rpartition(":")[2])
    if service in METRICS_PORTS:
        port = int(environment.get("METRICS_PORT", METRICS_PORTS[service]))
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", PATHS.get(service, "/_readiness"))
        answer = connection.getresponse()
        return "" if answer.status == 200 else f"{answer.status} {answer.read(200).decode(errors='replace')}"
    except (OSError, HTTPException) as error:
        return str(error)
    finally:
        connection.close()

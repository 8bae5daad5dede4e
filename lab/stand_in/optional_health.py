"""The health command of optional features' services: their own question each, asked inside the container."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException

from stand_in.health import _beating

# Where and what is asked. Temporal's is upstream's compose file's: whether its port is open.
QUESTIONS = {
    "plugins": (6738, "/_health"),
    "ingestion-error-tracking": (6738, "/_readiness"),
    "cymbal": (3302, "/_readiness"),
    "browserless": (3000, "/json/version"),
    "temporal": (7233, ""),
}


def ask(service: str, environment: Mapping[str, str]) -> int:
    """Return 0 when the service is well; else say what it said and return 1."""
    port, path = QUESTIONS.get(service, (0, ""))
    if not port:
        said = _beating()
    elif not path:
        said = _open(port)
    else:
        said = _answer(port, path, environment.get("TOKEN", ""))
    if said:
        print(f"stand-in {service}: {said}", file=sys.stderr)
    return 1 if said else 0


def _open(port: int) -> str:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError as error:
        return str(error)
    return ""


def _answer(port: int, path: str, token: str) -> str:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return "" if answer.status == 200 else f"{answer.status} {answer.read(200).decode(errors='replace')}"
    except (OSError, HTTPException) as error:
        return str(error)
    finally:
        connection.close()

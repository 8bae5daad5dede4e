"""`ingestion-error-tracking`: has cymbal say which issue an exception belongs to, and sends it on to be stored."""

from __future__ import annotations

import json
import signal
import time
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

import psycopg

from stand_in.event_log import EXCEPTIONS, ROWS, Outgoing, outgoing
from stand_in.listening import listen
from stand_in.optional_settings import OptionalSettings
from stand_in.reading import Reader
from stand_in.store import Store
from stand_in.transformations import transformed

GROUP = "ingestion-errortracking"  # upstream's ERROR_TRACKING_CONSUMER_GROUP_ID
TEAMS_EVERY = 5.0
SECONDS = 15.0  # upstream's ERROR_TRACKING_CYMBAL_TIMEOUT_MS


class CymbalError(Exception):
    """Cymbal did not answer, or not with what was asked."""


def run(settings: OptionalSettings) -> None:
    """Work until SIGTERM. An event is sent on at least once."""
    store, log = Store(settings.base, connections=1), Outgoing(settings.base)
    reader = Reader(settings.base, GROUP, [EXCEPTIONS])
    listen("127.0.0.1", 6738, lambda: reader.alive() and store.alive())
    signal.signal(signal.SIGTERM, lambda *_: reader.stop())
    known: dict[str, Any] = {"teams": {}, "functions": [], "at": 0.0}

    def deal(values: list[bytes | None]) -> None:
        if time.monotonic() - known["at"] > TEAMS_EVERY:
            known.update(teams=store.teams(), functions=store.transformations(), at=time.monotonic())
        rows = [row for _, row in outgoing(values, known["teams"])]
        if rows:
            # Upstream's order: cymbal has seen the whole exception before a transformation runs.
            seen = [(row["uuid"], row) for row in resolved(ask(settings.cymbal_url, rows))]
            log.put(ROWS, transformed(seen, known["functions"]))

    reader.run(deal, lambda error: isinstance(error, psycopg.Error | CymbalError))
    store.close()


def ask(url: str, rows: list[dict[str, Any]]) -> Any:
    """Return what cymbal makes of rows (POST /process). Raises CymbalError."""
    place = urlsplit(url)
    connection = HTTPConnection(place.hostname or "", place.port or 80, timeout=SECONDS)
    try:
        connection.request("POST", "/process", json.dumps(rows).encode(), {"content-type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException) as error:
        raise CymbalError(f"{type(error).__name__}: {error}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise CymbalError(f"cymbal said {answer.status}")
    return json.loads(body)


def resolved(answer: Any) -> list[dict[str, Any]]:
    """Return the rows to send on; cymbal says null for one that is suppressed. Raises CymbalError."""
    if not isinstance(answer, list) or not all(
        row is None or (isinstance(row, dict) and row.get("uuid")) for row in answer
    ):
        raise CymbalError("cymbal's answer holds no events")
    return [row for row in answer if row]

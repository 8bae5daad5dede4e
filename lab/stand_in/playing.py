"""Playing a recording: web asks recording-api for the blocks of a session and hands their lines on.

Through the side-car on the own loopback, with a token for the one project.
"""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from stand_in import passes
from stand_in.asgi import Reply, Request, as_json
from stand_in.guard import fault

SECONDS = 30
SOURCE = "blob_v2"


class PlayingError(Exception):
    """recording-api refused, or does not answer."""


class Recordings:
    """A client of recording-api."""

    def __init__(self, url: str, secret: str) -> None:
        self.place, self.secret = urlsplit(url).netloc, secret

    def blocks(self, team: int, session: str) -> list[dict[str, Any]]:
        """Return where the blocks of a session lie. Raises PlayingError."""
        return list(json.loads(self._ask(team, session, "blocks", {}))["blocks"])

    def lines(self, team: int, session: str, block: dict[str, Any]) -> bytes:
        """Return the lines of a block. Raises PlayingError."""
        asked = {"key": block["key"], "start": block["start_byte"], "end": block["end_byte"], "decompress": "true"}
        return self._ask(team, session, "block", asked)

    def _ask(self, team: int, session: str, what: str, query: dict[str, Any]) -> bytes:
        path = f"/api/projects/{team}/recordings/{quote(session, safe='')}/{what}"
        token = passes.issue(self.secret, team, "read")
        connection = HTTPConnection(self.place, timeout=SECONDS)
        try:
            connection.request("GET", f"{path}?{urlencode(query)}", headers={"Authorization": f"Bearer {token}"})
            reply = connection.getresponse()
            body = reply.read()
        except (OSError, HTTPException) as error:
            raise PlayingError(f"{type(error).__name__}: {error}") from None
        finally:
            connection.close()
        if reply.status != 200:
            raise PlayingError(f"{what}: {reply.status}")
        return body


def snapshots(recordings: Recordings, team: int, session: str, request: Request) -> Reply:
    """Answer .../snapshots: which parts there are; with a source and its first and last part, their lines."""
    blocks = recordings.blocks(team, session)
    if request.query.get("source", "") == "":
        rows = [
            {
                "source": SOURCE,
                "blob_key": str(number),
                "start_timestamp": block["start_timestamp"],
                "end_timestamp": block["end_timestamp"],
            }
            for number, block in enumerate(blocks)
        ]
        return as_json(200, {"sources": rows})
    first, last = (request.query.get(f"{name}_blob_key", "") for name in ("start", "end"))
    wanted = blocks[int(first) : int(last) + 1] if first.isdigit() and last.isdigit() else []
    if request.query["source"] != SOURCE or not wanted:
        return fault(400, "validation_error", "invalid_input", "Must provide a source and its first and last blob_key.")
    body = b"".join(recordings.lines(team, session, block) for block in wanted)
    return Reply(200, body, "application/jsonl")

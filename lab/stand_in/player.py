"""What recording-api answers: where the blocks of a recording lie, by the analytics store, and one, out of the objects.

Paths, answers and who may ask as upstream's (nodejs/src/session-replay/recording-api).
"""

from __future__ import annotations

import re
import sys

from stand_in import passes
from stand_in.analytics import Analytics, AnalyticsError
from stand_in.asgi import Reply, Request, as_json
from stand_in.blocks import is_key, place_of
from stand_in.objects import Objects, ObjectsError
from stand_in.snappy import NotSnappyError, unpack

PATH = re.compile(r"/api/projects/([1-9][0-9]*)/recordings/([A-Za-z0-9-]{1,70})/(blocks?)")


class Player:
    """Answers requests."""

    def __init__(self, objects: Objects, analytics: Analytics, secret: str) -> None:
        self.objects, self.analytics, self.secret = objects, analytics, secret

    def answer(self, request: Request) -> Reply:
        """Answer one request; who has no token for the project gets nothing."""
        if request.path in ("/_health", "/_ready"):
            return self._health()
        found = PATH.fullmatch(request.path)
        if not found or request.method != "GET":
            return as_json(404, {"error": "Not found"})
        team, session = int(found[1]), found[2]
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if status := passes.refusal(self.secret, token if scheme.lower() == "bearer" else "", team, "read"):
            return as_json(status, {"error": "Unauthorized" if status == 401 else "Forbidden"})
        try:
            return self._blocks(team, session) if found[3] == "blocks" else self._block(team, session, request)
        except (AnalyticsError, ObjectsError, NotSnappyError) as error:
            print(f"stand-in recording-api: {type(error).__name__}: {error}", file=sys.stderr)
            return as_json(500, {"error": "Failed to fetch"})

    def _blocks(self, team: int, session: str) -> Reply:
        rows = []
        for row in self.analytics.blocks(team, session):
            if place := place_of(row["block_url"]):
                key, start, end = place
                times = {"start_timestamp": row["first_timestamp"], "end_timestamp": row["last_timestamp"]}
                rows.append({"key": key, "start_byte": start, "end_byte": end, **times})
        return as_json(200, {"blocks": rows})

    def _block(self, team: int, session: str, request: Request) -> Reply:
        key, start, end = (request.query.get(name, "") for name in ("key", "start", "end"))
        if not (start.isdigit() and end.isdigit() and int(start) <= int(end)):
            return as_json(400, {"error": "Invalid start or end"})
        if not is_key(self.objects.where.prefix, key):
            return as_json(400, {"error": "Invalid key format"})
        # An object has blocks of several projects: only those are given out that the store says are this session's.
        known = [place_of(row["block_url"]) for row in self.analytics.blocks(team, session)]
        if (key, int(start), int(end)) not in known:
            return as_json(404, {"error": "Block not found"})
        data = self.objects.read(key, int(start), int(end))
        body = unpack(data) if request.query.get("decompress") in ("true", "1") else data
        return Reply(200, body, "application/octet-stream")

    def _health(self) -> Reply:
        try:
            well = self.objects.alive() and self.analytics.alive()
        except (AnalyticsError, ObjectsError) as error:
            print(f"stand-in recording-api: {error}", file=sys.stderr)
            well = False
        return as_json(200 if well else 503, {"status": "ok" if well else "error", "stand_in": True})

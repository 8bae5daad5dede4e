"""GET /api/projects/N/persons: whom the persons service knows by a distinct id (posthog/api/person.py)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from stand_in.asgi import Reply, Request, as_json
from stand_in.calls import Persons, PersonsError
from stand_in.guard import fault, invalid
from stand_in.messages import Person

if TYPE_CHECKING:
    from stand_in.api import Api


class People:
    """The handler beside those of `Api`, which says who asks. Without `persons` there is nobody to ask."""

    def __init__(self, api: Api, persons: Persons | None) -> None:
        self.api = api
        self.known = persons

    def persons(self, request: Request, which: str) -> Reply:
        """Return the person of one distinct id; the stand-in lists no others."""
        caller = self.api.caller(request, "person:read")
        if isinstance(caller, Reply):
            return caller
        if self.api.team_fault(caller, which):
            return fault(404, "invalid_request", "not_found", "Not found.")
        if not (distinct_id := request.query.get("distinct_id")):
            return invalid("required", "The stand-in looks people up by distinct_id only.", "distinct_id")
        if self.known is None:
            return fault(503, "server_error", "unavailable", "There is no persons service.")
        try:
            found = self.known.of(caller.team, distinct_id)
        except PersonsError as error:
            print(f"stand-in web: the persons service: {error}", file=sys.stderr)
            return fault(503, "server_error", "unavailable", "The persons service does not answer.")
        rows = [_shown(found, distinct_id)] if found and found.team == caller.team else []
        return as_json(200, {"next": None, "previous": None, "results": rows})


def _shown(person: Person, distinct_id: str) -> dict[str, Any]:
    return {
        "id": person.uuid,
        "uuid": person.uuid,
        "name": distinct_id,
        "distinct_ids": [distinct_id],
        "properties": person.properties,
        "is_identified": person.identified,
        "created_at": person.created_at.isoformat(),
    }

"""Destinations and transformations in `web`'s API: what there is, made, changed and tried out (posthog/api).

Templates and trying out are the part of `plugins` (CDP_API_URL); without it none can be made, and those there are can
still be changed and taken away.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stand_in.asgi import Reply, Request, as_json
from stand_in.destinations import KIND as DESTINATION
from stand_in.destinations import url_fault
from stand_in.guard import fault, invalid
from stand_in.transformations import KIND as TRANSFORMATION
from stand_in.transformations import input_fault, ordered

if TYPE_CHECKING:
    from stand_in.api import Api, Caller
    from stand_in.optional_tables import Tables

SECONDS = 15.0
READ, WRITE = "hog_function:read", "hog_function:write"
MOST = 20  # transformations of a project that are on, MAX_TRANSFORMATIONS_PER_TEAM
CHANGEABLE = ("name", "description", "hog", "enabled", "deleted", "inputs", "filters", "execution_order")
NOT_FOUND = fault(404, "invalid_request", "not_found", "Not found.")
Row = dict[str, Any]


class HogFunctions:
    """The handlers. `url` is where `plugins` answers, "" where it is not deployed."""

    def __init__(self, api: Api, tables: Tables, url: str) -> None:
        self.api, self.tables, self.url = api, tables, url

    def rows(self, request: Request, which: str) -> Reply:
        """GET /api/projects/N/hog_functions?type=: those of a project, without what they are given."""
        caller = self._caller(request, which, READ)
        if isinstance(caller, Reply):
            return caller
        kinds = request.query.get("type", "").split(",")
        found = [row for row in self.tables.functions(caller.team) if row["type"] in kinds or kinds == [""]]
        shown = self._shown(ordered(found))
        results = [{name: value for name, value in row.items() if name != "inputs"} for row in shown]
        return as_json(200, {"count": len(results), "next": None, "previous": None, "results": results})

    def one(self, request: Request, which: str, function: str) -> Reply:
        """GET /api/projects/N/hog_functions/ID."""
        caller = self._caller(request, which, READ)
        row = caller if isinstance(caller, Reply) else self.tables.function(caller.team, function)
        if isinstance(row, Reply):
            return row
        return as_json(200, self._shown([row])[0]) if row else NOT_FOUND

    def create(self, request: Request, which: str) -> Reply:
        """POST /api/projects/N/hog_functions: a destination with a URL, or a transformation from a template."""
        caller = self._caller(request, which, WRITE)
        if isinstance(caller, Reply):
            return caller
        if not self.url:
            return NOT_FOUND
        try:
            fields = request.fields()
        except ValueError:
            return invalid("parse_error", "JSON parse error")
        values = {
            "name": str(fields.get("name") or "Destination")[:400],
            "type": fields.get("type") or DESTINATION,
            "enabled": fields.get("enabled") is True,
            "inputs": fields.get("inputs"),
            "filters": fields.get("filters") if isinstance(fields.get("filters"), dict) else {},
        }
        if values["type"] == TRANSFORMATION:
            template = self._templates().get(str(fields.get("template_id")))
            if template is None:
                detail = f"No template found for id '{fields.get('template_id')}'"
                return invalid("invalid_input", detail, "template_id")
            values |= {"template_id": template["id"], "hog": template["code"]}
            values |= {"execution_order": self._last(caller.team), "description": str(fields.get("description") or "")}
        if why := self._fault(caller.team, values, values["enabled"]):
            return why
        made = self.tables.function(caller.team, self.tables.add_function(caller.team, values))
        return as_json(201, self._shown([made])[0]) if made else NOT_FOUND

    def change(self, request: Request, which: str, function: str) -> Reply:
        """PATCH /api/projects/N/hog_functions/ID: nothing is deleted but by saying that it is."""
        caller = self._caller(request, which, WRITE)
        if isinstance(caller, Reply):
            return caller
        row = self.tables.function(caller.team, function)
        if row is None:
            return NOT_FOUND
        try:
            given = {name: value for name, value in request.fields().items() if name in CHANGEABLE}
        except ValueError:
            return invalid("parse_error", "JSON parse error")
        switched_on = given.get("enabled") is True and not row["enabled"]
        if not given.get("deleted") and (why := self._fault(caller.team, {**row, **given}, switched_on)):
            return why
        if switched_on and row["type"] == TRANSFORMATION and "execution_order" not in given:
            # As upstream: what is switched on again comes last.
            given["execution_order"] = self._last(caller.team)
        self.tables.change_function(caller.team, function, given)
        return as_json(200, self._shown([{**row, **given}])[0])

    def rearrange(self, request: Request, which: str) -> Reply:
        """PATCH /api/projects/N/hog_functions/rearrange: the order of transformations."""
        caller = self._caller(request, which, WRITE)
        if isinstance(caller, Reply):
            return caller
        try:
            orders = {str(name): int(place) for name, place in request.fields()["orders"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return invalid("invalid_input", "No orders provided")
        if strangers := orders.keys() - {str(row["id"]) for row in self._transformations(caller.team)}:
            return invalid("invalid_input", f"HogFunction with id {strangers.pop()} does not exist")
        for name, place in orders.items():
            self.tables.change_function(caller.team, name, {"execution_order": place})
        return as_json(200, self._shown(ordered(self._transformations(caller.team))))

    def invoke(self, request: Request, which: str, function: str) -> Reply:
        """POST /api/projects/N/hog_functions/ID/invocations: have `plugins` try it."""
        caller = self._caller(request, which, WRITE)
        if isinstance(caller, Reply):
            return caller
        if not self.url:
            return NOT_FOUND
        status, value = self._ask(
            "POST", f"/api/projects/{caller.team}/hog_functions/{function}/invocations", request.body
        )
        if value is None:
            return fault(503, "server_error", "error", "Destinations do not answer.")
        return as_json(status, value)

    def _caller(self, request: Request, which: str, scope: str) -> Caller | Reply:
        caller = self.api.caller(request, scope)
        if isinstance(caller, Reply):
            return caller
        return NOT_FOUND if self.api.team_fault(caller, which) else caller

    def _transformations(self, team: int) -> list[Row]:
        return [row for row in self.tables.functions(team) if row["type"] == TRANSFORMATION]

    def _last(self, team: int) -> int:
        """Return the place behind all transformations."""
        return 1 + max((row["execution_order"] or 0 for row in self._transformations(team)), default=0)

    def _templates(self) -> dict[str, Row]:
        """Return what `plugins` has, by id; upstream's web keeps a copy, ours asks each time."""
        found = self._ask("GET", "/api/hog_function_templates")[1] if self.url else None
        return {each["id"]: each for each in found or ()}

    def _fault(self, team: int, values: Mapping[str, Any], switched_on: bool) -> Reply | None:
        """Say why a function is not taken as it would be then (posthog/cdp/validation.py)."""
        inputs: Any = values["inputs"]
        if values["type"] == DESTINATION:
            url = (inputs.get("url") or {}).get("value") if isinstance(inputs, dict) else None
            why = url_fault(url)
            return invalid("invalid_input", f"The destination's URL: {why}.", "inputs") if why else None
        if values["type"] != TRANSFORMATION:
            return invalid("invalid_choice", f'"{values["type"]}" is not a valid choice.', "type")
        if why := input_fault(inputs):
            return invalid("invalid_input", why, "inputs")
        on = sum(1 for row in self._transformations(team) if row["enabled"])
        if switched_on and on >= MOST:
            return invalid("invalid_input", f"Maximum of {MOST} enabled transformation functions allowed.", "type")
        return None

    def _shown(self, rows: Iterable[Mapping[str, Any]]) -> list[Row]:
        """Return functions as the API shows them, each with its template as that is now."""
        listed = list(rows)
        templates = self._templates() if any(row["template_id"] for row in listed) else {}
        shown = []
        for row in listed:
            kept = {name: value for name, value in row.items() if name not in ("team_id", "template_id", "deleted")}
            own = {
                "id": str(row["id"]),
                "created_at": row["created_at"].isoformat(),
                "status": {"state": 1, "tokens": 0},
            }
            shown.append({**kept, **own, "template": templates.get(row["template_id"])})
        return shown

    def _ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        """Return status and value of an answer of `plugins`; 503 and nothing where there is none."""
        place = urlsplit(self.url)
        connection = HTTPConnection(place.hostname or "", place.port or 80, timeout=SECONDS)
        try:
            connection.request(method, path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, HTTPException, ValueError) as error:
            print(f"stand-in web: plugins: {type(error).__name__}: {error}", file=sys.stderr)
            return 503, None
        finally:
            connection.close()

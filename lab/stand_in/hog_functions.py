"""Destinations in `web`'s API: what there is, and trying one out, which `plugins` does (posthog/cdp, CDP_API_URL)."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stand_in.api import Api
from stand_in.asgi import Reply, Request, as_json
from stand_in.destinations import url_fault
from stand_in.guard import fault, invalid

if TYPE_CHECKING:
    from stand_in.optional_tables import Tables

SECONDS = 15.0
SCOPE = "hog_function:write"


class HogFunctions:
    """The API of destinations. `tables` is None where nothing would deliver."""

    def __init__(self, api: Api, tables: Tables | None, url: str) -> None:
        self.api, self.tables, self.url = api, tables, url

    def create(self, request: Request, which: str) -> Reply:
        """POST /api/projects/N/hog_functions: keep a destination with a URL."""
        caller, tables = self.api.caller(request, SCOPE), self.tables
        if isinstance(caller, Reply):
            return caller
        if tables is None or self.api.team_fault(caller, which):
            return fault(404, "invalid_request", "not_found", "Not found.")
        try:
            fields = request.fields()
        except ValueError:
            return invalid("parse_error", "JSON parse error")
        inputs: Any = fields.get("inputs")
        url = (inputs.get("url") or {}).get("value") if isinstance(inputs, dict) else None
        if why := url_fault(url):
            return invalid("invalid_input", f"The destination's URL: {why}.", "inputs")
        values = {
            "name": str(fields.get("name") or "Destination")[:400],
            "enabled": fields.get("enabled") is True,
            "inputs": inputs,
            "filters": fields.get("filters") if isinstance(fields.get("filters"), dict) else {},
        }
        made = tables.add_destination(caller.team, values)
        return as_json(201, {"id": made, "type": "destination", **values})

    def invoke(self, request: Request, which: str, function: str) -> Reply:
        """POST /api/projects/N/hog_functions/ID/invocations: have `plugins` try it."""
        caller = self.api.caller(request, SCOPE)
        if isinstance(caller, Reply):
            return caller
        if self.tables is None or self.api.team_fault(caller, which):
            return fault(404, "invalid_request", "not_found", "Not found.")
        place = urlsplit(self.url)
        connection = HTTPConnection(place.hostname or "", place.port or 80, timeout=SECONDS)
        path = f"/api/projects/{caller.team}/hog_functions/{function}/invocations"
        try:
            connection.request("POST", path, request.body, {"content-type": "application/json"})
            answer = connection.getresponse()
            return as_json(answer.status, json.loads(answer.read()))
        except (OSError, HTTPException, ValueError):
            return fault(503, "server_error", "error", "Destinations do not answer.")
        finally:
            connection.close()

"""What `plugins` answers: its health, and destinations tried out for `web` (nodejs/src/cdp/cdp-api.ts)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stand_in.asgi import Handler, Reply, Request, as_json, text
from stand_in.delivery import DeliveryError, deliver
from stand_in.destinations import job
from stand_in.transformations import KIND, TEMPLATES, applied, is_for

if TYPE_CHECKING:
    from stand_in.optional_tables import Tables


@dataclass(frozen=True)
class Api:
    """What `web` asks of us (nodejs/src/cdp/cdp-api.ts)."""

    tables: Tables
    ca_file: str

    def invoke(self, request: Request, team: str, which: str) -> Reply:
        """POST .../hog_functions/ID/invocations: try a destination with an event; mocked unless it says otherwise."""
        try:
            fields = request.fields()
            event = fields["globals"]["event"]
            row = {**event, "team_id": int(team), "properties": event.get("properties") or {}}
            found = self.tables.function(int(team), which)
            if found and found["type"] == KIND:
                return _tried(found, row)
            made = job(found, row) if found else None
        except (ValueError, KeyError, TypeError):
            return as_json(400, {"error": "Missing event"})
        if made is None:
            return as_json(404, {"error": "Hog function not found"})
        log = f"would post to {made['parameters']['url']}"
        errors: list[str] = []
        if fields.get("mock_async_functions", True) is False:
            try:
                status = deliver(made["parameters"]["url"], made["parameters"]["body"], self.ca_file)
                log = f"posted to {made['parameters']['url']}: {status}"
            except DeliveryError as error:
                errors.append(str(error))
        answer = {"result": None, "status": "error" if errors else "success", "errors": errors}
        return as_json(200, {**answer, "logs": [{"level": "info", "message": log}], "stand_in": True})


def _tried(function: dict[str, Any], event: dict[str, Any]) -> Reply:
    """Answer with what a transformation makes of an event; nothing is kept of it."""
    runs = is_for(function, event)
    result = {**event, "properties": applied(event["properties"], function)} if runs else event
    answer = {"result": result, "status": "success" if runs else "skipped", "errors": [], "logs": []}
    return as_json(200, {**answer, "stand_in": True})


def handler(api: Api, alive: Callable[[], bool]) -> Handler:
    """Return what answers requests."""

    def answer(request: Request) -> Reply:
        words = request.path.strip("/").split("/")
        if words in (["_health"], ["_ready"]):
            return as_json(200, {"status": "ok"}) if alive() else as_json(503, {"status": "error"})
        match words:
            case ["api", "projects", team, "hog_functions", which, "invocations"] if request.method == "POST":
                return api.invoke(request, team, which)
            case ["api", "projects", _, "hog_functions", _, "status"] if request.method == "GET":
                # Nothing watches here: what is on, runs.
                return as_json(200, {"state": 1, "tokens": 0})
            case ["api", "hog_function_templates"] if request.method == "GET":
                return as_json(200, list(TEMPLATES))
            case ["public", "webhooks" | "m", *_]:
                # Incoming webhooks and the pixels of e-mails have a source of events behind them; here there is none.
                return as_json(404, {"error": "Not found"})
        return text(404, "not found")

    return answer

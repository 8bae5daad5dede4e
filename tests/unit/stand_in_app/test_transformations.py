"""What the stand-in does to an event before it is written, and what its API says of transformations."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from stand_in.asgi import Request
from stand_in.cdp_api import Api, handler
from stand_in.transformations import INPUT, TEMPLATE, TEMPLATES, input_fault, transformed

from tests.unit.stand_in_app.functions import Functions

PROPERTIES = {"email": "a@b", "page": "/", "$set": {"email": "a@b", "plan": "pro"}, "form": None, "list": [1]}
ROW = {"uuid": "u1", "event": "visit", "team_id": 7, "distinct_id": "jane", "properties": json.dumps(PROPERTIES)}


def function(names: str, **values: Any) -> dict[str, Any]:
    return {
        "team_id": 7, "type": "transformation", "enabled": True, "template_id": TEMPLATE, "hog": TEMPLATES[0]["code"],
        "inputs": {INPUT: {"value": names}}, "filters": None, "execution_order": 1,
        "created_at": datetime(2026, 11, 25, tzinfo=UTC), **values,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("functions", "changed"),
    [
        ([], {}),
        ([function("email")], {"email": None}),
        ([function(" email , page,")], {"email": None, "page": None}),
        ([function("$set.email")], {"$set": {"email": None, "plan": "pro"}}),
        ([function("other, $set.other, $set_once.email, list.email, page.email")], {}),
        ([function("email, form.name")], {}),  # fails at null: what it did until then does not count
        ([function("email"), function("form.name")], {"email": None}),
        ([function("email", team_id=8)], {}),
        ([function("email", hog="return event")], {}),
        ([function("email", template_id="template-geoip")], {}),
        ([function("email", filters={"events": [{"id": "leave"}]})], {}),
        ([function("email", filters={"events": [{"id": "visit"}]})], {"email": None}),
        ([function("email", inputs=None)], {}),
    ],
)
def test_an_event_goes_through_the_transformations_of_its_project(
    functions: list[dict[str, Any]], changed: dict[str, Any]
) -> None:
    [(key, row)] = transformed([("u1", dict(ROW))], functions)
    assert (key, json.loads(row["properties"])) == ("u1", {**PROPERTIES, **changed})


@pytest.mark.parametrize("inputs", [None, {}, {INPUT: "email"}, {INPUT: {"value": ""}}, {INPUT: {"value": ["email"]}}])
def test_inputs_are_what_the_template_asks_for(inputs: Any) -> None:
    assert input_fault(inputs)
    assert not input_fault({INPUT: {"value": "email"}})


def asked(method: str, path: str, body: Any = None) -> tuple[int, Any]:
    kept = Functions()
    kept.add_function(7, function("email"))
    answer = handler(Api(kept, ""), lambda: True)  # type: ignore[arg-type]  # in memory
    reply = answer(Request(method, path, body=json.dumps(body).encode()))
    return reply.status, json.loads(reply.body)


def test_one_is_tried_with_an_event_of_which_nothing_is_kept() -> None:
    event = {**ROW, "timestamp": "2026-11-25T10:00:00Z", "properties": PROPERTIES}
    status, told = asked("POST", "/api/projects/7/hog_functions/f1/invocations", {"globals": {"event": event}})
    assert (status, told["status"]) == (200, "success")
    assert told["result"]["properties"] == {**PROPERTIES, "email": None}
    assert asked("GET", "/api/projects/7/hog_functions/f1/status") == (200, {"state": 1, "tokens": 0})


def test_templates_come_from_the_service_of_destinations() -> None:
    status, told = asked("GET", "/api/hog_function_templates")
    assert (status, [each["id"] for each in told]) == (200, [TEMPLATE])

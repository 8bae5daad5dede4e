"""The check of object storage's rights: its judgement, and its questions put to the stand-in's own server."""

from __future__ import annotations

import copy
import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checks import test_objects as checks
from tests.unit.stand_in_app.test_object_store import Running, running
from tests.unit.test_verify import sheet_of
from tests.unit.told import Told, outcome

__all__ = ["running"]
SOURCE = Path(__file__).parents[2] / "checks/on_host/keepers.py"
SHEET = sheet_of()
HOPS = tuple((name.removeprefix("hedgerow-"), "seaweedfs", "192.0.2.10", 8333) for name in checks.MAY)
YES, NO = [404, ""], [403, ""]


def told(service: str) -> dict[str, Any]:
    """Return what a service is told where everything is as it should be."""
    may = checks.MAY[service]
    return {
        "key": True,
        "may": {
            bucket: {action: YES if action in may.get(bucket, set()) else NO for action in checks.ALL}
            for bucket in checks.BUCKETS
        },
        "strangers": {"nobody": NO, "a wrong secret": NO, "the published any": NO},
    }


WELL = {service: told(service) for service in checks.MAY}
WEB, RECORDER, PLAYER = "hedgerow-web", "hedgerow-ingestion-sessionreplay", "hedgerow-recording-api"
CASES: list[tuple[tuple[str | int, ...], Any, str, str]] = [
    ((), None, "pass", ""),
    ((WEB, "may", "recordings", "Read"), YES, "fail", "beyond its bucket: hedgerow-web: Read recordings"),
    ((PLAYER, "may", "recordings", "Write"), [204, ""], "fail", "Write recordings"),
    ((RECORDER, "may", "recordings", "List"), [200, ""], "fail", "List recordings"),
    ((WEB, "strangers", "nobody"), [200, ""], "fail", "let in: hedgerow-web: nobody"),
    ((WEB, "strangers", "the published any"), [404, ""], "fail", "the published any"),
    ((RECORDER, "may", "recordings", "Write"), NO, "fail", "closed to a service that needs it"),
    ((WEB, "may", "posthog", "Read"), [0, "refused"], "error", "no answer"),
    ((WEB, "key"), False, "error", "has no key"),
]


@pytest.mark.parametrize(("place", "value", "status", "reason"), CASES)
def test_what_the_services_were_told_decides(place: tuple[str, ...], value: Any, status: str, reason: str) -> None:
    found = copy.deepcopy(WELL)
    if place:
        *way, last = place
        node: Any = found
        for step in way:
            node = node[step]
        node[last] = value
    sheet = replace(SHEET, declared=replace(SHEET.declared, hops=HOPS))
    said = outcome(
        lambda host, finding: checks.test_each_service_has_its_bucket_and_nobody_else_anything(finding, host, sheet),
        {"python3": json.dumps(found)},
    )
    assert said[0] == status
    assert reason in said[1]


def test_where_nothing_uses_it_nothing_is_said() -> None:
    sheet = replace(SHEET, declared=replace(SHEET.declared, hops=()))
    check = checks.test_each_service_has_its_bucket_and_nobody_else_anything
    assert outcome(lambda host, finding: check(finding, host, sheet), {})[0] == "not-exercised"
    assert Told({}).asked == []


def test_its_questions_are_answered_by_who_they_are_asked_as(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed by the program that runs on hosts, judged by a server that botocore's signatures were tried with."""
    program = tmp_path / "keepers.py"
    program.write_text(SOURCE.read_text().partition("\n# A unit's main process")[0])
    monkeypatch.setattr(sys, "argv", ["", "{}", "localhost", str(running.places.ca), "[]", "[]"])
    ask = runpy.run_path(str(program))["ask"]
    place, web = ("127.0.0.1", running.places.port), ("web", "secret-web")
    assert ask(place, web, "GET", "/exports/nothing") == [404, ""]
    assert ask(place, web, "DELETE", "/exports/nothing") == [204, ""]
    assert ask(place, web, "GET", "/exports", "list-type=2&max-keys=0") == [200, ""]
    assert ask(place, web, "GET", "/recordings/nothing") == [403, ""]
    assert ask(place, ("web", "secret-webx"), "GET", "/exports/nothing") == [403, ""]
    assert ask(place, ("any", "any"), "GET", "/exports/nothing") == [403, ""]
    assert ask(place, None, "GET", "/exports/nothing") == [403, ""]
    assert ask(("127.0.0.1", 1), web, "GET", "/exports/nothing")[0] == 0

"""Whether declared properties are really taken out of events: what is on, what comes first, and what that does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from checks.on_host import program
from hedgerow.checking import CouldNotAsk, NotExercised

TEMPLATE, INPUT = "template-filter-properties", "propertiesToFilter"
FILTERING = ("events", "actions", "properties", "filter_test_accounts")
OF_PERSON = ("$set", "$set_once")
STOPPED = (3, 12)  # upstream's HogWatcherState: out of service, by its watcher or by hand
VALUE, HARMLESS = "hedgerow-would-be-private", "hedgerow_harmless"


def places(names: Sequence[str]) -> list[str]:
    """Return where a declared property must be gone: in the event, and in what the event sets of its person."""
    return [place for name in names for place in (name, *(f"{kind}.{name}" for kind in OF_PERSON))]


def invented(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the properties of two events that hold what must go and something that must stay.

    In the second all objects but the first that leads to something are null: upstream's template fails at null, and
    must not leave the rest as it was.
    """
    whole: dict[str, Any] = {HARMLESS: VALUE}
    for place in places(names):
        *parents, last = place.split(".")
        inner = whole
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = VALUE
    hollow = {key: None if isinstance(value, dict) else value for key, value in whole.items()}
    return [whole, {**hollow, "$set_once": whole["$set_once"]}]


def question(names: Sequence[str]) -> str:
    """Return the command that reads what is on and tries what comes first."""
    return program("transformations", "hedgerow-web", TEMPLATE, json.dumps(invented(names)))


def fault(project: Mapping[str, Any], names: Sequence[str]) -> str:
    """Say why a project keeps what it should not, or nothing. Raises CouldNotAsk where the trial had no answer."""
    if why := unsettled(project["functions"], names):
        return why
    if project["unanswered"]:
        raise CouldNotAsk(f"the service of destinations could not try it: {project['unanswered']}")
    if kept := [place for made in project["made"] for place in places(names) if at(made, place) is not None]:
        return f"tried out, they keep {', '.join(dict.fromkeys(kept))}"
    if any(made.get(HARMLESS) != VALUE for made in project["made"]):
        return "tried out, they take out more than is declared"
    return ""


def unsettled(functions: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """Say what is missing among the transformations that run before any of another kind, or nothing."""
    covered: set[str] = set()
    for each in functions:
        filters = each["filters"] or {}
        if each["template"] != TEMPLATE or any(filters.get(name) for name in FILTERING):
            break
        if each.get("state") in STOPPED:
            return f"{each['name']!r} was taken out of service (state {each['state']})"
        listed = ((each["inputs"] or {}).get(INPUT) or {}).get("value") or ""
        covered |= {name.strip() for name in listed.split(",")}
    missing = [place for place in places(names) if place not in covered]
    return f"nothing that runs first, on every event, takes out {', '.join(missing)}" if missing else ""


def at(properties: Any, place: str) -> Any:
    """Return what a path leads to, or None."""
    for part in place.split("."):
        properties = properties.get(part) if isinstance(properties, dict) else None
    return properties


@pytest.mark.control("posthog.properties-dropped")
def test_what_must_not_be_kept_is_taken_out_first(finding, host, declared):
    """Events that nobody sent are tried, so that the words of a setting need not be believed."""
    if not declared.posthog or not declared.services:
        raise NotExercised("PostHog is not deployed on this host")
    names = declared.drop_properties
    if not names:
        raise NotExercised("privacy.drop_properties is not declared")
    finding.expect(f"in every project, {', '.join(names)} taken out before any other transformation, and nothing else")
    projects = json.loads(finding.ask(host, question(names), timeout=60).stdout)
    if not projects:
        raise CouldNotAsk("there is no project yet")
    finding.observe(
        "; ".join(f"{each['name']}: {[row['name'] for row in each['functions']] or 'nothing on'}" for each in projects)
    )
    wrong = {each["name"]: why for each in projects if (why := fault(each, names))}
    assert not wrong, "; ".join(f"{name}: {why}" for name, why in wrong.items())

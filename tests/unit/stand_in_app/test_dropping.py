"""Transformations of ours, held to a list over real HTTP against the stand-in's own handlers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stand_in.transformations import TEMPLATE, TEMPLATES

from tests.unit.stand_in_app.test_settings_module import PostHog, Run, columns, dropping, posthog, run

__all__ = ["columns", "posthog", "run"]

PATHS = ["email", "phone", "$set.email", "$set_once.email"]
NAME = dropping.NAME
NAMES = [NAME, f"{NAME}, in $set", f"{NAME}, in $set_once"]


def on(posthog: PostHog) -> list[dict[str, Any]]:
    """Return the transformations that are on, in their order."""
    return dropping.in_order([row for row in posthog.functions.functions(7) if row["enabled"]])


def somebodys(posthog: PostHog, **values: Any) -> str:
    """Add a transformation that a person made."""
    inputs = {"propertiesToFilter": {"value": "page"}}
    made = {"name": "Hers", "type": "transformation", "enabled": True, "template_id": TEMPLATE, "inputs": inputs}
    return posthog.functions.add_function(7, {"execution_order": 1, **made, **values})


def test_each_object_has_one_that_takes_out_what_is_declared_of_it(posthog: PostHog, run: Run) -> None:
    run()
    first = run(drop_properties=PATHS)
    assert first["changed"] is True
    assert f"project 7: {NAME}: properties" in first["changes"]
    told = [(row["name"], row["inputs"]["propertiesToFilter"]["value"], row["template_id"]) for row in on(posthog)]
    assert told == list(zip(NAMES, ["email,phone", "$set.email", "$set_once.email"], [TEMPLATE] * 3, strict=True))
    second = run(drop_properties=PATHS)
    assert (second["changed"], second["changes"], posthog.changed) == (False, [], [])


def test_check_mode_tells_and_makes_nothing(posthog: PostHog, run: Run) -> None:
    run()
    told = run(check=True, drop_properties=PATHS)
    assert [change for change in told["changes"] if change.endswith("properties")] == [
        f"project 7: {name}: properties" for name in NAMES
    ]
    assert (posthog.functions.kept, posthog.changed) == ({}, [])
    run(drop_properties=PATHS)
    posthog.functions.change_function(7, "f1", {"enabled": False})
    assert run(check=True, drop_properties=PATHS)["changes"] == [f"project 7: {NAME}: enabled"]
    assert posthog.functions.kept["f1"]["enabled"] is False


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        ({"enabled": False}, "enabled"),
        ({"inputs": {"propertiesToFilter": {"value": "phone"}}}, "properties"),
        ({"filters": {"events": [{"id": "visit"}]}}, "filters"),
        ({"hog": "return event"}, "code"),
    ],
)
def test_what_somebody_changed_is_put_right(posthog: PostHog, run: Run, broken: dict[str, Any], word: str) -> None:
    run(drop_properties=PATHS)
    before = dict(posthog.functions.kept["f1"])
    posthog.functions.change_function(7, "f1", broken)
    again = run(drop_properties=PATHS)
    assert f"project 7: {NAME}: {word}" in again["changes"]
    assert {**posthog.functions.kept["f1"], "execution_order": 1} == {**before, "execution_order": 1}
    assert {row["name"] for row in on(posthog)} == {*NAMES}
    assert run(drop_properties=PATHS)["changed"] is False


def test_a_list_that_differs_is_written_anew(posthog: PostHog, run: Run) -> None:
    run(drop_properties=PATHS)
    again = run(drop_properties=["email", "form.name"])
    assert {row["name"] for row in on(posthog)} == {NAME, f"{NAME}, in form"}
    assert f"project 7: {NAMES[1]}" in again["changes"]
    assert posthog.functions.kept["f1"]["inputs"]["propertiesToFilter"]["value"] == "email"
    assert posthog.functions.kept["f2"]["deleted"] is True


def test_they_run_before_everybody_elses(posthog: PostHog, run: Run) -> None:
    hers = somebodys(posthog)
    first = run(drop_properties=PATHS)
    assert [row["name"] for row in on(posthog)] == [*NAMES, "Hers"]
    assert "project 7: order" in first["changes"]
    posthog.functions.change_function(7, hers, {"execution_order": 0})
    assert run(check=True, drop_properties=PATHS)["changes"] == ["project 7: order"]
    assert run(drop_properties=PATHS)["changes"] == ["project 7: order"]
    assert run(drop_properties=PATHS)["changed"] is False
    assert [row["name"] for row in on(posthog)] == [*NAMES, "Hers"]


def test_without_a_declaration_ours_go_and_others_stay(posthog: PostHog, run: Run) -> None:
    somebodys(posthog)
    assert f"project 7: {NAME}: enabled" in run(drop_properties=PATHS)["changes"]
    posthog.delivers = False  # the feature went too: nobody has templates any more
    gone = run()
    assert gone["changes"] == [f"project 7: {name}" for name in NAMES]
    assert [row["name"] for row in on(posthog)] == ["Hers"]
    assert run()["changed"] is False


def test_two_of_a_name_and_another_template_under_it_make_way(posthog: PostHog, run: Run) -> None:
    run(drop_properties=["email"])
    somebodys(posthog, name=NAME)
    posthog.templates.append({**TEMPLATES[0], "id": "template-of-hers"})
    somebodys(posthog, name=NAME, template_id="template-of-hers", execution_order=0)
    run(drop_properties=["email"])
    assert [row["id"] for row in on(posthog)] == ["f1"]


def test_a_template_that_web_has_not_yet_is_fetched(
    posthog: PostHog, run: Run, columns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By upstream's command in web's container, again until the service that has it is up."""
    held, posthog.templates = posthog.templates, []
    monkeypatch.setattr(dropping.time, "sleep", lambda _: posthog.templates.extend(held))
    assert run(drop_properties=["email"])["changed"] is True
    assert [row["name"] for row in on(posthog)] == [NAME]
    assert columns.with_name("fetched").read_text() == "manage.py sync_hog_function_templates\n" * 2


def test_a_template_that_never_comes_is_told(posthog: PostHog, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropping, "WAIT", 0.5)
    monkeypatch.setattr(dropping, "PAUSE", 0.1)
    posthog.templates = []
    told = run(drop_properties=["email"])["msg"]
    assert f"No template found for id '{TEMPLATE}'" in told
    assert "hedgerow-plugins: does that run? Error fetching" in told


def test_more_than_a_project_may_have_is_told_in_upstreams_words(posthog: PostHog, run: Run) -> None:
    for _ in range(20):
        somebodys(posthog)
    assert "Maximum of 20 enabled" in run(drop_properties=["email"])["msg"]


def test_what_upstreams_watcher_stopped_is_no_longer_on() -> None:
    row = {"enabled": True, "status": {"state": 3}, "inputs": None, "filters": None, "hog": "", "template": None}
    assert dropping.state(row)["enabled"] is False
    assert dropping.state({**row, "status": {"state": 1}})["enabled"] is True


def test_blanks_that_saving_takes_off_are_no_difference() -> None:
    row = {"enabled": True, "inputs": None, "filters": {"bytecode": [1]}, "hog": "a", "template": {"code": "\na\n "}}
    assert dropping.state(row) == {"enabled": True, "properties": None, "filters": {}, "code": "the template's"}

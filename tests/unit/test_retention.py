"""How long events are kept: which tables are changed, and what the check makes of them."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace

import pytest

from checks import test_clickhouse as checks
from tests.unit.test_service_modules import load
from tests.unit.told import DECLARED, outcome

module = load("plugins/modules/hedgerow_clickhouse_retention.py")
ENGINE = "ReplacingMergeTree(created_at) PARTITION BY toYYYYMM(timestamp) ORDER BY team_id"
OURS = " TTL toDate(timestamp) + toIntervalDay({})"
THEIRS = " TTL _timestamp + toIntervalDay(7)"
SETTINGS = " SETTINGS index_granularity = 8192"


@pytest.mark.parametrize(
    ("engine", "changed"),
    [
        (ENGINE + SETTINGS, True),
        (ENGINE, True),
        (ENGINE + OURS.format(30) + SETTINGS, False),
        (ENGINE + OURS.format(31) + SETTINGS, True),
        (ENGINE + THEIRS + SETTINGS, False),
        (ENGINE + THEIRS, False),
    ],
)
def test_a_table_is_changed_that_keeps_for_another_time(engine: str, changed: bool) -> None:
    assert module.wrong([["events", engine]], 30) == ["events"] * changed


def test_a_name_is_no_statement() -> None:
    assert module.keep("a`b", 9) == "ALTER TABLE `a\\`b` MODIFY TTL toDate(timestamp) + toIntervalDay(9)"


class Ansible:
    """What the module needs of Ansible; ClickHouse has one table, with so many older events."""

    def __init__(self, engine: str, older: int, *, may_delete: bool = False, check_mode: bool = False) -> None:
        self.params = {"container": "hedgerow-web", "days": 30, "may_delete": may_delete}
        self.engine, self.older, self.check_mode = engine, older, check_mode
        self.said: list[str] = []

    def run_command(self, line: list[str], data: str = "") -> tuple[int, str, str]:
        assert line == ["podman", "exec", "--interactive", "hedgerow-web", "python3", "-"]
        ast.parse(data)
        found = re.search(r"json\.loads\((.*)\):", data)
        assert found
        statements = json.loads(ast.literal_eval(found[1]))
        self.said += [each.split()[0] for each in statements]
        answers = {"FROM system.tables": [["events", self.engine]], "count()": [[self.older]]}
        return 0, json.dumps([next((a for key, a in answers.items() if key in each), []) for each in statements]), ""


@pytest.mark.parametrize(
    ("ansible", "changed", "altered"),
    [
        (Ansible(ENGINE, 0), ["events"], True),
        (Ansible(ENGINE + OURS.format(30), 9), [], False),
        (Ansible(ENGINE, 9, may_delete=True), ["events"], True),
        (Ansible(ENGINE, 0, check_mode=True), ["events"], False),
    ],
)
def test_a_retention_is_set_once(ansible: Ansible, changed: list[str], altered: bool) -> None:
    assert module.held(ansible) == changed
    assert ("ALTER" in ansible.said) is altered


def test_nothing_that_is_there_goes_without_a_word() -> None:
    ansible = Ansible(ENGINE, 9)
    with pytest.raises(module.RefusedError, match="9 events are older"):
        module.held(ansible)
    assert "ALTER" not in ansible.said


@pytest.mark.parametrize(
    ("tables", "status", "reason"),
    [
        ({"events": ENGINE + OURS.format(30) + SETTINGS}, "pass", ""),
        ({"events": ENGINE + OURS.format(30), "events_recent": ENGINE + THEIRS + SETTINGS}, "pass", ""),
        ({"events": ENGINE + SETTINGS}, "fail", "events keeps events for ever"),
        ({"events": ENGINE + OURS.format(31)}, "fail", "events keeps events for 31 days"),
        ({"events": ENGINE + OURS.format(30) + " TO DISK 'cold'"}, "fail", "as its own TTL has it"),
        ({"events": ENGINE + OURS.format(29)}, "fail", "sooner than declared"),
        ({}, "error", "no table of events"),
    ],
)
def test_the_check_passes_and_fails(tables: dict[str, str], status: str, reason: str) -> None:
    words = "\n".join(f"{name}\t{engine}" for name, engine in tables.items())

    def ask(_host, finding):
        finding.asked("told")
        told = {"hedgerow-web": {"user": "posthog_web", "events": [200, words]}}
        checks.test_events_go_when_their_time_is_over(finding, replace(DECLARED, keep_days=30), told)

    found, why = outcome(ask, {})
    assert (found, reason in why) == (status, True), why

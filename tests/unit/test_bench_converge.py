"""The figures of the converge benchmark: what an item is, and what is measured of a run."""

from __future__ import annotations

from typing import Any

import pytest

from bench.converge import Counter, figures, items


@pytest.mark.parametrize(
    ("result", "number"),
    [
        ({}, 1),
        ({"invocation": {"module_args": {"name": "cron", "state": "absent"}}}, 1),
        ({"invocation": {"module_args": {"name": ["cron", "at"]}}}, 2),
        ({"invocation": {"module_args": {"files": [{}, {}], "folders": [{}], "values": {"a": 1, "b": 2}}}}, 5),
        ({"invocation": {"module_args": {"files": []}}}, 1),
        ({"results": [{"invocation": {"module_args": {"name": ["a", "b"]}}}, {}, {"skipped": True}]}, 3),
        ({"results": ["what apt has told, say"], "invocation": {"module_args": {"name": ["a", "b", "c"]}}}, 3),
        ({"censored": "the output has been hidden"}, 1),
    ],
)
def test_an_item_is_what_a_call_is_to_bring_about(result: dict[str, Any], number: int) -> None:
    assert items(result) == number


def test_what_was_skipped_is_no_task_and_a_failure_is_kept_unless_it_was_allowed() -> None:
    counter = Counter()
    counter({"event": "runner_on_ok", "event_data": {"res": {"changed": True}}})
    counter({"event": "runner_on_ok", "event_data": {"res": {"changed": False}}})
    counter({"event": "runner_on_skipped", "event_data": {"res": {}}})
    counter({"event": "runner_on_failed", "event_data": {"task": "Look", "res": {}, "ignore_errors": True}})
    assert (counter.tasks, counter.items, counter.changed, counter.failed) == (2, 2, 1, "")
    counter({"event": "runner_on_failed", "event_data": {"task": "Do", "res": {"msg": "no"}}})
    assert counter.failed == "Do: no"


def test_an_item_costs_what_the_run_took_by_the_items_of_that_run() -> None:
    first, later = Counter(tasks=10, items=40, changed=30), Counter(tasks=8, items=20)
    told = figures((8.0, first), [(1.0, later), (2.0, later), (3.0, later)])
    assert told["milliseconds an item"] == {"first converge": 200.0, "nothing to do": 100.0}
    assert told["first converge"] == {"seconds": 8.0, "changed": 30}
    assert told["nothing to do"] == {"seconds": 2.0, "changed": 0, "runs": 3}

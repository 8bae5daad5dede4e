"""What the event log's check expects, and its words for an access list that is another one."""

from __future__ import annotations

import pytest

from checks.test_eventlog import MAY, TOPICS, assert_rights
from hedgerow.checking import CouldNotAsk
from hedgerow.services import load_table


def test_the_check_knows_every_service_that_may_see_these_topics() -> None:
    """It keeps its own list, so that a row that asks for more is seen by a person as well."""
    rows = {f"hedgerow-{row.name}": row.topics for row in load_table().services if row.topics}
    seen = {name: {*topics.writes, *topics.reads} & {*TOPICS} for name, topics in rows.items()}
    assert {name: found for name, found in seen.items() if found} == {name: each for name, each in MAY.items() if each}


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (["a read topic x", "b write topic y"], "granted, and nobody declared it: b write topic y"),
        ([], "declared, and not granted: a read topic x"),
    ],
)
def test_an_access_list_that_is_another_one_is_told(held: list[str], words: str) -> None:
    assert_rights({"rights": ["a read topic x"], "why": ""}, ("a read topic x",))
    with pytest.raises(AssertionError, match=words):
        assert_rights({"rights": held, "why": ""}, ("a read topic x",))


def test_a_log_that_does_not_answer_is_no_failure() -> None:
    with pytest.raises(CouldNotAsk, match="timed out"):
        assert_rights({"rights": [], "why": "timed out"}, ())

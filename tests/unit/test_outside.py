"""The view from outside, with this machine as the host, and what checks make of it."""

from __future__ import annotations

import socket

import pytest

from checks import test_outside as outside_checks
from hedgerow.checking import CouldNotAsk, Finder, NotExercised
from hedgerow.outside import OPEN, REFUSED, SILENT, Outside
from hedgerow.verify_plugin import verdict
from tests.unit.test_verify import sheet_of

OFFICE, STRANGER = "192.0.2.250", "198.51.100.9"


@pytest.fixture
def door():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def closed():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def test_doors_open_and_closed_from_several_addresses(door, closed):
    look = Outside("127.0.0.1", "127.0.0.2", "127.0.0.3")
    assert look.knock("127.0.0.2", [door, closed]) == {door: OPEN, closed: REFUSED}
    assert look.knock_all({"127.0.0.2": [door], "127.0.0.3": [closed]}) == {
        "127.0.0.2": {door: OPEN},
        "127.0.0.3": {closed: REFUSED},
    }


def test_whoever_connects_comes_from_the_address_it_says(door):
    with Outside("127.0.0.1", "127.0.0.2", "").connect("127.0.0.2", door) as connection:
        assert connection.getsockname()[0] == "127.0.0.2"


def test_an_address_that_is_not_ours_is_a_question_not_asked(door):
    with pytest.raises(CouldNotAsk, match="cannot connect from 192\\.0\\.2\\.77"):
        Outside("127.0.0.1", "", "").knock("192.0.2.77", [door])


def test_without_a_second_address_there_is_no_stranger():
    with pytest.raises(NotExercised):
        Outside("127.0.0.1", "127.0.0.2", "").as_stranger()


SEEN = {OFFICE: {80: OPEN, 443: OPEN, 5432: SILENT, 8081: SILENT}, STRANGER: {22: SILENT, 443: OPEN, 5432: SILENT}}


def more(source: str, port: int) -> dict[str, dict[int, str]]:
    return SEEN | {source: SEEN[source] | {port: OPEN}}


LOOKS = [
    ("only", SEEN, "pass", ""),
    ("only", more(OFFICE, 8081), "fail", f"8081 to {OFFICE}"),
    ("only", more(STRANGER, 22), "fail", f"22 to {STRANGER}"),
    ("only", more(STRANGER, 5432), "fail", f"5432 to {STRANGER}"),
    ("data", SEEN, "pass", ""),
    ("data", more(OFFICE, 5432), "fail", f"5432 to {OFFICE}"),
    ("ssh", SEEN, "pass", ""),
    ("ssh", more(STRANGER, 22), "fail", STRANGER),
]


@pytest.mark.parametrize(("which", "looked", "status", "words"), LOOKS)
def test_what_was_seen_is_judged_by_the_declaration(which, looked, status, words):
    sheet = sheet_of()
    edge = type(sheet.host)("one", "192.0.2.1", "192.0.2.1", "debian", roles=("edge", "data"))
    finder = Finder()
    outside = Outside("192.0.2.1", OFFICE, STRANGER)
    problem = None
    try:
        if which == "only":
            outside_checks.test_only_declared_ports_answer(finder, sheet.declared, edge, looked)
        elif which == "data":
            outside_checks.test_databases_answer_nobody_outside(finder, edge, looked)
        else:
            outside_checks.test_strangers_get_no_answer_from_ssh(finder, sheet.declared, outside, looked)
    except AssertionError as failure:
        problem = failure
    seen = verdict(problem, finder.as_fields)
    assert (seen[0], words in seen[1]) == (status, True), seen

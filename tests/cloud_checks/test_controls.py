"""Every control of the cloud's side is seen to pass on a hardened account, and to fail where that one thing is broken."""

from __future__ import annotations

import re

import pytest

from hedgerow.cloud_reading import READS, Reader, masked, policy
from tests.cloud_checks.conftest import CONTROLS, SHEET, asked, apart
from tests.cloud_checks.sabotage import ALSO, BREAK


def test_a_hardened_account_holds_every_control(account):
    found = asked()
    assert {control: said["reason"] for control, said in found.items() if said["status"] != "pass"} == {}
    assert set(found) == set(CONTROLS)
    assert len(CONTROLS) >= 45


def test_a_finding_says_what_was_asked_seen_and_expected_and_names_no_account(account):
    for control, said in asked().items():
        assert all(said[part] for part in ("asked", "observed", "expected", "at")), control
        assert re.match(r"\w+:[A-Z]\w+ ", said["asked"]), said["asked"]
        assert not re.search(r"\d{12}", "".join(map(str, said.values()))), said


def test_every_control_has_its_sabotage():
    assert set(BREAK) == set(CONTROLS)
    assert set(ALSO) <= set(BREAK)
    assert set().union(*ALSO.values()) <= set(CONTROLS)


@pytest.mark.parametrize("control", CONTROLS)
def test_what_is_broken_fails_and_nothing_else(account, control):
    def break_and_ask():
        BREAK[control](account)
        return {name: (said["status"], said["reason"]) for name, said in asked().items() if said["status"] != "pass"}

    seen = apart(break_and_ask)
    assert {name: "fail" for name in {control} | ALSO.get(control, set())} == {
        name: status for name, (status, _) in seen.items()
    }, seen
    assert all(reason for _, reason in seen.values())


class Recording(Reader):
    """A reader that remembers what it was asked."""

    def __init__(self, session) -> None:
        super().__init__(session)
        self.asked: set[str] = set()

    def once(self, question, make):
        self.asked.add(question.partition(" ")[0])
        return super().once(question, make)

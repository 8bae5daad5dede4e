"""What several checks gather the same way: a walk over a disk on which others work."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace

import pytest

from checks.gathered import walk
from checks.test_accounts import test_nobody_has_opened_the_envelope as nobody_came
from hedgerow.checking import Answer, CouldNotAsk, Finder
from tests.unit.told import DECLARED

GONE = "find: '/var/tmp/systemd-private-1': No such file or directory\n"


@dataclass
class Says:
    """A host that answers every question alike."""

    code: int
    stdout: str = ""
    stderr: str = ""

    @property
    def backend(self) -> Says:
        return self

    def question(self, command: str, _seconds: float, _fresh: bool) -> Answer:
        return Answer(command, self.code, self.stdout, self.stderr, 0.0)


@pytest.mark.parametrize("code", [0, 1, 123])
def test_what_is_removed_during_a_walk_is_no_failure(code):
    assert walk(Says(code, "/a\n/b\n", GONE), Finder(), "find /", codes=(123,)) == ["/a", "/b"]


@pytest.mark.parametrize(
    "says",
    [
        Says(1, "/a\n", "find: '/srv': Input/output error\n"),
        Says(1, "/a\n", GONE + "find: '/srv': Permission denied\n"),
        Says(1, "/a\n", ""),
        Says(2, "", ""),
        Says(127, "", "bash: find: command not found\n"),
    ],
)
def test_a_walk_that_has_not_seen_all_is_no_answer(says):
    with pytest.raises(CouldNotAsk):
        walk(says, Finder(), "find /")


def test_find_says_so_in_the_words_that_are_looked_for(tmp_path):
    done = subprocess.run(
        ["find", str(tmp_path / "gone"), "-type", "f"],
        check=False,
        capture_output=True,
        text=True,
        env={"LC_ALL": "C.UTF-8"},
    )
    assert walk(Says(done.returncode, done.stdout, done.stderr), Finder(), "find") == []


def test_a_journal_that_fails_does_not_say_that_nobody_came():
    declared = replace(DECLARED, sealed=(("safe", 1_700_000_000),))
    with pytest.raises(CouldNotAsk, match="does not answer"):
        nobody_came(Says(1, "", "Failed to open files: Permission denied\n"), Finder(), declared)

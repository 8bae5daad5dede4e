"""What is kept of the packages of a host, and what the check says of what is there now."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from checks import test_packages as checks
from hedgerow import baseline
from tests.unit.told import DECLARED, outcome

SAID = "libc6:amd64 2.41-12\nprocps 2:4.0.4-9\nempty 1\n\naaa  libc6:amd64.md5sums\nbbb  procps.md5sums\n"
SEEN = {"libc6:amd64 2.41-12": "aaa", "procps 2:4.0.4-9": "bbb"}


def test_what_a_host_says_is_read() -> None:
    assert baseline.read(SAID) == SEEN
    assert baseline.read("") == {}


def test_what_is_known_stays() -> None:
    again = baseline.with_new(SEEN, {"procps 2:4.0.4-9": "other", "procps 2:4.0.4-10": "ccc"})
    assert again == {**SEEN, "procps 2:4.0.4-10": "ccc"}


@pytest.mark.parametrize(
    ("known", "said", "status", "words"),
    [
        (SEEN, SAID, "pass", ""),
        ({}, SAID, "pass", ""),
        (SEEN, SAID.replace("4.0.4-9", "4.0.4-10").replace("bbb", "ccc"), "pass", ""),
        (SEEN, SAID.replace("bbb", "ccc"), "fail", "procps"),
        (SEEN, SAID.replace("bbb  procps.md5sums\n", ""), "fail", "procps"),
        (None, SAID, "not-exercised", "this run takes its baseline"),
        (SEEN, "\n\n", "error", "no package"),
    ],
)
def test_a_list_that_was_changed_is_told(
    tmp_path: Path, known: dict | None, said: str, status: str, words: str
) -> None:
    path = tmp_path / "host.json"
    if known is not None:
        path.write_text(json.dumps(known))
    declared = replace(DECLARED, baseline_file=str(path))
    found = outcome(checks.test_the_sums_are_those_that_were_first_seen, {"sha256sum": said}, declared)
    assert (found[0], words in found[1]) == (status, True), found

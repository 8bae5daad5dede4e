"""Every technical requirement has an answer, and each answer is there."""

from __future__ import annotations

import json

import pytest

from hedgerow import requirements, standards
from hedgerow.catalog import whole_catalog
from hedgerow.cli import main
from hedgerow.deployment import REPOSITORY

EVERY = requirements.requirements()
ROW = "- {id: a-b, title: A"


def test_all_of_them_are_there() -> None:
    """The number is that of the reading of the rule; one that is lost would be a gap that nobody sees."""
    assert len(EVERY) == 178


@pytest.mark.parametrize("requirement", EVERY, ids=lambda each: each.id)
def test_what_answers_it_exists(requirement: requirements.Requirement) -> None:
    assert set(requirement.controls) <= whole_catalog().ids
    assert all((REPOSITORY / name).is_file() for name in requirement.tests)
    spoken_for = {each.paragraph for each in standards.standards() if "attestation" in each.answered_by}
    assert set(requirement.attested) <= spoken_for


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{ROW}}}", "neither answered nor said why not"),
        (f"{ROW}, missing: ''}}", "neither answered nor said why not"),
        (f"{ROW}, controls: []}}", "neither answered nor said why not"),
        (f"{ROW}, missing: why}}\n{ROW}, missing: why}}", "listed twice"),
        (f"{ROW}, mising: why}}", "unknown mising"),
        ("- {id: a-b, missing: why}", "no title"),
    ],
)
def test_a_gap_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        requirements.read(text)


@pytest.mark.parametrize(
    ("rest", "answer"),
    [
        ("controls: [ssh.no-root]", "answered"),
        ("tests: [tests/unit/test_cli.py]", "answered"),
        ("controls: [ssh.no-root], missing: more", "partly"),
        ("attested: [164.308(a)(2)], missing: more", "attested"),
        ("missing: all of it", "missing"),
    ],
)
def test_the_word_for_it_is_never_better_than_what_is_there(rest: str, answer: str) -> None:
    assert requirements.read(f"{ROW}, {rest}}}")[0].answer == answer


def test_a_requirement_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "tls-redis"]) == 0
    said = capsys.readouterr().out
    assert "Redis and Valkey over TLS" in said
    assert "valkey.tls-only" in said
    assert main(["explain", "tls-redis", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["answer"] == "answered"
    assert main(["explain", "int-boot-protected"]) == 0
    assert "boot loader" in capsys.readouterr().out


def test_a_control_tells_which_requirements_it_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "valkey.tls-only"]) == 0
    assert "tls-redis" in capsys.readouterr().out

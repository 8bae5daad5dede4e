"""The matrix: every paragraph shows, and stands no better than what answers it."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from hedgerow import standards
from hedgerow.evidence import Attested, coverage, json_
from hedgerow.findings import Finding
from tests.unit.test_evidence import CATALOG, EVIDENCE, finding

EMPTY = replace(EVIDENCE, findings=(), agreements=())


def answer(paragraph: str, evidence=EMPTY) -> coverage.Answer:
    return next(each for each in coverage.matrix(evidence) if each.standard.paragraph == paragraph)


def found(paragraph: str, *statuses: str) -> tuple[Finding, ...]:
    """Return a finding of each control that names a paragraph: the statuses in turn, then passes."""
    ids = [control.id for control in CATALOG.controls if paragraph in control.hipaa]
    wanted = [*statuses, *["pass"] * len(ids)]
    return tuple(finding(status, control) for status, control in zip(wanted, ids, strict=False))


def word(paragraph: str) -> tuple[Attested, ...]:
    return (Attested(paragraph, "Jane Doe", "2026-02-01", "Binder 2"),)


@pytest.mark.parametrize("evidence", [EMPTY, EVIDENCE], ids=["nothing known", "some findings"])
def test_every_standard_and_specification_shows(evidence) -> None:
    shown = [row["paragraph"] for row in json.loads(json_.render(evidence))["coverage"]["paragraphs"]]
    assert shown == [each.paragraph for each in standards.standards()]
    assert len(shown) == 71


def test_nothing_known_is_not_answered_anywhere() -> None:
    counts = coverage.summary(coverage.matrix(EMPTY))
    assert counts == {**dict.fromkeys(coverage.STATUSES, 0), "not-answered": 71}


BOTH = "164.308(a)(1)(ii)(B)"
TECHNICAL = "164.312(b)"
ORGANISATION = "164.308(a)(2)"


@pytest.mark.parametrize(
    ("paragraph", "statuses", "attested", "stands"),
    [
        (TECHNICAL, ("pass",), False, "pass"),
        (TECHNICAL, ("fail", "error"), False, "fail"),
        (TECHNICAL, ("error", "waived"), False, "error"),
        (TECHNICAL, ("waived", "not-exercised"), False, "waived"),
        (TECHNICAL, ("not-exercised",), False, "not-exercised"),
        (TECHNICAL, ("not-exercised",), True, "not-exercised"),
        (TECHNICAL, ("attested",), False, "attested"),
        (TECHNICAL, ("fail",), True, "fail"),
        (BOTH, ("pass",), False, "partly"),
        (BOTH, ("pass",), True, "attested"),
        (BOTH, ("not-exercised",), False, "partly"),
        (BOTH, ("fail",), False, "fail"),
    ],
)
def test_a_paragraph_stands_as_its_worst_answer(paragraph, statuses, attested, stands) -> None:
    words = word(paragraph) if attested else ()
    row = answer(paragraph, replace(EMPTY, findings=found(paragraph, *statuses), attestations=words))
    assert row.status == stands


def test_a_word_alone_is_attested_and_never_passed() -> None:
    row = answer(ORGANISATION, replace(EMPTY, attestations=word(ORGANISATION)))
    assert (row.status, row.missing) == ("attested", ())
    assert coverage.in_words(row) == "attested by Jane Doe on 2026-02-01: Binder 2"
    assert coverage.summary(coverage.matrix(replace(EMPTY, attestations=word(ORGANISATION))))["pass"] == 0


def test_a_control_without_a_finding_is_no_silent_gap() -> None:
    rows = found(TECHNICAL)
    row = answer(TECHNICAL, replace(EMPTY, findings=rows[1:]))
    assert (row.status, row.silent) == ("partly", (rows[0].control,))
    assert rows[0].control in coverage.in_words(row)


def test_an_agreement_answers_the_paragraphs_about_agreements_and_no_other() -> None:
    signed = replace(EMPTY, agreements=(("Acme Hosting", "2026-02-01", "BAA 1234"),))
    attested = {each.standard.paragraph for each in coverage.matrix(signed) if each.status == "attested"}
    assert attested == {"164.308(b)(1)", "164.308(b)(3)"}


def test_what_is_missing_is_said() -> None:
    assert coverage.in_words(answer(ORGANISATION)) == "not attested"
    assert coverage.in_words(answer("164.308(a)(7)(ii)(D)")) == "no finding of backup.drilled"
    assert coverage.in_words(answer("164.308(a)(1)(ii)(A)")) == "no control in this release; not attested"
    assert re.fullmatch(
        r"no finding of [a-z.-]+, [a-z.-]+, [a-z.-]+ and \d+ more", coverage.in_words(answer(TECHNICAL))
    )
    row = answer(BOTH, replace(EMPTY, findings=found(BOTH, "fail")))
    assert coverage.in_words(row).startswith("1 fail, ")
    assert coverage.in_words(row).endswith("not attested")

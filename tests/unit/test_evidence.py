"""Each document says all of the same findings, and nothing more."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from hedgerow.catalog import load_catalog
from hedgerow.errors import CallError
from hedgerow.evidence import Evidence, html, json_, junit
from hedgerow.evidence.cards import cards
from hedgerow.findings import STATUSES, Finding

CATALOG = load_catalog()
HOSTILE = "<script>alert(1)</script> & \x1b[31m\x00 ü"


def finding(status: str, control: str, **values: object) -> Finding:
    row = CATALOG.control(control)
    base = Finding(
        control=control,
        hipaa=row.hipaa,
        host="analytics-1",
        status=status,
        asked="sshd -T",
        observed="permitrootlogin no",
        expected="no",
        reason="" if status == "pass" else f"because of {status}",
        seconds=0.012,
        at="2026-03-01T10:00:00Z",
    )
    return replace(base, **values)  # type: ignore[arg-type]


FINDINGS = tuple(
    finding(status, control) for status, control in zip(STATUSES, [row.id for row in CATALOG.controls], strict=False)
)
EVIDENCE = Evidence(
    deployment="acme",
    domain="analytics.acme.example",
    target="onprem",
    stand_in=False,
    started="2026-03-01T10:00:00Z",
    seconds=2.5,
    version="1.0",
    operator="jane@desk",
    hosts=(("analytics-1", "192.0.2.10", ("edge", "app", "data")),),
    findings=FINDINGS,
    catalog=CATALOG,
    agreements=(("Acme Hosting", "2026-02-01", "Legal archive, BAA 1234"),),
)


@pytest.mark.parametrize("module", [json_, html, junit])
def test_the_same_evidence_gives_the_same_bytes_and_every_finding(module) -> None:
    text = module.render(EVIDENCE)
    assert text == module.render(EVIDENCE)
    for row in FINDINGS:
        assert row.control in text


@pytest.mark.parametrize("module", [json_, html, junit])
@pytest.mark.parametrize("stand_in", [True, False])
def test_a_stand_in_is_named_in_every_document(module, stand_in: bool) -> None:
    text = module.render(replace(EVIDENCE, stand_in=stand_in))
    assert ("tand-in images ran" in text) is stand_in


@pytest.mark.parametrize("module", [json_, html, junit])
def test_no_document_claims_a_certificate(module) -> None:
    assert not re.search(r"HIPAA[- ](certified|compliant)", module.render(EVIDENCE), re.IGNORECASE)


def test_json_is_read_back_whole() -> None:
    assert json_.read(json_.render(EVIDENCE), CATALOG) == EVIDENCE


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "other"}', "not json"])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(CallError, match="not evidence"):
        json_.read(text, CATALOG)


def test_json_counts_every_status() -> None:
    assert json.loads(json_.render(EVIDENCE))["summary"] == dict.fromkeys(STATUSES, 1)


def test_junit_fails_errors_and_skips_what_it_should() -> None:
    root = ElementTree.fromstring(junit.render(EVIDENCE))  # noqa: S314 (our own text)
    suite = root.find("testsuite")
    assert suite is not None
    counted = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")}
    assert counted == {"tests": "6", "failures": "1", "errors": "1", "skipped": "3"}
    skipped = [case.find("skipped") for case in root.iter("testcase")]
    assert all(mark.get("message") for mark in skipped if mark is not None), "a skip says why"


def test_hostile_words_stay_words() -> None:
    evidence = replace(EVIDENCE, findings=(finding("fail", CATALOG.controls[0].id, observed=HOSTILE, reason=HOSTILE),))
    assert "<script>alert" not in html.render(evidence)
    ElementTree.fromstring(junit.render(evidence))  # noqa: S314 (our own text)
    assert json_.read(json_.render(evidence), CATALOG).findings[0].observed == HOSTILE


@pytest.mark.parametrize(
    ("counts", "status", "words"),
    [
        ({"fail": 2, "error": 1, "pass": 50}, "fail", "2 findings failed"),
        ({"fail": 1, "pass": 50}, "fail", "1 finding failed"),
        ({"error": 3, "pass": 50}, "error", "could not be asked"),
        ({"pass": 50, "not-exercised": 4}, "pass", "holds"),
        ({"pass": 50, "waived": 2}, "waived", "but for 2 waived"),
        ({"not-exercised": 4}, "error", "No control was seen to hold"),
        ({}, "error", "No control was seen to hold"),
    ],
)
def test_the_verdict_is_the_worst_that_was_found(counts: dict[str, int], status: str, words: str) -> None:
    verdict = html.verdict({**dict.fromkeys(STATUSES, 0), **counts})
    assert verdict[0] == status
    assert words in verdict[1]


def test_a_page_needs_nothing_from_elsewhere() -> None:
    page = html.render(EVIDENCE)
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert "url(" not in page


def test_each_paragraph_shows_its_worst_finding() -> None:
    rows = (finding("pass", CATALOG.controls[0].id), finding("fail", CATALOG.controls[1].id))
    same = tuple(replace(row, hipaa=("164.312(d)",)) for row in rows)
    found = html.paragraphs(cards(replace(EVIDENCE, findings=same)))
    assert [(name, worst, len(rows)) for name, worst, rows in found] == [("164.312(d)", "fail", 2)]

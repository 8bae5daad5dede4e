"""Each format is what its own schema says, traces every finding, and never makes a pass of what was not seen."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pypdf
import pytest
import xmlschema
from trestle.oscal.assessment_results import Model as AssessmentResults
from trestle.oscal.component import Model as ComponentDefinition

from hedgerow.deployment import REPOSITORY
from hedgerow.evidence import NOT_A_CERTIFICATE, STAND_IN_NOTICE, Attested, Evidence
from hedgerow.evidence.formats import FORMATS
from hedgerow.findings import STATUSES
from tests.unit.test_evidence import CATALOG, EVIDENCE, HOSTILE, finding

SCHEMAS = Path(__file__).parents[1] / "data" / "formats"
SARIF = jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text()))
OURS = jsonschema.Draft202012Validator(json.loads((REPOSITORY / "docs" / "evidence.schema.json").read_text()))
JUNIT = xmlschema.XMLSchema(SCHEMAS / "junit-10.xsd")

ROWS = tuple(
    finding(status, CATALOG.controls[number].id, host=host, at=f"2026-03-01T10:{minute:02}:0{number}Z")
    for minute, host in enumerate(("analytics-1", "analytics-2"))
    for number, status in enumerate(STATUSES)
)
TWO = replace(
    EVIDENCE,
    hosts=(("analytics-1", "192.0.2.10", ("edge", "app")), ("analytics-2", "192.0.2.11", ("data",))),
    findings=ROWS,
    attestations=(Attested("164.308(a)(2)", "Jane Doe", "2026-02-01", "Binder 2"),),
)
CASES = {
    "two hosts, every status": TWO,
    "a stand-in": replace(TWO, stand_in=True),
    "nothing was asked": replace(TWO, findings=(), hosts=(), attestations=(), agreements=()),
    "hostile words": replace(TWO, findings=tuple(replace(row, observed=HOSTILE, reason=HOSTILE) for row in ROWS)),
    "words in other scripts": replace(TWO, operator="Łukasz", findings=(replace(ROWS[0], observed="診療 → ☂"),)),
    "no time of its own": replace(TWO, findings=tuple(replace(row, at="") for row in ROWS)),
    "a control of an older release": replace(TWO, findings=(replace(ROWS[1], control="old.promise"),)),
}
Row = tuple[str, str, str, str]
"""A finding as a document shows it: control, host, time, status."""


def pages(data: bytes) -> str:
    """Return the PDF's text as one line, without the spaces that breaking lines puts in or takes out."""
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages))


def whole(name: str, evidence: Evidence) -> str:
    """Return all that a document says, as text."""
    said = FORMATS[name].render(evidence)
    return pages(said) if isinstance(said, bytes) else said


def valid_json(said: str) -> None:
    OURS.validate(json.loads(said))


def valid_sarif(said: str) -> None:
    SARIF.validate(json.loads(said))


def valid_junit(said: str) -> None:
    JUNIT.validate(ElementTree.fromstring(said))  # noqa: S314 (our own text)


def valid_results(said: str) -> None:
    AssessmentResults.model_validate_json(said)


def valid_component(said: str) -> None:
    ComponentDefinition.model_validate_json(said)


VALID: dict[str, Callable[[str], None]] = {
    "json": valid_json,
    "sarif": valid_sarif,
    "junit": valid_junit,
    "oscal": valid_results,
    "oscal-component": valid_component,
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", VALID)
def test_a_document_is_what_its_schema_says(name: str, case: str) -> None:
    VALID[name](str(FORMATS[name].render(CASES[case])))


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("json", '"status": "fail"', '"status": "failed"'),
        ("json", '"asked"', '"asking"'),
        ("sarif", '"kind": "fail"', '"kind": "failed"'),
        ("junit", "<testcase", "<test"),
        ("oscal", '"satisfied"', '"compliant"'),
        ("oscal", '"collected": "2026', '"collected": "20x6'),
        ("oscal-component", '"control-id": "hipaa-', '"control-id": "('),
    ],
)
def test_a_wrong_document_is_seen_by_the_schema(name: str, right: str, wrong: str) -> None:
    passing = replace(TWO, findings=tuple(replace(row, status="pass", reason="") for row in complete()))
    evidence = passing if right == '"satisfied"' else TWO
    text = str(FORMATS[name].render(evidence))
    assert right in text
    with pytest.raises(Exception, match=r"(?s).+"):
        VALID[name](text.replace(right, wrong).replace("</testcase", "</test" if name == "junit" else "</testcase"))


def complete() -> tuple[Any, ...]:
    """Return a finding of every control."""
    return tuple(finding("pass", control.id) for control in CATALOG.controls)


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_evidence_gives_the_same_bytes(name: str) -> None:
    assert FORMATS[name].render(TWO) == FORMATS[name].render(TWO)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("stand_in", [True, False])
def test_every_document_says_what_it_is_not(name: str, stand_in: bool) -> None:
    text = whole(name, replace(TWO, stand_in=stand_in))
    assert (STAND_IN_NOTICE[:60] in text.replace("&#39;", "'")) is stand_in
    assert NOT_A_CERTIFICATE[:60] in text.replace("&#39;", "'")
    assert not re.search(r"HIPAA[- ](certified|compliant)", text, re.IGNORECASE)


def json_rows(text: str) -> Iterator[Row]:
    for row in json.loads(text)["findings"]:
        yield row["control"], row["host"], row["at"], row["status"]


def html_rows(text: str) -> Iterator[Row]:
    for card in re.findall(r'<details class="card .+?</details>', text, re.DOTALL):
        [control] = re.findall(r'<summary><span class="id">([^<]+)<', card)
        for status, answer in re.findall(r'<div class="answer" data-s="([^"]+)"(.+?)</dl></div>', card, re.DOTALL):
            for hosts, at in re.findall(r'<time data-of="([^"]+)">([^<]+)</time>', answer):
                yield from ((control, host, at, status) for host in hosts.split())


def junit_rows(text: str) -> Iterator[Row]:
    kinds = {"failure": "fail", "error": "error"}
    for case in ElementTree.fromstring(text).iter("testcase"):  # noqa: S314 (our own text)
        said = dict(line.split(": ", 1) for line in str(case.findtext("system-out")).splitlines())
        mark = next((child for child in case if child.tag != "system-out"), None)
        skipped = str(mark.get("message")).partition(":")[0] if mark is not None else "pass"
        status = kinds.get(mark.tag, skipped) if mark is not None else "pass"
        yield said["control"], said["host"], said["at"], status


def sarif_rows(text: str) -> Iterator[Row]:
    for result in json.loads(text)["runs"][0]["results"]:
        said = result["properties"]
        assert said["control"] == result["ruleId"]
        assert said["host"] == result["locations"][0]["logicalLocations"][0]["name"]
        yield result["ruleId"], said["host"], said["at"], said["status"]


def oscal_rows(text: str) -> Iterator[Row]:
    for seen in json.loads(text)["assessment-results"]["results"][0]["observations"]:
        said = {each["name"]: each["value"] for each in seen["props"]}
        yield said["control"], said["host"], seen["collected"], said["status"]


def line_rows(text: str) -> Iterator[Row]:
    found = re.findall(r"([a-z0-9-]+\.[a-z0-9-]+) on (\S+) at (\S+Z): ([a-z-]+)", text)
    yield from dict.fromkeys((control, host, at, status) for control, host, at, status in found)


SHOWN: dict[str, Callable[[str], Iterator[Row]]] = {
    "json": json_rows,
    "html": html_rows,
    "junit": junit_rows,
    "sarif": sarif_rows,
    "oscal": oscal_rows,
    "oscal-component": line_rows,
    "pdf": line_rows,
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_finding_keeps_its_control_host_time_and_status(name: str) -> None:
    said = {(row.control, row.host, row.at, row.status) for row in ROWS}
    shown = list(SHOWN[name](whole(name, TWO)))
    assert set(shown) == said
    assert len(shown) == len(ROWS)


NOT_SEEN = ("fail", "waived", "not-exercised", "attested", "error")


def passes_json(text: str) -> int:
    said = json.loads(text)
    return int(said["summary"]["pass"] + said["coverage"]["summary"]["pass"])


def passes_junit(text: str) -> int:
    suite = ElementTree.fromstring(text)[0]  # noqa: S314 (our own text)
    return int(suite.get("tests", 0)) - sum(int(suite.get(key, 0)) for key in ("failures", "errors", "skipped"))


def passes_sarif(text: str) -> int:
    return sum(result["kind"] == "pass" for result in json.loads(text)["runs"][0]["results"])


def passes_oscal(text: str) -> int:
    found = json.loads(text)["assessment-results"]["results"][0]["findings"]
    return sum(each["target"]["status"]["state"] == "satisfied" for each in found)


def passes_pdf(text: str) -> int:
    return sum(int(number) for number in re.findall(r"(\d+) pass\b", text)) + len(re.findall(r": pass\b", text))


PASSES: dict[str, Callable[[str], int]] = {
    "json": passes_json,
    "junit": passes_junit,
    "sarif": passes_sarif,
    "oscal": passes_oscal,
    "pdf": passes_pdf,
}


@pytest.mark.parametrize("status", NOT_SEEN)
@pytest.mark.parametrize("name", PASSES)
def test_what_was_not_seen_to_hold_counts_nowhere_as_passed(name: str, status: str) -> None:
    rows = tuple(replace(row, status=status, reason="because") for row in complete())
    assert PASSES[name](whole(name, replace(TWO, findings=rows))) == 0


@pytest.mark.parametrize("name", PASSES)
def test_what_was_seen_to_hold_does(name: str) -> None:
    assert PASSES[name](whole(name, replace(TWO, findings=complete()))) > 0


@pytest.mark.parametrize(
    ("status", "kind", "level"),
    [
        ("pass", "pass", "none"),
        ("fail", "fail", "error"),
        ("waived", "fail", "error"),
        ("not-exercised", "open", "none"),
        ("error", "open", "none"),
        ("attested", "review", "none"),
    ],
)
def test_sarif_has_a_kind_and_level_for_each_status(status: str, kind: str, level: str) -> None:
    high = next(control.id for control in CATALOG.controls if control.severity == "high")
    run = json.loads(whole("sarif", replace(TWO, findings=(finding(status, high),))))["runs"][0]
    result = run["results"][0]
    assert (result["kind"], result["level"]) == (kind, level)
    assert ("suppressions" in result) is (status == "waived")
    assert run["invocations"][0]["executionSuccessful"] is (status != "error")
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == high


def test_oscal_names_a_thing_by_the_same_id_in_every_run() -> None:
    later = replace(TWO, started="2026-03-02T10:00:00Z", findings=tuple(replace(row, at="") for row in ROWS))
    first, second = (json.loads(whole("oscal", each))["assessment-results"] for each in (TWO, later))
    hosts = [
        [item["uuid"] for item in one["results"][0]["local-definitions"]["inventory-items"]] for one in (first, second)
    ]
    assert hosts[0] == hosts[1]
    seen = [[each["uuid"] for each in one["results"][0]["observations"]] for one in (first, second)]
    assert not set(seen[0]) & set(seen[1]), "another time is another observation"
    assert len(set(seen[0])) == len(ROWS)


def test_oscal_findings_lead_to_observations_that_are_there() -> None:
    result = json.loads(whole("oscal", TWO))["assessment-results"]["results"][0]
    known = {each["uuid"] for each in result["observations"]}
    named = [each["observation-uuid"] for found in result["findings"] for each in found.get("related-observations", ())]
    assert named
    assert set(named) == known
    assert result["attestations"][0]["parts"][0]["prose"].startswith("Jane Doe attests on 2026-02-01")


def test_no_id_is_broken_over_two_lines_of_the_pdf() -> None:
    text = whole("pdf", replace(TWO, findings=complete()))
    assert {row.control for row in complete()} == {control for control, *_ in line_rows(text)}


def test_letters_that_the_pdf_has_no_shape_for_are_told_by_number() -> None:
    row = replace(ROWS[1], observed="診 → \x1b[31m")
    assert r"\u8a3a \u2192 <1b>[31m" in whole("pdf", replace(TWO, findings=(row,)))

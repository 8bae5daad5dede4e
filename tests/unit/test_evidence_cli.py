"""verify and report on the command line: which files, which matrix, which exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hedgerow import inventory, proof
from hedgerow.catalog import SEVERITIES
from hedgerow.cli import main
from hedgerow.evidence import json_
from hedgerow.evidence.formats import ALWAYS, FORMATS
from hedgerow.hosts import Host, Site
from hedgerow.proof import Verified
from hedgerow.targets.onprem import OnpremTarget
from tests.unit.test_cli import KEY
from tests.unit.test_evidence import CATALOG, EVIDENCE, finding

ONPREM = (
    "name: acme\ndomain: analytics.acme.example\nposthog: {deploy: false}\n"
    "target: {kind: onprem, hosts: [{name: analytics-1, address: 192.0.2.10, user: debian}]}\n"
    f'access: {{administrators: [{{name: jane, ssh_keys: ["{KEY}"]}}]}}\n'
    "attestations: [{paragraph: 164.308(a)(2), name: Jane Doe, date: 2026-02-01, reference: Binder 2}]\n"
)
SITE = Site((Host("analytics-1", "192.0.2.10", "192.0.2.10", "debian"),), "192.0.2.1")
OF = {severity: next(c.id for c in CATALOG.controls if c.severity == severity) for severity in SEVERITIES}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy.yml").write_text(ONPREM)
    return tmp_path


@pytest.fixture
def latest(place: Path) -> Path:
    """Return the folder of a run that is there already."""
    folder = place / "deployments" / "acme" / "evidence" / "latest"
    folder.mkdir(parents=True)
    (folder / "findings.json").write_text(json_.render(EVIDENCE))
    return folder


def found(monkeypatch: pytest.MonkeyPatch, *rows) -> None:
    """Let the hosts answer with these findings; what is done with them is what is tested."""
    monkeypatch.setattr(OnpremTarget, "site", lambda _: SITE)
    for way in ("verify_hosts", "verify_whole"):
        monkeypatch.setattr(proof, way, lambda *_: Verified(tuple(rows), "2026-03-01T10:00:00Z", 1.0))


@pytest.mark.parametrize(
    ("statuses", "threshold", "code"),
    [
        ({"critical": "fail"}, "critical", 1),
        ({"high": "fail"}, "critical", 0),
        ({"high": "fail"}, "high", 1),
        ({"medium": "fail", "low": "fail"}, "high", 0),
        ({"low": "fail"}, None, 1),
        ({"low": "fail", "critical": "error"}, "high", 3),
        ({"low": "error"}, "critical", 3),
        ({"high": "fail", "low": "error"}, "high", 1),
        ({"critical": "waived", "high": "not-exercised"}, "low", 0),
    ],
)
def test_a_threshold_decides_which_failures_count(place, monkeypatch, capsys, statuses, threshold, code) -> None:
    found(monkeypatch, *(finding(status, OF[severity]) for severity, status in statuses.items()))
    words = ["--fail-on", threshold] if threshold else []
    assert main(["verify", "deploy.yml", *words]) == code
    uncounted = code != 1 and "fail" in statuses.values()
    assert ("not counted" in capsys.readouterr().err) is uncounted


def test_verify_writes_the_formats_that_are_asked_for_and_says_where(place, monkeypatch, capsys) -> None:
    found(monkeypatch, finding("pass", OF["high"]))
    assert main(["verify", "deploy.yml", "--format", "sarif,junit,oscal", "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert list(files) == ["sarif", "junit", "oscal"]
    assert all(Path(file).stat().st_size for file in files.values())
    folder = place / "deployments" / "acme" / "evidence" / "latest"
    expected = {inventory.FILE, *(FORMATS[name].file for name in (*ALWAYS, "sarif", "oscal"))}
    assert {path.name for path in folder.iterdir()} == expected
    said = json.loads((folder / "findings.json").read_text())
    assert said["attestations"][0]["name"] == "Jane Doe"
    rows = {row["paragraph"]: row["status"] for row in said["coverage"]["paragraphs"]}
    assert rows["164.308(a)(2)"] == "attested"


def test_people_are_told_where_a_file_is(place, monkeypatch, capsys) -> None:
    found(monkeypatch, finding("pass", OF["high"]))
    assert main(["verify", "deploy.yml", "--format", "pdf"]) == 0
    assert "report.pdf" in capsys.readouterr().out.replace("\n", "")


@pytest.mark.parametrize("words", [["--format", "docx"], ["--format", ","], ["--fail-on", "dire"]])
def test_what_there_is_not_is_refused(place, words) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["verify", "deploy.yml", *words])
    assert ended.value.code == 2


def test_a_matrix_is_no_format_and_no_file(latest: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["report", "deploy.yml", "--coverage", "--format", "pdf"])
    assert main(["report", "deploy.yml", "--coverage", "--output", "x"]) == 2
    assert "standard output" in capsys.readouterr().err


def test_a_look_at_few_controls_leaves_no_files(place, capsys) -> None:
    assert main(["verify", "deploy.yml", "--control", OF["high"], "--format", "sarif"]) == 2
    assert "leaves no files" in capsys.readouterr().err


@pytest.mark.parametrize("name", FORMATS)
def test_report_knows_every_format(latest: Path, capsysbinary, name: str) -> None:
    assert main(["report", "deploy.yml", "--format", name]) == 0
    said = FORMATS[name].render(EVIDENCE)
    assert capsysbinary.readouterr().out == (said.encode() if isinstance(said, str) else said)


def test_no_pdf_is_poured_into_a_terminal(latest: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["report", "deploy.yml", "--format", "pdf"]) == 2
    assert "--output report.pdf" in capsys.readouterr().err
    assert main(["report", "deploy.yml", "--format", "pdf", "--output", "x.pdf"]) == 0
    assert Path("x.pdf").read_bytes().startswith(b"%PDF")


def test_the_matrix_is_printed_for_people(latest: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    assert main(["report", "deploy.yml", "--coverage"]) == 0
    said = capsys.readouterr().out
    rows = [line for line in said.splitlines() if line.startswith("164.")]
    assert len(rows) == 71
    assert next(line for line in rows if line.startswith("164.308(a)(2) ")).split()[-2:] == ["not", "attested"]
    assert "Paragraphs: " in said
    assert "certifies nobody" in said


def test_the_matrix_is_json_for_machines(latest: Path, capsys) -> None:
    (latest / "findings.json").write_text(json_.render(replace(EVIDENCE, stand_in=True)))
    assert main(["report", "deploy.yml", "--coverage", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert sum(said["summary"].values()) == len(said["paragraphs"]) == 71
    assert said["stand_in"] is True

"""The pipelines in docs/ci.md: they are YAML of their services, and every call in them is one."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hedgerow.cli import parser
from hedgerow.declaration import parse
from hedgerow.deployment import REPOSITORY

TEXT = (REPOSITORY / "docs" / "ci.md").read_text()
GITHUB, GITLAB = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.+?)```", TEXT, re.DOTALL))
TO_LAB = re.findall(r"```python\n(.+?)```", TEXT, re.DOTALL)[0]


def github_lines() -> Iterator[str]:
    for step in GITHUB["jobs"]["lab"]["steps"]:
        yield from step.get("run", "").splitlines()


def gitlab_lines() -> Iterator[str]:
    for part in ("before_script", "script", "after_script"):
        yield from GITLAB["verify"][part]


def calls(lines: Iterator[str]) -> list[list[str]]:
    """Return the words of every call of the installer, without what the shell does after it."""
    found = [re.sub(r" \|\| .*", "", line).partition("installer.py ")[2] for line in lines if "installer.py" in line]
    return [shlex.split(words) for words in found]


BOTH = pytest.mark.parametrize("lines", [github_lines, gitlab_lines], ids=["GitHub Actions", "GitLab CI"])


@BOTH
def test_every_call_of_the_installer_is_understood(lines) -> None:
    found = calls(lines())
    assert {"install", "verify", "report", "destroy"} <= {words[0] for words in found}
    for words in found:
        if words == ["--version"]:
            continue
        given = parser().parse_args(words)
        assert given.reference in ("ci", "ci.yml")


@BOTH
def test_a_pipeline_installs_before_it_verifies_and_destroys_at_the_end(lines) -> None:
    verbs = [words[0] for words in calls(lines())]
    assert verbs.index("install") < verbs.index("verify") < verbs.index("destroy") == len(verbs) - 1


@BOTH
def test_no_failure_but_that_of_a_control_is_let_through(lines) -> None:
    lenient = [line for line in lines() if "||" in line]
    assert [line.partition("|| ")[2] for line in lenient] == ["test $? -eq 1"]
    assert all(" install " in line for line in lenient)


def test_reports_are_kept_and_the_lab_is_undone_also_after_a_failure() -> None:
    steps = GITHUB["jobs"]["lab"]["steps"]
    after = steps[[step.get("name") for step in steps].index("Verify") + 1 :]
    assert all(step["if"] == "always()" for step in after)
    assert GITLAB["verify"]["artifacts"]["when"] == "always"
    named = {step["with"].get("sarif_file") for step in steps if "with" in step}
    assert "findings.sarif" in named


@pytest.mark.parametrize(
    "example", sorted((REPOSITORY / "inventories").glob("*/deploy.yml")), ids=lambda p: p.parent.name
)
def test_a_declaration_of_real_machines_becomes_one_of_the_lab(example: Path, tmp_path: Path) -> None:
    (tmp_path / "deploy.yml").write_text(example.read_text())
    subprocess.run([sys.executable, "-c", TO_LAB], cwd=tmp_path, check=True, timeout=30)
    declared, before = parse((tmp_path / "ci.yml").read_text()), yaml.safe_load(example.read_text())
    assert (declared.name, declared.target.kind, declared.domain) == ("ci", "lab", before["domain"])
    assert len(declared.attestations) == len(before.get("attestations", ()))
    assert len(declared.waivers) == len(before.get("waivers", ()))

"""What the documents say can be done, can be done."""

from __future__ import annotations

import re

import pytest

from hedgerow.catalog import load_catalog
from hedgerow.cli import parser
from hedgerow.declaration import parse
from hedgerow.deployment import REPOSITORY

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8N"
README = (REPOSITORY / "README.md").read_text()
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])


def test_the_shortest_declaration_of_the_readme_is_one() -> None:
    text = re.search(r"```yaml\n(.+?)```", README, re.DOTALL)
    assert text is not None
    declared = parse(text[1].replace("ssh-ed25519 AAAA...", KEY))
    assert (declared.name, declared.target.kind) == ("acme", "onprem")
    assert len(text[1].strip().splitlines()) == 5


def test_every_command_of_the_readme_is_one() -> None:
    verbs = next(action for action in parser()._actions if hasattr(action, "choices") and action.choices)
    called = set(re.findall(r"\./installer\.py ([a-z]+)", README))
    assert called >= {"demo", "init", "preflight", "plan", "install", "destroy"}
    assert called <= set(verbs.choices)
    table = set(re.findall(r"^\| `([a-z]+)` \|", README, re.MULTILINE))
    assert table | {"completion", "schema"} == set(verbs.choices)


def test_the_readme_names_every_exit_code() -> None:
    assert {"0", "1", "2", "3", "4", "130"} <= set(re.findall(r"\*\*(\d+)\*\*", README))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(document) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert "://" in target or (document.parent / target).exists(), target


def test_the_threat_model_names_only_controls_that_exist() -> None:
    text = (REPOSITORY / "docs" / "security.md").read_text()
    concerns = {control.concern for control in load_catalog().controls}
    named = {name for name in re.findall(r"`([a-z]+\.[a-z0-9-]+)`", text) if name.split(".")[0] in concerns}
    assert named
    assert named <= load_catalog().ids

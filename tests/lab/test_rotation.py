"""Every secret and certificate replaced while events come in: what was acknowledged is found."""

from __future__ import annotations

import json

import pytest

from hedgerow import rotation, smoke
from hedgerow.secrets import Vault
from tests.conftest import Lab

pytestmark = [pytest.mark.lab, pytest.mark.long]


def test_nothing_acknowledged_is_lost_while_everything_is_rotated(lab: Lab) -> None:
    vault = Vault.of(lab.deployment)
    before = vault.read(lab.deployment.secrets)
    answer = lab.installer("rotate", lab.name, "all", "--json")
    assert answer.code == 0, answer.out[-3000:] + answer.err[-3000:]
    after = vault.read(lab.deployment.secrets)
    for name in rotation.names(before):
        same = value(before, name) == value(after, name)
        assert same is bool(rotation.why_kept(name)), name
    events = answer.json["events"]
    print(events)
    assert events["found"] == events["sent"] > 30, "hardly anything was taken"
    assert events["dropped"] == 0
    (step,) = [step for step in answer.json["smoke"]["steps"] if step["name"] == smoke.MEANWHILE]
    assert step["status"] == "ok"
    journal = (lab.deployment.root / "journal.jsonl").read_text().splitlines()
    assert json.loads(journal[-1])["events"] == events
    repeated = lab.installer("install", lab.name, "--json", "--yes")
    assert repeated.json["hosts"]["hedge-1"]["changed"] == 0, "a second run changes nothing"


def value(tree: dict[str, object], name: str) -> object:
    found: object = tree
    for part in name.split("."):
        assert isinstance(found, dict)
        found = found[part]
    return found

"""`destroy`: what refuses it, what it destroys and keeps, and what is written down of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hedgerow import ending, flow
from hedgerow.cli import main
from hedgerow.deployment import Deployment, shred, write_file
from hedgerow.errors import UnreachableError
from hedgerow.hosts import Change

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8N jane@acme.example"
LAB = "name: acme\ndomain: analytics.acme.example\ntarget: {kind: lab}\n"
ONPREM = f"""\
name: acme
domain: analytics.acme.example
target: {{kind: onprem, hosts: [{{name: one, address: 192.0.2.10, user: debian}}]}}
posthog: {{deploy: false}}
access: {{administrators: [{{name: jane, ssh_keys: ["{KEY}"]}}]}}
"""
HOLD = 'legal_hold: {reason: "Doe v. Acme", since: 2026-02-01, by: "Jane Doe"}\n'


class Target:
    """Ends a host."""

    def __init__(self, rows: list[Change]) -> None:
        self.rows = rows

    def destroy(self, _: Callable[[str], None]) -> list[Change]:
        return self.rows


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose deployment acme has a key and evidence, and hosts that end as they are told to."""
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(flow, "target_of", lambda *_: Target([Change("delete", "host", "one")]))
    acme = Deployment("acme")
    write_file(acme.key_file, "k" * 64, 0o600)
    write_file(acme.secrets, "x")
    write_file(acme.evidence / "one" / "findings.json", "{}")
    return tmp_path


def declare(place: Path, text: str) -> str:
    file = place / "deploy.yml"
    file.write_text(text)
    Deployment("acme").adopt(file)
    return str(file)


def journal() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Deployment("acme").root / "journal.jsonl").read_text().splitlines()]


def record() -> list[dict[str, Any]]:
    return json.loads((Deployment("acme").root / "disposal.json").read_text())


def test_the_end_of_a_lab_is_written_down_and_its_keys_are_shredded(place: Path) -> None:
    assert main(["destroy", declare(place, LAB), "--yes"]) == 0
    [end] = record()
    assert [(one["kind"], one["name"]) for one in end["removed"]] == [("host", "one"), ("key file", "acme.key")]
    assert end["removed"][1]["how"] == ending.SHREDDED
    assert {one["name"]: one["why"] for one in end["kept"]}["evidence"] == ending.YEARS
    left = sorted(path.name for path in Deployment("acme").root.iterdir())
    assert left == ["disposal.json", "evidence", "journal.jsonl"]
    assert not Deployment("acme").key_file.exists()
    assert (journal()[-1]["outcome"], journal()[-1]["shredded"]) == ("done", ["acme.key"])


@pytest.mark.parametrize("typed", ["y\n", "\n", "acm\n", ""])
def test_only_the_name_confirms(place: Path, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    file = declare(place, LAB)

    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return typed

    monkeypatch.setattr("sys.stdin", Terminal())
    assert main(["destroy", file]) == 2
    assert Deployment("acme").key_file.exists()
    typed = "acme\n"
    assert main(["destroy", file]) == 0


@pytest.mark.parametrize(("installed", "named"), [(LAB + HOLD, LAB + HOLD), (LAB + HOLD, LAB), (LAB, LAB + HOLD)])
def test_a_hold_in_either_declaration_refuses(
    place: Path, capsys: pytest.CaptureFixture[str], installed: str, named: str
) -> None:
    declare(place, installed)
    (place / "named.yml").write_text(named)
    assert main(["destroy", str(place / "named.yml"), "--yes"]) == 2
    said = capsys.readouterr().err
    assert "legal hold since 2026-02-01: Doe v. Acme" in said
    assert "Ask Jane Doe." in said
    assert Deployment("acme").key_file.exists()
    assert journal()[-1]["outcome"] == "refused: legal hold"


def test_machines_of_ones_own_are_left_alone(place: Path) -> None:
    assert main(["destroy", declare(place, ONPREM), "--yes", "--json"]) == 0
    assert Deployment("acme").key_file.exists()
    assert not (Deployment("acme").root / "disposal.json").exists()


def test_what_is_not_finished_keeps_the_key_and_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> list[Change]:
        raise UnreachableError("the cloud is silent")

    monkeypatch.setattr(Target, "destroy", refuse)
    assert main(["destroy", declare(place, LAB), "--yes"]) == 3
    assert Deployment("acme").key_file.exists()
    assert journal()[-1]["outcome"] == "not finished"


def test_shredding_writes_over_what_was_there(tmp_path: Path) -> None:
    key, other = tmp_path / "key", tmp_path / "other"
    key.write_bytes(b"secret" * 100)
    other.hardlink_to(key)
    shred(key)
    assert not key.exists()
    assert b"secret" not in other.read_bytes()
    assert other.stat().st_size == 600

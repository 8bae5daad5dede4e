"""`users add` and `users remove` from the declaration to the evidence, with the hosts' answers made up."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hedgerow import flow, proof
from hedgerow.bundle import contents
from hedgerow.cli import main
from hedgerow.deployment import Deployment
from hedgerow.hosts import Host, Site
from hedgerow.people import HostAccount, account_of, asking
from tests.unit.test_people import CLOSED, said
from tests.unit.test_render import SITES

JANE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8N jane@acme.example"
BOB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK3nYQG9T5vGQX5s3m0hYQX2iJ8m3lq0bH6u3mPq5pZb bob@acme.example"
DECLARED = f"""\
name: acme
domain: analytics.acme.example
target: {{kind: lab}}
posthog: {{deploy: false}}
access:
  administrators:
    # Jane runs it.
    - name: jane
      ssh_keys: ["{JANE}"]
"""


@dataclass
class Made:
    """What hosts would answer, and what was done to them."""

    file: Path
    accounts: list[dict[str, Any]] = field(default_factory=lambda: [said()])
    converged: list[tuple[str, ...]] = field(default_factory=list)
    status: str = "pass"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "mine").mkdir()
    told = Made(tmp_path / "mine" / "deploy.yml")
    told.file.write_text(DECLARED)
    Deployment("acme").adopt(told.file)

    class Target:
        def site(self) -> Site:
            return SITES["prepared"]

    def answer(_: flow.Work, host: Host, only: tuple[str, ...] = ()) -> tuple[HostAccount, ...]:
        return tuple(account_of(host.name, row, [], host.user) for row in told.accounts if row["name"] in only)

    def converge(work: flow.Work, *given: Any) -> None:
        told.converged.append(tuple(person.name for person in work.declaration.access.administrators))
        declared = told.converged[-1]
        told.accounts = [row if row["name"] in declared else CLOSED | {"name": row["name"]} for row in told.accounts]

    monkeypatch.setattr(flow, "target_of", lambda *_: Target())
    monkeypatch.setattr(flow, "prepare", lambda *_: (None, None))
    monkeypatch.setattr(flow, "converge_hosts", converge)
    monkeypatch.setattr(asking, "accounts", answer)
    monkeypatch.setattr(asking, "query", lambda *_, **__: [])
    monkeypatch.setattr("hedgerow.admitting._end_processes", lambda *_: None)
    monkeypatch.setattr(proof, "verify_hosts", lambda *_: proof.Verified((), "2026-03-01T00:00:00Z", 1.0))
    return told


def journal() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Deployment("acme").root / "journal.jsonl").read_text().splitlines()]


def test_adding_changes_the_operators_own_file_and_shows_it(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "users",
        "add",
        "acme",
        "bob",
        "--key",
        BOB,
        "--expires",
        "2036-01-01",
        "--sudo",
        "none",
        "--yes",
        "--json",
    ]
    assert main(words) == 0
    shown = capsys.readouterr().err
    assert "+    - name: bob" in shown
    assert "+      expires: 2036-01-01" in shown
    text = made.file.read_text()
    assert text.startswith(DECLARED)
    assert text == Deployment("acme").declaration.read_text()
    assert made.converged == [("jane", "bob")]
    assert journal()[-1]["verb"] == "users add"
    assert main(words) == 2, "she is there already"


def test_removing_closes_tries_and_keeps_each_refusal(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["users", "remove", "acme", "jane", "--yes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {way["way"] for way in told["ways"]} >= {"SSH key", "sudo", "running sessions", "database role"}
    assert all(way["refused"] for way in told["ways"])
    assert "jane@acme" not in made.file.read_text()
    assert json.loads(Path(told["evidence"]).read_text())["removed"] == ["jane"]
    tried = [row for row in journal() if row["verb"] == "users remove: tried"]
    assert len(tried) == len(told["ways"])
    assert journal()[-1]["outcome"] == "done"
    assert main(["users", "remove", "acme", "jane", "--yes"]) == 0, "a second time finds nothing to declare"


def test_a_way_that_stays_open_is_no_success(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(flow, "converge_hosts", lambda *_: None)
    assert main(["users", "remove", "acme", "jane", "--yes"]) == 1
    assert "OPEN" in capsys.readouterr().out
    assert journal()[-1]["outcome"] == "a way is open"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["add", "acme", "bob", "--key", BOB], 2, "this changes who is let in"),
        (["add", "acme", "bob", "--key", "ssh-ed25519 AAAA", "--yes"], 2, "damaged"),
        (["add", "acme", "bob", "--key", "/nowhere/bob.pub", "--yes"], 2, "cannot be read"),
        (["add", "acme", "bob", "--key", JANE, "--yes"], 2, "listed above already"),
        (["add", "acme", "bob", "--key", BOB, "--expires", "soon", "--yes"], 2, "expires"),
        (["remove", "acme", "mallory", "--yes"], 2, "nobody is called mallory"),
        (["remove", "acme", "root", "--yes"], 2, "no person's account"),
        (["remove", "acme", "jane@acme.example", "--yes"], 2, "not deployed here"),
        (["remove", "acme", "jane"], 2, "this changes who is let in"),
    ],
)
def test_what_is_refused_touches_nothing(
    made: Made, capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str
) -> None:
    assert main(["users", *words]) == code
    assert message in capsys.readouterr().err
    assert made.file.read_text() == DECLARED
    assert made.converged == []


def test_a_declaration_that_was_changed_since_is_installed_first(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    made.file.write_text(DECLARED + "# later\n")
    assert main(["users", "remove", "acme", "jane", "--yes"]) == 2
    assert "run install first" in capsys.readouterr().err
    assert main(["users", "remove", str(made.file), "jane", "--yes"]) == 2
    assert made.converged == []


def test_a_bundle_holds_reviews_and_removals(made: Made) -> None:
    assert main(["users", "remove", "acme", "jane", "--yes"]) == 0
    assert main(["users", "review", "acme", "--reviewer", "Jane Doe"]) == 0
    names = sorted(Path(name).parent.name for name in contents.people(Deployment("acme")))
    assert names == ["access-reviews", "access-reviews", "removals"]
    assert journal()[-1]["reviewer"] == "Jane Doe"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["bob@acme.example", "--key", BOB, "--yes"], "has no keys"),
        (["bob@acme.example", "--yes"], "not deployed here"),
        (["bob", "--yes"], "could not log in without a key"),
    ],
)
def test_an_account_has_keys_and_an_address_has_a_level(
    made: Made, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["users", "add", "acme", *words]) == 2
    assert message in capsys.readouterr().err

"""Which secrets are meant, which are never replaced, and what is left of a vault."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from hedgerow import flow, installing, proof, rotation
from hedgerow.cli import main
from hedgerow.deployment import Deployment, write_file
from hedgerow.errors import CallError
from hedgerow.secrets import Vault, complete
from tests.unit.test_verify_verb import DECLARED, Prepared

VAULT = {
    "posthog": {"secret_key": "a", "encryption_salt_keys": "b", "owner_password": "c"},
    "postgres": {"posthog_web": "d", "posthog_worker": "e"},
    "tls": {"edge": "f"},
    "brought": {"mail": "g"},
    "backup": {"cipher_pass": "h"},
}
ROTATED = ("postgres.posthog_web", "postgres.posthog_worker", "posthog.secret_key", "tls.edge")


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (["all"], ROTATED),
        (["postgres"], ROTATED[:2]),
        (["tls", "tls.edge"], ("tls.edge",)),
        (["posthog"], ("posthog.secret_key",)),
        (["postgres.posthog_web"], ROTATED[:1]),
    ],
)
def test_what_is_named_is_meant(asked, meant):
    assert rotation.chosen(VAULT, asked) == meant


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("posthog.encryption_salt_keys", "would not be able to read that"),
        ("posthog.owner_password", "only its owner"),
        ("brought.mail", "it is yours"),
        ("backup.cipher_pass", "every backup that was made"),
        ("postgre", "there is no secret postgre"),
        ("postgres.posthog", "there is no secret"),
    ],
)
def test_what_cannot_be_rotated_is_refused_with_the_reason(asked, said):
    with pytest.raises(CallError, match=said):
        rotation.chosen(VAULT, [asked])


def test_what_is_forgotten_is_made_anew_and_the_rest_stays():
    left = rotation.forget(VAULT, ["postgres.posthog_web"])
    assert left == {**VAULT, "postgres": {"posthog_worker": "e"}}
    whole = complete(left, {"postgres.posthog_web": "password"})
    assert whole["postgres"]["posthog_worker"] == "e"
    assert len(whole["postgres"]["posthog_web"]) == 40


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> flow.Work:
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    write_file(Deployment("acme").declaration, DECLARED["prepared"])
    made = flow.open_work("acme")
    made = flow.Work(made.deployment, made.declaration, Prepared(), tmp_path)  # type: ignore[arg-type]
    monkeypatch.setattr(flow, "open_work", lambda *_, **__: made)
    return made


def test_without_secrets_there_is_nothing_to_rotate(work, capsys):
    assert main(["rotate", "acme", "all"]) == 2
    assert "has no secrets yet" in capsys.readouterr().err


def test_names_are_listed_and_no_value(work, capsys):
    Vault.of(work.deployment).write(work.deployment.secrets, {"posthog": {"secret_key": "s3cr3t-value"}})
    assert main(["rotate", "acme", "--json"]) == 0
    told = capsys.readouterr().out
    assert json.loads(told) == {"secrets": [{"name": "posthog.secret_key", "kept": ""}]}
    assert "s3cr3t" not in told


@pytest.mark.parametrize("obstacle", ["", "hedge-1: there is no room"])
def test_nothing_is_forgotten_while_something_is_in_the_way(work, monkeypatch, obstacle):
    vault, place = Vault.of(work.deployment), work.deployment.secrets
    vault.write(place, VAULT)
    monkeypatch.setattr(flow, "obstacles", lambda *_, **__: [obstacle] if obstacle else [])
    monkeypatch.setattr(installing, "_install", lambda *_: 0)
    monkeypatch.setattr(proof, "events_sent", lambda *_: nullcontext())
    assert main(["rotate", "acme", "tls", "--quiet"]) == (2 if obstacle else 0)
    assert vault.read(place) == (VAULT if obstacle else {**VAULT, "tls": {}})
    journal = work.deployment.root / "journal.jsonl"
    rows = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    assert [(row["verb"], row["secrets"]) for row in rows] == ([] if obstacle else [("rotate", ["tls.edge"])])


def test_a_run_that_is_killed_after_it_forgot_is_finished_by_the_next(work, monkeypatch, capsys):
    vault, place = Vault.of(work.deployment), work.deployment.secrets
    vault.write(place, VAULT)

    def killed(*_):
        raise KeyboardInterrupt

    def made(*_):
        vault.write(place, complete(vault.read(place), dict.fromkeys(ROTATED, "password")))
        return 0

    monkeypatch.setattr(flow, "obstacles", lambda *_, **__: [])
    monkeypatch.setattr(proof, "events_sent", lambda *_: nullcontext())
    monkeypatch.setattr(installing, "_install", killed)
    assert main(["rotate", "acme", "tls", "--quiet"]) == 130
    assert vault.read(place)["tls"] == {}
    assert main(["rotate", "acme", "tls.edge", "--quiet"]) == 2
    assert "What a killed run had forgotten, `install` makes." in capsys.readouterr().err
    monkeypatch.setattr(installing, "_install", made)
    assert main(["rotate", "acme", "all", "--quiet"]) == 0
    after = vault.read(place)
    assert rotation.names(after) == rotation.names(VAULT)
    assert after["backup"] == VAULT["backup"]
    assert after["tls"]["edge"] != "f"

"""Secrets and certificates are made once, kept, and survive a run that was cut off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hedgerow import pki
from hedgerow.credentials import ensure
from hedgerow.deployment import Deployment
from hedgerow.errors import CallError
from hedgerow.secrets import ALPHABET, Vault, complete, leaves

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WANTED = {"postgres.posthog_web": "password", "posthog.secret_key": "secret_key", "posthog.salt": "salt"}
SERVERS = {"edge": ("analytics.acme.example",), "postgres": ("postgres.hedgerow.internal",)}


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Deployment("acme")


def test_a_second_run_changes_no_byte(deployment: Deployment) -> None:
    first = ensure(deployment, WANTED, SERVERS, at=NOW)
    files = {path: path.read_bytes() for path in deployment.root.rglob("*") if path.is_file()}
    assert ensure(deployment, WANTED, SERVERS, at=NOW + timedelta(days=1)) == first
    assert {path: path.read_bytes() for path in deployment.root.rglob("*") if path.is_file()} == files


def test_no_secret_and_no_key_lies_in_the_folder_in_clear(deployment: Deployment) -> None:
    ensure(deployment, WANTED, SERVERS, at=NOW)
    values = list(leaves(Vault.of(deployment).read(deployment.secrets)))
    assert len(values) == len(WANTED) + len(SERVERS)
    for path in deployment.root.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert "PRIVATE KEY" not in text
            assert not any(value in text for value in values)


def test_a_renewed_certificate_leaves_the_others_and_the_passwords_alone(deployment: Deployment) -> None:
    first = ensure(deployment, WANTED, SERVERS, at=NOW)
    before = Vault.of(deployment).read(deployment.secrets)
    second = ensure(deployment, WANTED, {**SERVERS, "edge": ("new.acme.example",)}, at=NOW)
    after = Vault.of(deployment).read(deployment.secrets)
    assert second.certificates["edge"] != first.certificates["edge"]
    assert second.certificates["postgres"] == first.certificates["postgres"]
    assert after["postgres"] == before["postgres"]
    assert after["tls"]["postgres"] == before["tls"]["postgres"]


def test_a_run_cut_off_between_key_and_certificate_is_mended(deployment: Deployment) -> None:
    ensure(deployment, WANTED, SERVERS, at=NOW)
    vault = Vault.of(deployment)
    tree = vault.read(deployment.secrets)
    tree["tls"]["edge"] = tree["tls"]["postgres"]
    vault.write(deployment.secrets, tree)
    mended = ensure(deployment, WANTED, SERVERS, at=NOW)
    key = Vault.of(deployment).read(deployment.secrets)["tls"]["edge"]
    assert pki.belong_together(pki.Pair(mended.certificates["edge"], key))


def test_a_lost_or_open_key_file_is_refused(deployment: Deployment) -> None:
    ensure(deployment, WANTED, SERVERS, at=NOW)
    deployment.key_file.chmod(0o644)
    with pytest.raises(CallError, match="can be read by others"):
        Vault.of(deployment)
    deployment.key_file.unlink()
    with pytest.raises(CallError, match="is gone"):
        Vault.of(deployment)


@pytest.mark.parametrize(("kind", "length"), [("password", 40), ("secret_key", 64), ("salt", 32)])
def test_a_secret_has_its_length_and_is_safe_everywhere(kind: str, length: int) -> None:
    value = complete({}, {"a.b": kind})["a"]["b"]
    assert len(value) == length
    assert set(value) <= set(ALPHABET)


def test_what_is_there_is_kept() -> None:
    assert complete({"a": {"b": "old"}}, {"a.b": "password", "a.c": "salt"})["a"]["b"] == "old"


def test_a_secret_that_was_brought_is_kept_until_it_is_not_declared(deployment: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("of the relay\n")
    ensure(deployment, WANTED, SERVERS, brought={"mail_password": file}, at=NOW)
    assert Vault.of(deployment).read(deployment.secrets)["brought"] == {"mail_password": "of the relay"}
    ensure(deployment, WANTED, SERVERS, at=NOW)
    assert "brought" not in Vault.of(deployment).read(deployment.secrets)

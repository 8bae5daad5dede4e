"""What an operator sees: the verbs, with the Google Cloud of the environment's proxy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from hedgerow.cli import main
from hedgerow.errors import CallError
from hedgerow.targets.gcp.api import methods
from tests.gcp.fake.running import Fake
from tests.gcp.fake.world import NUMBER
from tests.gcp.project import quiet, target, text
from tests.reaching import SSH


@pytest.fixture
def declared(gcp: Fake, tmp_path: Path) -> str:
    """Return the path of a deploy.yml."""
    place = tmp_path / "deploy.yml"
    place.write_text(text())
    return str(place)


def programs(folder: Path, monkeypatch: pytest.MonkeyPatch, **made: str) -> None:
    """Put programs where they are found first."""
    for name, content in made.items():
        place = folder / "bin" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(content)
        place.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")


def test_a_plan_has_fields_costs_and_no_number(declared: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--json", declared]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    machines = {(row["kind"], row["name"]): row for row in said["machines"]}
    assert machines["instance", "analytics-1"]["action"] == "create"
    assert said["hosts"] is None and "USD a month" in said["cost"]
    assert main(["plan", declared]) == 0
    shown = capsys.readouterr().out
    assert "create   instance" in shown and "Cost: about" in shown and NUMBER not in shown


def test_the_role_is_printed_as_gcloud_takes_it(declared: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preflight", "--iam-policy", declared]) == 0
    role = yaml.safe_load(capsys.readouterr().out)
    assert {"title", "description", "stage", "includedPermissions"} == set(role)
    needed = {need for method in methods().values() if not method.when for need in method.needs}
    assert needed < set(role["includedPermissions"])
    # The fake judges their form, as Google does.
    body = {"roleId": "hedgerow_installer", "role": role}
    made = (
        target()
        .google._session()
        .post(  # no method of ours: the installer gives itself no role
            "https://iam.googleapis.com/v1/projects/acme-analytics/roles", json=body
        )
    )
    assert made.status_code == 200, made.text


def test_a_missing_gcloud_is_named_before_anything_is_made(
    declared: str, gcp: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs(tmp_path, monkeypatch, ssh=SSH)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert main(["preflight", declared]) == 2
    assert "gcloud is missing here" in capsys.readouterr().out and gcp.changing() == []


def test_no_agreement_no_machine(declared: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(declared).write_text(text().replace("with: gcp", "with: somebody"))
    assert main(["install", "--yes", declared]) == 2
    assert "Business Associate Agreement" in capsys.readouterr().err


def test_who_may_not_is_told_what_it_takes(declared: str, gcp: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    gcp.fault("compute.networks.get", "denied")
    assert main(["plan", declared]) == 3
    assert "preflight --iam-policy" in capsys.readouterr().err


def test_an_install_hands_over_a_machine_that_the_proxy_reaches(
    declared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path, monkeypatch, gcloud="#!/bin/sh\n", ssh=SSH)
    made = target()
    with pytest.raises(CallError, match="there is no machine analytics-1"):
        made.site()
    assert [state.state for state in made.observe()] == ["missing"]
    (host,) = made.apply(quiet).hosts
    assert (host.user, host.address) == ("hedgerow", host.private_address)
    assert host.proxy.startswith("gcloud compute start-iap-tunnel hedgerow-acme-analytics-1 %p --listen-on-stdin")
    assert host.identity_file is not None and host.identity_file.stat().st_mode & 0o777 == 0o600
    assert [state.state for state in made.observe()] == ["running"]
    key = made.public_key.read_text()
    target().provision(quiet)
    assert made.public_key.read_text() == key, "another run makes no other key"

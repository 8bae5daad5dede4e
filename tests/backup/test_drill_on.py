"""A drill where no lab is: on a machine that is declared for it, which is empty before, and wiped after.

Both machines are bare lab hosts that know nothing of us: `pytest -m long tests/backup/test_drill_on.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from hedgerow.hosts import Host
from hedgerow.targets.lab import LabSpec, LabTarget
from tests.backup.test_backup import well
from tests.conftest import Lab

pytestmark = [pytest.mark.lab, pytest.mark.long]
NAME = "t-drill-on"
EVERY = ("edge", "app", "data")
PERSON = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8N jane@acme.example"
LEFT = "find /etc/hedgerow /etc/pgbackrest /var/lib/postgresql /var/lib/valkey /srv -type f ! -path '*/forwarding/*'"


@dataclass(frozen=True)
class Two:
    """A machine with a deployment, and one beside it."""

    lab: Lab
    used: Host
    spare: Host


def row(host: Host) -> dict[str, object]:
    return {
        "name": host.name,
        "address": host.address,
        "user": host.user,
        "identity_file": str(host.identity_file),
        "host_key": host.host_key,
    }


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Both booted, and the first installed, with rows and a backup."""
    lab = Lab(tmp_path_factory.mktemp("drill-on"), NAME)
    target = LabTarget(NAME, LabSpec((("analytics-1", EVERY), ("spare-1", EVERY))))
    target.destroy(lambda _: None)
    try:
        used, spare = target.apply(lambda _: None).hosts
        declared = {
            "name": NAME,
            "domain": "analytics.acme.example",
            "target": {"kind": "onprem", "hosts": [row(used)]},
            "access": {"administrators": [{"name": "jane", "ssh_keys": [PERSON]}]},
            "backup": {"to": "/srv/backup", "drill_on": row(spare)},
            "posthog": {"deploy": False},
        }
        lab.declaration.write_text(yaml.safe_dump(declared))
        with lab.in_this_process():
            well(lab.installer("install", str(lab.declaration), "--json", "--yes"))
            made = "create table kept as select generate_series(1, 1000) n"
            assert lab.run(used, f"runuser -u postgres -- psql -qc '{made}'").returncode == 0
            well(lab.installer("backup", "now", NAME, "--json"))
            yield Two(lab, used, spare)
    finally:
        target.destroy(lambda _: None)


@pytest.mark.parametrize("time", ["first", "again"])
def test_the_machine_is_empty_after_it_and_takes_the_next(two: Two, time: str) -> None:
    found = well(two.lab.installer("drill", NAME, "--json", seconds=3600)).json["drill"]
    assert found["ok"], found
    assert found["rows"] >= 1000
    assert found["hosts"] == [f"spare-1 ({two.spare.address})"]
    assert not found["stand_in"]
    assert two.lab.run(two.spare, LEFT).stdout == ""
    assert "policy drop" in two.lab.run(two.spare, "nft list ruleset").stdout, "as protected as it was"
    (finding,) = two.lab.verify(["backup.drilled"])
    assert finding.status == "pass", finding


def test_a_machine_of_another_deployment_is_refused_and_left(two: Two) -> None:
    marker = "/etc/hedgerow/health/question.json"
    told = json.dumps({"deployment": "billing"})
    two.lab.run(two.spare, f"mkdir -p /etc/hedgerow/health; echo '{told}' >{marker}")
    refused = two.lab.installer("drill", NAME, "--json")
    assert (refused.code, "it is of the deployment billing" in refused.err) == (2, True), refused.err
    assert two.lab.run(two.spare, f"cat {marker}").stdout.strip() == told

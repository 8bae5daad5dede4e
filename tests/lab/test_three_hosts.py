"""Edge, application and data on a host each: the same roles, and every way between them crosses the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Lab

pytestmark = pytest.mark.lab
NAME = "t-three"
DECLARATION = f"""\
name: {NAME}
domain: analytics.acme.example
target:
  kind: lab
  hosts:
    - {{name: edge-1, roles: [edge]}}
    - {{name: app-1, roles: [app]}}
    - {{name: data-1, roles: [data]}}
access:
  ingest_from: [any]
"""


@pytest.fixture(scope="module")
def three(deployments: Path) -> Iterator[Lab]:
    """Another deployment beside the first: they do not disturb one another."""
    lab = Lab(deployments, NAME)
    path = lab.folder / "three.yml"
    path.write_text(DECLARATION)
    lab.installer("destroy", NAME, "--yes")
    try:
        answer = lab.installer("install", str(path), "--json", "--yes")
        assert answer.code == 0, answer.out + answer.err
        yield lab
    finally:
        lab.installer("destroy", NAME, "--yes")


def test_all_hosts_hold_their_controls_and_events_arrive(three: Lab) -> None:
    again = three.installer("install", NAME, "--json", "--yes")
    assert again.code == 0, again.out + again.err
    assert {name: host["changed"] for name, host in again.json["hosts"].items()} == {
        "edge-1": 0,
        "app-1": 0,
        "data-1": 0,
    }
    assert all(step["status"] in ("ok", "not-tried") for step in again.json["smoke"]["steps"])


def test_each_host_is_asked_only_what_concerns_it(three: Lab) -> None:
    concerns = {
        name: {finding.control.split(".")[0] for finding in three.verify() if finding.host == name}
        for name in ("edge-1", "app-1", "data-1")
    }
    # What a store lets its clients do is asked where those are, its doors where it is.
    assert {"containers", "posthog", "sidecars"} <= concerns["app-1"]
    assert not concerns["app-1"] & {"postgres", "valkey"}
    assert {"postgres", "valkey", "clickhouse", "eventlog", "objects"} <= concerns["data-1"]
    assert {"containers", "sidecars"} <= concerns["data-1"]
    assert "edge" not in concerns["data-1"]
    assert "edge" in concerns["edge-1"]
    assert not concerns["edge-1"] & {
        "postgres",
        "valkey",
        "clickhouse",
        "eventlog",
        "objects",
        "containers",
        "posthog",
    }

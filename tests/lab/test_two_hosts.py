"""The data tier on a host of its own: the same roles, and the application reaches it across the network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Lab

pytestmark = pytest.mark.lab
NAME = "t-two"
DECLARATION = f"""\
name: {NAME}
domain: analytics.acme.example
target:
  kind: lab
  hosts:
    - {{name: front-1, roles: [edge, app]}}
    - {{name: data-1, roles: [data]}}
access:
  ingest_from: [any]
"""


@pytest.fixture(scope="module")
def two(lab_folder: Lab) -> Iterator[Lab]:
    """Another deployment beside the first: two labs do not disturb one another."""
    lab = Lab(lab_folder.folder, NAME)
    path = lab.folder / "two.yml"
    path.write_text(DECLARATION)
    lab.installer("destroy", NAME, "--yes")
    try:
        answer = lab.installer("install", str(path), "--json", "--yes")
        assert answer.code == 0, answer.out + answer.err
        yield lab
    finally:
        lab.installer("destroy", NAME, "--yes")


def test_both_hosts_hold_their_controls_and_events_arrive(two: Lab) -> None:
    again = two.installer("install", NAME, "--json", "--yes")
    assert again.code == 0, again.out + again.err
    assert {name: host["changed"] for name, host in again.json["hosts"].items()} == {"front-1": 0, "data-1": 0}
    assert all(step["status"] in ("ok", "not-tried") for step in again.json["smoke"]["steps"])


def test_each_host_is_asked_only_what_concerns_it(two: Lab) -> None:
    concerns = {
        name: {finding.control.split(".")[0] for finding in two.verify() if finding.host == name}
        for name in ("front-1", "data-1")
    }
    # Each runs containers. What a store lets its clients do is asked where those are, its doors where it is.
    assert {"edge", "containers", "posthog", "sidecars"} <= concerns["front-1"]
    assert not concerns["front-1"] & {"postgres", "valkey"}
    assert {"postgres", "valkey", "clickhouse", "eventlog", "containers", "sidecars"} <= concerns["data-1"]
    assert "edge" not in concerns["data-1"]

"""A change that would cut the operator off undoes itself."""

from __future__ import annotations

import time

import pytest
import yaml

from tests.conftest import Lab

pytestmark = pytest.mark.lab
SECONDS = 20


@pytest.mark.parametrize(
    ("role", "variables"),
    [
        ("firewall", {"firewall_inbound": [], "firewall_guard_seconds": SECONDS}),
        ("ssh", {"ssh_groups": ["nobody-at-all"], "ssh_guard_seconds": SECONDS}),
    ],
)
def test_a_change_that_locks_us_out_is_undone(lab: Lab, role: str, variables: dict[str, object]) -> None:
    """The run fails, the host lets us in again by itself, and an ordinary run finds nothing to mend."""
    extra = lab.folder / f"lockout-{role}.yml"
    extra.write_text(yaml.safe_dump(variables))
    run = lab.converge([role], ["-e", f"@{extra}"])
    assert run.failures, "cutting off the operator must not count as done"
    deadline = time.monotonic() + SECONDS + 180
    while True:
        try:
            if lab.run(lab.host, "true").returncode == 0:
                break
        except Exception as error:
            assert time.monotonic() < deadline, f"the host never let us in again: {error}"
            time.sleep(1)
    again = lab.converge([role])
    assert not again.failures
    assert all(recap.changed == 0 for recap in again.hosts.values()), again.changes

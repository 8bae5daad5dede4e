"""How long the target of Google Cloud takes against the fake: `python -m bench.gcp`. Needs requirements-dev.txt.

It says what Hedgerow and the fake cost together, in seconds by the clock and of this process's own work; Google's own
waits (an operation, a grant that all of it must know) come on top.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gcp.fake.running import Fake

DECLARED = {
    "smallest": "",
    "everything": "lock: true, audit: true, load_balancer: {}, dns_zone: acme-example, alerts_to: [a@acme.example]",
}


@pytest.mark.parametrize("name", DECLARED)
def test_bench(name: str, gcp: Fake) -> None:
    """Time a plan, an install, an install that has nothing to do, and a destroy."""
    from tests.gcp.project import quiet, target  # noqa: PLC0415 (after the environment is set)
    from tests.gcp.test_target_watching import zone  # noqa: PLC0415

    def timed(what: str, do: Callable[[], object]) -> None:
        gcp.forget()
        started, worked = time.monotonic(), time.process_time()
        do()
        took, own = time.monotonic() - started, time.process_time() - worked
        print(f"{name:<11} {what:<22} {took:5.2f} s, {own:4.2f} of its own, {len(gcp.calls())} calls")

    zone()
    made = target(DECLARED[name])
    timed("plan, empty project", made.plan)
    timed("install", lambda: made.provision(quiet))
    timed("install, nothing to do", lambda: made.provision(quiet))
    assert gcp.changing() == []
    timed("plan, nothing to do", made.plan)
    timed("destroy", lambda: made.destroy(quiet))


if __name__ == "__main__":
    os.environ.setdefault("HEDGEROW_DEPLOYMENTS", tempfile.mkdtemp())
    raise SystemExit(pytest.main(["-q", "-s", "-p", "tests.gcp.conftest", str(Path(__file__))]))

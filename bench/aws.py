"""How long the AWS target takes against an emulated account: `python -m bench.aws`. Needs requirements-dev.txt.

It says what Hedgerow and the emulator cost together; AWS's own waits (a NAT gateway, an instance) come on top.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest


def test_bench(aws: str) -> None:
    """Time a plan, an install, an install that has nothing to do, and a destroy."""
    from tests.cloud.account import quiet, recorded, target  # noqa: PLC0415 (after the environment is set)

    def timed(what: str, do: Callable[[], object]) -> None:
        with recorded() as calls:
            started = time.monotonic()
            do()
            print(f"{what:<22} {time.monotonic() - started:5.1f} s  {len(calls)} calls")

    made = target()
    timed("plan, empty account", made.plan)
    timed("install", lambda: made.provision(quiet))
    timed("install, nothing to do", lambda: made.provision(quiet))
    timed("plan, nothing to do", made.plan)
    timed("destroy", lambda: made.destroy(quiet))


if __name__ == "__main__":
    os.environ.setdefault("HEDGEROW_DEPLOYMENTS", tempfile.mkdtemp())
    raise SystemExit(pytest.main(["-q", "-s", "-p", "tests.cloud.conftest", str(Path(__file__))]))

"""A run that meets a fault at any call that changes something: the next run ends where one undisturbed run would.

Five faults, once at each call of an install, of a repair and of a destroy: killed when AWS has done it, told to wait,
refused, done by another run a moment before, and a thing of that name which is somebody else's. `make test` takes a
few, `make test-faults` all of them. `exploring` says how.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hedgerow.targets.aws.api import asks
from hedgerow.targets.aws.permissions import calls
from tests.cloud.faults import FAULTS, concerns

CHANGING = sorted(name for name in calls() if not asks(name.partition(".")[2]))
SAMPLE = ("ec2.delete_subnet", "ec2.run_instances")
CHOSEN = CHANGING if os.environ.get("HEDGEROW_FAULTS") == "all" else SAMPLE
CASES = [(fault, name) for name in CHOSEN for fault in FAULTS if concerns(fault, name)]


@pytest.fixture(scope="module")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """Start what lets calls meet faults."""
    folder = tmp_path_factory.mktemp("faults")
    words = [sys.executable, "-m", "tests.cloud.exploring", str(folder)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            words, cwd=Path(__file__).parents[2], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        yield process
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)


@pytest.mark.parametrize(("fault", "name"), CASES)
def test_the_next_run_ends_where_an_undisturbed_one_would(
    fault: str, name: str, explorer: subprocess.Popen[str]
) -> None:
    assert explorer.stdin is not None and explorer.stdout is not None
    explorer.stdin.write(json.dumps({"call": name, "fault": fault}) + "\n")
    explorer.stdin.flush()
    said: dict[str, Any] = json.loads(explorer.stdout.readline())
    assert said, f"no install, repair or destroy calls {name}"
    wrong = {scenario: [one for one in results if one] for scenario, results in said.items()}
    assert not any(wrong.values()), wrong
    assert all(said.values())

"""How long a verify takes as hosts and controls become more: real lab hosts, all converged, asked at once.

    python -m bench.hosts [--hosts N] [--runs N]

Needs root and about 0.4 GiB of memory a host: each has the edge and the distribution's stores, without PostHog's
services, as a deployment of its own, because a release runs each role on one host. Verify is given the hosts of
several at once, which is all it would see of one with as many hosts. Prints one JSON object; seconds are wall time
of `verify` alone, without the start of the installer.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.calling import Bench
from hedgerow.catalog import load_catalog
from hedgerow.flow import open_work
from hedgerow.proof import sheets
from hedgerow.sheet import Sheet
from hedgerow.verify import verify

DECLARATION = (
    "name: {name}\ndomain: analytics.acme.example\ntarget: {{kind: lab}}\n"
    "posthog: {{deploy: false}}\naccess: {{ingest_from: [any]}}\n"
)
FEWER = (1, 2, 5, 10, 20, 50)
AT_ONCE = 2
"""Installs that run side by side: each keeps a core busy."""


def main() -> None:
    """Boot, measure, and remove every lab again, also after a failure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--hosts", type=int, default=20)
    options.add_argument("--runs", type=int, default=3)
    given = options.parse_args()
    names = [f"t-many-{number + 1}" for number in range(given.hosts)]
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as folder:
        bench = Bench(Path(folder))
        os.environ.update(bench.environment)
        try:
            # The first alone: it makes the root file system and the images that the others take from the cache.
            install(bench, Path(folder), names[0])
            with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
                list(pool.map(lambda name: install(bench, Path(folder), name), names[1:]))
            json.dump(growth([sheet_of(name) for name in names], given.runs), sys.stdout, indent=1)
            print()
        finally:
            for name in names:
                bench.call("destroy", name, "--yes")


def install(bench: Bench, folder: Path, name: str) -> None:
    """Install one deployment of one host. Raises SystemExit where that fails: then there is nothing to measure."""
    place = folder / f"{name}.yml"
    place.write_text(DECLARATION.format(name=name))
    bench.timed("install", str(place))


def sheet_of(name: str) -> Sheet:
    """Return what a verify is told about the only host of a deployment."""
    work = open_work(name)
    return sheets(work, work.target.site())[0]


def growth(every: Sequence[Sheet], runs: int) -> dict[str, object]:
    """Return seconds by number of hosts, all controls asked, and by number of controls, one host asked."""
    controls = [control.id for control in load_catalog().controls]
    steps = sorted({*(count for count in FEWER if count < len(every)), len(every)})
    some = {count: controls[:: len(controls) // count][:count] for count in (1, 10, 50, 100)}
    return {
        "all controls, by hosts": {str(count): timed(every[:count], (), runs) for count in steps},
        "one host, by controls": {
            **{str(count): timed(every[:1], chosen, runs) for count, chosen in some.items()},
            str(len(controls)): timed(every[:1], (), runs),
        },
    }


def timed(some: Sequence[Sheet], controls: Sequence[str], runs: int) -> dict[str, object]:
    """Return the seconds of a verify, what the last one found by status, and which controls did not hold in any."""
    seconds, statuses, wrong = [], Counter[str](), Counter[str]()
    for _ in range(runs):
        started = time.monotonic()
        found = verify(some, controls=tuple(controls))
        seconds.append(round(time.monotonic() - started, 2))
        statuses = Counter(finding.status for finding in found)
        wrong.update(f"{one.control}: {one.status}" for one in found if one.status in ("fail", "error"))
    told = {"min": min(seconds), "median": statistics.median(seconds), "max": max(seconds), **statuses}
    return {**told, "wrong": dict(wrong)} if wrong else told


if __name__ == "__main__":
    main()

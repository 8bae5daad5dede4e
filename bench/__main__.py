"""Time what people run most: an install that changes nothing, and a verify, on one lab host; and what ingestion takes.

    python -m bench [--runs N] [--cold]

--cold also times a first install from nothing, with an empty cache of images (packages come at registry speed).
Needs root. Prints one JSON object; seconds are wall time of the whole process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import checks_channel, ingest, report

REPOSITORY = Path(__file__).resolve().parent.parent
NAME = "t-bench"
DECLARATION = f"name: {NAME}\ndomain: analytics.acme.example\ntarget: {{kind: lab}}\naccess: {{ingest_from: [any]}}\n"


def main() -> None:
    """Boot, measure, and remove the lab again, also after a failure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--cold", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as folder:
        bench = Bench(Path(folder), cold=given.cold)
        try:
            first = bench.timed("install", str(bench.declaration))
            figures = {
                f"first install, {'cold' if given.cold else 'warm'} cache": {"seconds": first, "runs": 1},
                "second install, nothing changes": bench.several(given.runs, "install", NAME),
                "verify": bench.several(given.runs, "verify", NAME),
                "plan, nothing would change": bench.several(given.runs, "plan", NAME),
                "status": bench.several(given.runs, "status", NAME),
            }
            os.environ.update(bench.environment)
            figures |= checks_channel.compare(NAME, given.runs)
            figures |= ingest.compare(NAME, given.runs)
            figures |= report.compare(20, given.runs)
            json.dump(figures, sys.stdout, indent=1)
            print()
        finally:
            bench.call("destroy", NAME, "--yes")


class Bench:
    """One lab of the benchmark's own, apart from anybody's deployments."""

    def __init__(self, folder: Path, *, cold: bool) -> None:
        self.declaration = folder / "deploy.yml"
        self.declaration.write_text(DECLARATION)
        self.environment = {
            **os.environ,
            "HEDGEROW_DEPLOYMENTS": str(folder / "deployments"),
            "XDG_CONFIG_HOME": str(folder / "config"),
        }
        if cold:
            self.environment["HEDGEROW_CACHE"] = str(folder / "cache")

    def call(self, *words: str) -> int:
        """Call the installer and return its exit code."""
        command = [sys.executable, str(REPOSITORY / "installer.py"), *words, "--quiet"]
        return subprocess.run(command, env=self.environment, stdout=subprocess.DEVNULL, check=False).returncode

    def timed(self, *words: str) -> float:
        """Return the wall seconds of one call that must succeed."""
        yes = ("--yes",) if words[0] == "install" else ()
        started = time.monotonic()
        code = self.call(*words, *yes)
        seconds = time.monotonic() - started
        if code:
            raise SystemExit(f"{' '.join(words)} ended with {code}: nothing was measured")
        return round(seconds, 2)

    def several(self, runs: int, *words: str) -> dict[str, float]:
        """Return least, median and most of several calls, after one that does not count."""
        self.timed(*words)
        seconds = [self.timed(*words) for _ in range(runs)]
        return {"min": min(seconds), "median": round(statistics.median(seconds), 2), "max": max(seconds), "runs": runs}


if __name__ == "__main__":
    main()

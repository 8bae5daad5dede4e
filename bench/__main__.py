"""Time what people run most: an install that changes nothing, and a verify, on one lab host; and what ingestion takes.

    python -m bench [--runs N] [--cold]

--cold also times a first install from nothing, with an empty cache of images (packages come at registry speed).
Needs root. Prints one JSON object; seconds are wall time of the whole process.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from bench import checks_channel, ingest, report
from bench.calling import Bench

NAME = "t-bench"
DECLARATION = f"name: {NAME}\ndomain: analytics.acme.example\ntarget: {{kind: lab}}\naccess: {{ingest_from: [any]}}\n"


def main() -> None:
    """Boot, measure, and remove the lab again, also after a failure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--cold", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as folder:
        declaration = Path(folder) / "deploy.yml"
        declaration.write_text(DECLARATION)
        bench = Bench(Path(folder), cold=given.cold)
        try:
            first = bench.timed("install", str(declaration))
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


if __name__ == "__main__":
    main()

"""The installer as a benchmark calls it: a whole process, timed, in deployments of the benchmark's own."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


class Bench:
    """Labs of the benchmark's own, apart from anybody's deployments. `folder` is emptied by whoever made it."""

    def __init__(self, folder: Path, *, cold: bool = False) -> None:
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

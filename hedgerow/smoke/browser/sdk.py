"""The official browser SDK (npm: posthog-js), of the version and with the hashes of package-lock.json beside this."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from hedgerow.deployment import write_file
from hedgerow.errors import UnreachableError

PINS = Path(__file__).parent
# Recorder and all: what the SDK would else load from the deployment's /static/ is PostHog's code, which a lab lacks.
SCRIPT = "node_modules/posthog-js/dist/array.full.no-external.js"
SECONDS = 300


def cache_folder(environment: Mapping[str, str], root: bool) -> Path:
    """Return where the SDK is kept between runs."""
    named = environment.get("HEDGEROW_CACHE")
    if named:
        return Path(named).absolute() / "browser-sdk"
    if root:
        return Path("/var/cache/hedgerow/browser-sdk")
    home = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "hedgerow" / "browser-sdk"


def provide(say: Callable[[str], None], folder: Path | None = None) -> Path:
    """Return the SDK's script, fetching it once for each state of the lock file. Raises UnreachableError.

    `npm ci` takes only what the lock file names, and refuses what has another hash; no script of a package is run.
    """
    folder = folder or cache_folder(os.environ, os.geteuid() == 0)
    key = hashlib.sha256((PINS / "package-lock.json").read_bytes()).hexdigest()[:16]
    script = folder / f"{key}.js"
    if script.exists():
        return script
    say("browser SDK: fetching it")
    with tempfile.TemporaryDirectory(prefix="hedgerow-npm-") as workshop:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PINS / name, workshop)
        command = [
            "npm",
            "ci",
            "--ignore-scripts",
            "--omit=optional",
            "--no-audit",
            "--no-fund",
            "--no-update-notifier",
        ]
        try:
            done = subprocess.run(command, cwd=workshop, capture_output=True, text=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as reason:
            raise UnreachableError(f"npm ci: {reason}", "See whether this machine reaches its npm registry.") from None
        if done.returncode:
            raise UnreachableError(
                f"npm ci failed: {done.stderr.strip()[-400:]}", "See whether this machine reaches its npm registry."
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_file(script, (Path(workshop) / SCRIPT).read_text(encoding="utf-8"))
    return script

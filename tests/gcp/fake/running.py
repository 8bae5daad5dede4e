"""The fake as a process of its own, and what a test can say to it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .world import PROJECT

REPOSITORY = Path(__file__).parents[3]


def environment(port: int, folder: Path) -> dict[str, str]:
    """Return what leads a client here, as an operator's proxy and CA settings would."""
    return {
        "HTTPS_PROXY": f"http://127.0.0.1:{port}",
        "REQUESTS_CA_BUNDLE": str(folder / "ca.pem"),
        "NO_GCE_CHECK": "true",
        "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "credentials.json"),
        "GOOGLE_CLOUD_PROJECT": PROJECT,
    }


@dataclass(frozen=True)
class Fake:
    """A running fake."""

    address: str
    environment: dict[str, str]

    def _say(self, verb: str, path: str, body: Any = None) -> Any:
        raw = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(f"{self.address}{path}", data=raw, method=verb)  # noqa: S310 (our own address)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(asked, timeout=30) as answer:
            return json.load(answer)

    def reset(self, *, new: bool = False, polls: int = 1) -> None:
        """Begin with an empty project; `new` with few services on; an operation is done at its `polls`-th question."""
        self._say("POST", "/reset", {"new": new, "polls": polls})

    def fault(self, method: str, kind: str, *, times: int = 1, after: int = 0) -> None:
        """Let something go wrong: `method` as "compute.*.insert", `kind` one of KINDS of world.py."""
        self._say("POST", "/fault", {"method": method, "kind": kind, "times": times, "after": after})

    def withhold(self, *permissions: str) -> None:
        """Let testIamPermissions say that the caller has not these."""
        self._say("POST", "/withhold", list(permissions))

    def forget(self) -> None:
        """Forget the calls so far and the faults to come."""
        self._say("POST", "/forget", {})

    def calls(self) -> list[dict[str, Any]]:
        """Return every call: method, path, changes, status, fault."""
        found: list[dict[str, Any]] = self._say("GET", "/calls")
        return found

    def changing(self) -> list[str]:
        """Return the methods of the calls that could change something."""
        return [one["method"] for one in self.calls() if one["changes"]]

    def state(self) -> dict[str, Any]:
        """Return what there is: rows, policies, services."""
        found: dict[str, Any] = self._say("GET", "/state")
        return found


@contextmanager
def running(folder: Path, *words: str) -> Iterator[Fake]:
    """Run the fake, with its keys and certificates in a folder; a further word is World's `waiting`."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.gcp.fake", "0", str(folder), *words],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert process.stdout is not None
            found = {}
            while line := process.stdout.readline().strip():
                name, _, value = line.removeprefix("export ").partition("=")
                found[name] = value
            assert found, (folder / "log").read_text()
            yield Fake(found["HTTPS_PROXY"], found)
        finally:
            process.terminate()
            process.wait(20)

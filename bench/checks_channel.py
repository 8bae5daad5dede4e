"""Measure: all checks of one host over our channel, and the same checks over testinfra's own ssh backend.

    python -m bench.checks_channel demo                  the first host of a deployment
    python -m bench.checks_channel demo --only ssh       only some controls or concerns

testinfra's backend keeps its SSH connection open (ControlPersist), as its documentation advises,
and both remember the answers of a run: what differs is the way a question travels. Beside it stands what goss is
known for, run on the host itself: there a check is one property of one thing, here a control, which looks at many.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import secrets
import shlex
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra.backend.ssh
import testinfra.host

from hedgerow import flow, proof
from hedgerow.catalog import CHECKS, load_catalog
from hedgerow.channel import Answer, Channel, CouldNotAsk
from hedgerow.sheet import Sheet
from hedgerow.testinfra_backend import host_over
from hedgerow.verify import verify
from hedgerow.verify_child import arguments
from hedgerow.verify_plugin import Findings, Run


class PlainBackend(testinfra.backend.ssh.SshBackend):
    """testinfra's ssh backend, able to answer what our checks ask of a backend."""

    def __init__(self, sheet: Sheet, folder: Path) -> None:
        host = sheet.host
        super().__init__(
            f"{host.user}@{host.address}:{host.port}",
            ssh_identity_file=str(host.identity_file) if host.identity_file else None,
            controlpersist=60,
            ssh_extra_args=(
                f"-o BatchMode=yes -o UserKnownHostsFile={sheet.known_hosts or '/dev/null'}"
                f" -o StrictHostKeyChecking=accept-new -o LogLevel=ERROR -o ControlPath={folder}/%C"
            ),
        )
        self.mark = f"hedgerow-bench-{secrets.token_hex(4)}"
        self.channel = self
        self._asked: dict[str, Answer] = {}

    def ask_ahead(self, command: str, seconds: float = 10.0) -> None:
        """Do nothing: this backend has no second lane."""

    def begin(self, command: str, seconds: float = 10.0) -> None:
        """Do nothing, as above."""

    def question(self, command: str, _seconds: float, fresh: bool) -> Answer:
        """Run a command as root, as our channel does."""
        if fresh or command not in self._asked:
            began = time.monotonic()
            # testinfra takes exit code 255 for a failure of its own connection, also where the command says it.
            spared = f"( {command} ); code=$?; exit $((code == 255 ? 254 : code))"
            said = self.run(shlex.join(["sudo", "-n", "bash", "-o", "pipefail", "-c", spared, self.mark]))
            self._asked[command] = Answer(command, said.rc, said.stdout, said.stderr, time.monotonic() - began)
        return self._asked[command]


REFERENCE = {"goss, on the host itself": {"checks": 338, "seconds": 5.0, "milliseconds a check": 14.8}}
"""What is said of it in public, on machines that are not named: an order of magnitude, and not measured here."""


@dataclass(frozen=True)
class Measured:
    """How long one way took, and how many findings of each status it gave."""

    seconds: float
    statuses: Counter[str]


def checks_over(sheet: Sheet, host: testinfra.host.Host, controls: Sequence[str]) -> Measured:
    """Run the checks in this process."""
    said: list[dict[str, Any]] = []
    run = Run(sheet, host, frozenset(controls), said.append)
    began = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main(arguments(CHECKS), plugins=[Findings(run)])
    return Measured(time.monotonic() - began, Counter(finding["status"] for finding in said))


def over_channel(sheet: Sheet, controls: Sequence[str]) -> Measured:
    """Measure the checks over our channel, the connection included."""
    began = time.monotonic()
    channel = Channel.to(sheet.host, sheet.known_hosts)
    try:
        channel.prove()
        connected = time.monotonic() - began
        found = checks_over(sheet, host_over(channel, sheet.host.name), controls)
    finally:
        channel.close()
    return Measured(found.seconds + connected, found.statuses)


def over_ssh(sheet: Sheet, controls: Sequence[str]) -> Measured:
    """Measure the checks over testinfra's backend, the connection included."""
    with tempfile.TemporaryDirectory() as folder:
        return checks_over(sheet, testinfra.host.Host(PlainBackend(sheet, Path(folder))), controls)


def whole(sheet: Sheet, controls: Sequence[str]) -> Measured:
    """Measure verify as it is called: child process, imports, connection, checks."""
    began = time.monotonic()
    statuses = Counter(finding.status for finding in verify([sheet], controls=controls))
    return Measured(time.monotonic() - began, statuses)


WAYS = {
    "verify as a whole, one host": whole,
    "checks over our channel": over_channel,
    "same checks over testinfra's ssh backend": over_ssh,
}


def measure(sheet: Sheet, runs: int, only: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Return least, median and most seconds of each way, after one run that does not count, and what it found."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    controls = [control.id for control in load_catalog().concerning(sheet.host.roles, only)]
    figures: dict[str, dict[str, Any]] = {}
    for name, way in WAYS.items():
        way(sheet, controls)
        measured = [way(sheet, controls) for _ in range(runs)]
        seconds = sorted(round(one.seconds, 2) for one in measured)
        figures[name] = {
            "min": seconds[0],
            "median": round(statistics.median(seconds), 2),
            "max": seconds[-1],
            "runs": runs,
            "found": dict(sorted(measured[-1].statuses.items())),
            "milliseconds a control": round(1000 * statistics.median(seconds) / len(controls), 1),
        }
    return figures | REFERENCE


def compare(deployment: str, runs: int, only: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Measure the first host of a deployment."""
    work = flow.open_work(deployment)
    return measure(proof.sheets(work, work.target.site())[0], runs, only)


def main() -> int:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("deployment")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[])
    chosen = parser.parse_args()
    try:
        json.dump(compare(chosen.deployment, chosen.runs, chosen.only), sys.stdout, indent=1)
    except CouldNotAsk as reason:
        print(reason, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Verify: one child process a host, side by side, and every control answered by exactly one finding."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from hedgerow.catalog import CHECKS, Catalog, Control, load_catalog
from hedgerow.cloud_sheet import CloudSheet
from hedgerow.findings import Finding
from hedgerow.sheet import Sheet

AT_ONCE = 4 * (os.cpu_count() or 1)
"""Hosts that are asked side by side. A child mostly waits for its host; many more of them than this controller can run
make one another late, and then a question that took too long tells nothing about the host."""

HOST_SECONDS = 180.0
"""A host that is not done by then, times its patience, has its child ended; what it did not answer is `error`."""

CLOUD_KEPT = (
    "AWS_",
    "CLOUDSDK_",
    "GCE_METADATA_",
    "GOOGLE_",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_GCE_CHECK",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)
"""How the variables begin that credentials and ways to a cloud come by."""

KEPT = ("HOME", "LANG", "LOGNAME", "PATH", "SSH_AUTH_SOCK", "TZ", "USER")

Say = Callable[[str], None]
NOTHING: Mapping[str, str] = MappingProxyType({})


class Waiver(Protocol):
    """An accepted exception, as the declaration has it."""

    @property
    def control(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def who(self) -> str: ...
    @property
    def until(self) -> date: ...


class Attestation(Protocol):
    """The operator's word for what software cannot see: who said it, when, and where an auditor finds it."""

    @property
    def control(self) -> str: ...
    @property
    def who(self) -> str: ...
    @property
    def on(self) -> date: ...
    @property
    def reference(self) -> str: ...


def verify(
    sheets: Sequence[Sheet | CloudSheet],
    waivers: Sequence[Waiver] = (),
    say: Say = lambda _line: None,
    *,
    controls: Sequence[str] = (),
    attestations: Sequence[Attestation] = (),
    catalog: Catalog | None = None,
    checks: Path = CHECKS,
    today: date | None = None,
    outside: Mapping[str, str] = NOTHING,
) -> tuple[Finding, ...]:
    """Ask every host and cloud about every control that concerns it, and return the findings in a stable order.

    `controls` narrows the run to some ids or concerns ("ssh.no-root", "firewall"). `outside` are controls that are not
    asked, each with why: their findings say just that. Never raises
    for what a host does or does not say: an unreachable host yields `error` for all its controls.
    """
    catalog = catalog or load_catalog()
    today = today or datetime.now(UTC).date()
    wanted = [(sheet, catalog.concerning(_place(sheet)[1], controls)) for sheet in sheets]
    asked = [(sheet, kept) for sheet, rows in wanted if (kept := [row for row in rows if row.id not in outside])]
    left = [_left_out(row, sheet, outside) for sheet, rows in wanted for row in rows if row.id in outside]
    if not asked:
        return tuple(left)
    with ThreadPoolExecutor(max_workers=min(len(asked), AT_ONCE)) as pool:
        answers = pool.map(lambda one: verify_host(one[0], one[1], checks, say), asked)
        # A waiver that the catalog allows no more excuses nothing, whatever was declared before.
        valid = [waiver for waiver in waivers if waiver.control not in catalog.never_waived]
        return (*(settle(finding, valid, attestations, today) for found in answers for finding in found), *left)


def _left_out(control: Control, sheet: Sheet | CloudSheet, outside: Mapping[str, str]) -> Finding:
    """Return the finding of a control that was not asked: never a pass, and nobody's word makes it one."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Finding(
        control.id,
        control.hipaa,
        _place(sheet)[0],
        "not-exercised",
        expected=control.promise,
        reason=outside[control.id],
        at=at,
    )


def _place(sheet: Sheet | CloudSheet) -> tuple[str, tuple[str, ...]]:
    """Return the name that findings have as their host, and the roles by which controls concern it."""
    return (sheet.kind, (sheet.kind,)) if isinstance(sheet, CloudSheet) else (sheet.host.name, sheet.host.roles)


def verify_host(sheet: Sheet | CloudSheet, controls: Sequence[Control], checks: Path, say: Say) -> list[Finding]:
    """Run the child for one host or cloud and return one finding a control, in the controls' order."""
    cloud, name = isinstance(sheet, CloudSheet), _place(sheet)[0]
    order = {
        "sheet": asdict(sheet),
        "controls": [control.id for control in controls],
        "checks": str(checks),
        "cloud": cloud,
    }
    heard: dict[str, Finding] = {}
    why = ""
    rows = {control.id: control for control in controls}
    words: Mapping[str, Any]
    seconds = HOST_SECONDS * (1.0 if isinstance(sheet, CloudSheet) else sheet.host.patience)
    for words in _child(json.dumps(order, default=str), cloud, seconds):
        if "control" in words:
            finding = Finding(hipaa=rows[words["control"]].hipaa, host=name, **words)
            heard[finding.control] = finding
            say(f"{name}: {len(heard)} of {len(rows)} controls, {finding.control} {finding.status}")
        elif "unreachable" in words:
            why = str(words["unreachable"])
            say(f"{name}: {why}")
        elif "died" in words:
            why = why or f"the verify process ended before this was answered: {words['died']}"
        elif words.get("broken"):
            why = f"no check answered; {'; '.join(words['broken'])}"
    silent = why or "no check answers this control"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return [
        heard.get(control.id)
        or Finding(control.id, control.hipaa, name, "error", expected=control.promise, reason=silent, at=now)
        for control in controls
    ]


def settle(finding: Finding, waivers: Sequence[Waiver], attestations: Sequence[Attestation], today: date) -> Finding:
    """Apply the operator's waivers to a failure and her word to what this place cannot show."""
    if finding.status == "fail":
        mine = [waiver for waiver in waivers if waiver.control == finding.control]
        for waiver in mine:
            if today <= waiver.until:
                words = f"waived by {waiver.who} until {waiver.until}: {waiver.reason}"
                return replace(finding, status="waived", reason=f"{words} ({finding.reason})")
        if mine:
            last = max(waiver.until for waiver in mine)
            return replace(finding, reason=f"{finding.reason} (the waiver for it expired on {last})")
    if finding.status == "not-exercised":
        for word in attestations:
            if word.control == finding.control:
                said = f"attested by {word.who} on {word.on}, {word.reference}"
                return replace(finding, status="attested", reason=f"{said} ({finding.reason})")
    return finding


def _child(order: str, cloud: bool, seconds: float) -> Iterator[dict[str, Any]]:
    """Start the child, give it its order and yield what it says; the last word is "died" if it did not end well."""
    environment = {
        name: value for name, value in os.environ.items() if name in KEPT or (cloud and name.startswith(CLOUD_KEPT))
    } | {
        "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [sys.executable, "-m", "hedgerow.verify_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=environment,
            text=True,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()
        alarm = threading.Timer(seconds, _too_late, (process, late))
        alarm.start()
        ended = False
        try:
            try:
                process.stdin.write(order + "\n")
                process.stdin.close()
            except OSError:
                pass  # it died at once; what it said to standard error tells why
            for line in process.stdout:
                words = json.loads(line)
                ended = ended or "end" in words or "unreachable" in words
                yield words
            process.wait()
        finally:
            alarm.cancel()
            if process.poll() is None:
                _end(process)
                process.wait()
        if late.is_set():
            yield {"died": f"it took longer than {seconds:g} s"}
        elif not ended:
            complaints.seek(0)
            tail = complaints.read()[-500:].decode("utf-8", "replace").strip().splitlines()
            yield {"died": tail[-1] if tail else f"exit code {process.returncode}"}


def _too_late(process: subprocess.Popen[str], late: threading.Event) -> None:
    late.set()
    _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)

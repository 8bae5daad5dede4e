"""Run the playbooks of a rendered deployment; turn Ansible's events into progress and a recap."""

from __future__ import annotations

import difflib
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from hedgerow.errors import ConvergeError, UnreachableError
from hedgerow.unwell import meaning

Event = dict[str, Any]
MITOGEN = "mitogen_linear"
APART = ("--extra-vars", "mitogen_task_isolation=fork")
"""Each task in a process of its own: none finds what another has changed of the one it runs in."""
LOST = "the respondent Context has disconnected"
"""What mitogen says when a host goes in the middle of a task, where Ansible would say that it cannot be reached."""


@dataclass(frozen=True)
class HostRecap:
    """What Ansible counted on one host."""

    ok: int = 0
    changed: int = 0
    failed: int = 0
    unreachable: int = 0

    def as_json(self) -> dict[str, int]:
        """Return the counts under their published names."""
        return {"ok": self.ok, "changed": self.changed, "failed": self.failed, "unreachable": self.unreachable}


@dataclass(frozen=True)
class TaskChange:
    """A task that changed a host, or in check mode would: with the diff it showed."""

    host: str
    task: str
    diff: str = ""


@dataclass(frozen=True)
class Failure:
    """A task that failed: on which host, where it is written, and what it said."""

    host: str
    task: str
    place: str
    message: str
    unreachable: bool = False

    def __str__(self) -> str:
        known = meaning(self.message)
        why = f"\n    Why: {known[0]}. {known[1]}" if known else ""
        return f"{self.host}: {self.task}\n    {self.message}{why}\n    ({self.place})"


@dataclass(frozen=True)
class Converged:
    """How a playbook run ended. `seconds` is the wall time."""

    hosts: dict[str, HostRecap]
    changes: tuple[TaskChange, ...]
    failures: tuple[Failure, ...]
    seconds: float
    log: Path | None = None

    def raise_for_failure(self) -> Converged:
        """Return self. Raises UnreachableError or ConvergeError, naming every failure, when there is one."""
        if not self.failures:
            return self
        text = "\n".join(str(failure) for failure in self.failures)
        if any(failure.unreachable for failure in self.failures):
            raise UnreachableError(text, "Check the network, the account and the key, then run the same command again.")
        where = f" The whole log: {self.log}" if self.log else ""
        raise ConvergeError(text, f"Nothing is half-done that a second run would not finish.{where}")


@dataclass
class Watcher:
    """Collects Ansible's events; `say` hears the name of each task as it starts."""

    say: Callable[[str], None]
    hosts: dict[str, HostRecap] = field(default_factory=dict)
    changes: list[TaskChange] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def __call__(self, event: Event) -> bool:
        """Take one event; never keep it as a file."""
        kind, data = event.get("event"), event.get("event_data", {})
        if kind == "playbook_on_task_start":
            self.say(_title(data))
        elif kind in ("runner_on_failed", "runner_on_unreachable") and not data.get("ignore_errors"):
            self.failures.append(_failure(data, kind == "runner_on_unreachable"))
        elif kind == "runner_on_ok" and data.get("res", {}).get("changed"):
            self.changes.append(TaskChange(data["host"], _title(data), diff_text(data["res"])))
        elif kind == "playbook_on_stats":
            self.hosts = _recap(data)
        return False


def run(
    folder: Path,
    say: Callable[[str], None],
    *,
    playbook: str = "site.yml",
    arguments: Sequence[str] = (),
    log: Path | None = None,
) -> Converged:
    """Run a playbook of the deployment in `folder` and return how it went; failures are values, not exceptions."""
    # A quarter of a second to load: only who converges pays it.
    from ansible_runner.interface import run as run_ansible  # noqa: PLC0415

    watcher = Watcher(say)
    started = time.monotonic()
    # Under one name: what a run that was killed has left goes with the next.
    private = folder / ".run"
    shutil.rmtree(private, ignore_errors=True)
    private.mkdir(mode=0o700)
    handlers = _handlers()
    try:
        runner = run_ansible(
            private_data_dir=str(private),
            project_dir=str(folder),
            playbook=playbook,
            cmdline=" ".join((*arguments, *APART)),
            envvars=environment(folder),
            event_handler=watcher,
            quiet=True,
            suppress_env_files=True,
        )
        output = Path(runner.config.artifact_dir) / "stdout"
        text = output.read_text(errors="replace") if output.exists() else ""
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(text)
        if runner.status == "canceled":
            raise KeyboardInterrupt
        if runner.rc and not watcher.failures:
            # Ansible stopped before it reached a task: a syntax error, a vault key that does not fit.
            raise ConvergeError(text.strip()[-2000:] or f"ansible-playbook ended with {runner.rc}", f"Log: {log}")
    finally:
        # ansible-runner takes these signals for itself and keeps them: what comes after must end at Ctrl-C too.
        for number, handler in handlers.items():
            signal.signal(number, handler)
        shutil.rmtree(private, ignore_errors=True)
    # A failure that a rescue answered is no failure of the run.
    failures = tuple(watcher.failures) if runner.rc else ()
    return Converged(watcher.hosts, tuple(watcher.changes), failures, round(time.monotonic() - started, 2), log)


def environment(folder: Path) -> dict[str, str]:
    """Return the variables that Ansible runs with in a deployment's folder.

    Tasks travel by mitogen: one Python a host for the whole run, which keeps what it has loaded. Ansible's own way
    starts one for each task and compiles the same modules anew every time, which is most of what a task costs. What
    is done on a host is the same; whoever sets ANSIBLE_STRATEGY (`linear`) has the way they name.
    """
    strategy = os.environ.get("ANSIBLE_STRATEGY", MITOGEN)
    # Not by a connection of somebody's ssh_config that is still open: who proves that one can come in opens a new one.
    theirs = os.environ.get("ANSIBLE_SSH_EXTRA_ARGS", "")
    new = {"ANSIBLE_SSH_EXTRA_ARGS": f"-o ControlPath=none {theirs}".strip()} if strategy == MITOGEN else {}
    return new | {
        # Only our own environment's Ansible, whatever else is on the machine.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        # ansible-runner turns it off, where nobody says otherwise.
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_STRATEGY": strategy,
        "ANSIBLE_STRATEGY_PLUGINS": str(files("ansible_mitogen").joinpath("plugins", "strategy")),
        # That strategies of others are to end some day is for those who choose the versions, not who run them.
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
    }


def _handlers() -> dict[signal.Signals, Any]:
    """Return how Ctrl-C and an end are answered now; only the main thread may change that."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}


def diff_text(result: Event) -> str:
    """Return the diffs of one result as text, with our own `prepared` diffs as they are."""
    parts = []
    diffs = result.get("diff") or []
    for diff in diffs if isinstance(diffs, list) else [diffs]:
        if not isinstance(diff, dict):
            continue
        if diff.get("prepared"):
            parts.append(str(diff["prepared"]))
        elif "before" in diff or "after" in diff:
            parts.append(_unified(diff))
    return "\n".join(part for part in parts if part)


def _unified(diff: Event) -> str:
    def lines(value: object) -> list[str]:
        return (value if isinstance(value, str) else str(value or "")).splitlines()

    header = str(diff.get("after_header") or diff.get("before_header") or "")
    return "\n".join(
        difflib.unified_diff(lines(diff.get("before")), lines(diff.get("after")), header, header, lineterm="")
    )


def _title(data: Event) -> str:
    role = data.get("role")
    task = data.get("name") or data.get("task") or "task"
    return f"{role} : {task}" if role and not task.startswith(f"{role} : ") else task


def _failure(data: Event, unreachable: bool) -> Failure:
    result = data.get("res", {})
    message = result.get("msg") or result.get("stderr") or result.get("module_stderr") or "no message"
    if isinstance(message, list):
        message = "; ".join(str(part) for part in message)
    extra = result.get("stderr", "")
    if extra and extra not in str(message):
        message = f"{message}: {extra.strip()[-800:]}"
    gone = unreachable or LOST in str(message)
    return Failure(data.get("host", "?"), _title(data), data.get("task_path", "?"), str(message).strip(), gone)


def _recap(stats: Event) -> dict[str, HostRecap]:
    names = sorted(set(stats.get("processed", {})) | set(stats.get("dark", {})))
    return {
        name: HostRecap(
            stats.get("ok", {}).get(name, 0),
            stats.get("changed", {}).get(name, 0),
            stats.get("failures", {}).get(name, 0),
            stats.get("dark", {}).get(name, 0),
        )
        for name in names
    }

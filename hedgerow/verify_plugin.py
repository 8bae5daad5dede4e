"""The pytest plugin of a verify run: it turns each check into one finding."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from hedgerow.checking import REASON_LENGTH, CouldNotAsk, Finder, NotExercised, shorten
from hedgerow.sheet import Sheet

if TYPE_CHECKING:
    from hedgerow.cloud_sheet import CloudSheet

WAITS = ("", "ASK_AHEAD", "SLOW", "look_ahead")
"""What a module of checks has that makes it wait, the shortest first."""


@dataclass
class Run:
    """The state of one run: what every check shares, and the notebook of the one at work.

    `host` is testinfra's, or of a cloud who reads its account.
    """

    sheet: Sheet | CloudSheet
    host: Any
    controls: frozenset[str]
    emit: Callable[[dict[str, Any]], None]
    finder: Finder = field(default_factory=Finder)
    answered: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    ahead: dict[str, Future[Any]] = field(default_factory=dict)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))


RUN: pytest.StashKey[Run] = pytest.StashKey()
BEGAN: pytest.StashKey[float] = pytest.StashKey()


class Findings:
    """The pytest plugin that turns each test into one finding."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def pytest_configure(self, config: pytest.Config) -> None:
        """Hand the run to the fixtures."""
        config.stash[RUN] = self.run
        config.addinivalue_line("markers", "control(id): the control a check answers")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remember a module of checks that cannot be loaded: its controls will have no answer."""
        if report.failed:
            last = (str(report.longrepr).strip().splitlines() or ["?"])[-1]
            self.run.broken.append(f"{report.nodeid} cannot be loaded: {last}")

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the checks of the wanted controls, and begin what takes long before the first of them runs.

        A module may name slow questions in ASK_AHEAD; the answers are then there when a check asks the same. SLOW says
        that one of them waits for silence. What is more than a question it does in a function `look_ahead(host,
        sheet)`, whose result its checks get by the fixture `looked`. Who has to wait comes later: others use the time.
        """
        kept = [item for item in items if control_of(item) in self.run.controls]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = sorted(kept, key=_wait)
        for module in dict.fromkeys(item.module for item in kept if isinstance(item, pytest.Function)):
            for question in getattr(module, "ASK_AHEAD", ()):
                # A question that names an address is made from the sheet.
                words = question(self.run.sheet) if callable(question) else question
                self.run.host.backend.ask_ahead(words, 60.0)
            if look_ahead := getattr(module, "look_ahead", None):
                self.run.ahead[module.__name__] = self.run.threads.submit(look_ahead, self.run.host, self.run.sheet)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Open a fresh notebook and note when the check began."""
        self.run.finder = Finder()
        item.stash[BEGAN] = time.monotonic()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        """Emit the finding once the check has run, or could not even be set up."""
        report = yield
        if call.when == "call" or (call.when == "setup" and call.excinfo is not None):
            self._emit(item, call.excinfo.value if call.excinfo else None)
        return report

    def _emit(self, item: pytest.Item, problem: BaseException | None) -> None:
        control = control_of(item)
        fields = self.run.finder.as_fields
        status, reason = verdict(problem, fields)
        if control in self.run.answered:
            status, reason = "error", f"two checks answer {control}; there must be one"
        self.run.answered.add(control)
        self.run.emit(
            {
                "control": control,
                "status": status,
                "reason": reason,
                **fields,
                "seconds": round(time.monotonic() - item.stash[BEGAN], 4),
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )


def _wait(item: pytest.Item) -> int:
    """Return how long a check may have to wait, as a rank."""
    module = getattr(item, "module", None)
    return max(rank for rank, name in enumerate(WAITS) if not name or hasattr(module, name))


def control_of(item: pytest.Item) -> str:
    """Return the control that a check answers, "" when it names none (a test of our own forbids that)."""
    marker = item.get_closest_marker("control")
    return str(marker.args[0]) if marker and marker.args else ""


def verdict(problem: BaseException | None, fields: dict[str, str]) -> tuple[str, str]:
    """Return status and reason for how a check ended."""
    match problem:
        case NotExercised():
            status, reason = "not-exercised", str(problem)
        case CouldNotAsk():
            status, reason = "error", str(problem)
        case pytest.skip.Exception():
            status, reason = "error", "the check skipped itself; it must say NotExercised, with the reason"
        case None | AssertionError() if not fields["expected"]:
            status, reason = "error", "the check does not say what it expected"
        case None | AssertionError() if not fields["asked"]:
            status, reason = "error", "the check asked nothing"
        case None:
            status, reason = "pass", ""
        case AssertionError():
            seen = f"observed {fields['observed'] or 'nothing'} where {fields['expected']} was expected"
            status, reason = "fail", str(problem) or seen
        case _:
            status, reason = "error", f"the check itself broke: {type(problem).__name__}: {problem}"
    return status, shorten(reason, REASON_LENGTH)

"""What a person sees while work is going on: the phase, the task and the time, on standard error.

Standard output stays for results, so that `--json` can be piped. Without a terminal there is one line a phase;
with `--quiet` there is nothing but problems.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console as RichConsole
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from hedgerow.errors import DeclarationError, HedgerowError


class Reporter:
    """Tells a person what is going on. Also the record of how long each phase took."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.command = os.environ.get("HEDGEROW_COMMAND", "./installer.py")
        self.seconds: dict[str, float] = {}
        self.out = RichConsole(file=sys.stdout, highlight=False, soft_wrap=True)
        self.err = RichConsole(file=sys.stderr, highlight=False, soft_wrap=True)
        self._live: Progress | None = None
        self._said = ""

    @contextmanager
    def phase(self, name: str, title: str) -> Iterator[None]:
        """Time one phase under `name` and show `title` while it lasts."""
        started = time.monotonic()
        ended = "failed"
        with self._progress(title):
            try:
                yield
                ended = "done"
            finally:
                self._live = None
                took = round(time.monotonic() - started, 2)
                self.seconds[name] = round(self.seconds.get(name, 0.0) + took, 2)
                self._close(title, ended, took)

    def say(self, text: str) -> None:
        """Show what is being done at this moment."""
        self._said = text
        if self._live is not None:
            self._live.update(self._live.task_ids[0], task=text[:100])

    def note(self, text: str) -> None:
        """Print one line that stays on the screen."""
        if not self.quiet:
            self.err.print(text, markup=False)

    def problem(self, error: HedgerowError) -> None:
        """Print an error and its fix; never quiet."""
        if isinstance(error, DeclarationError):
            count = len(error.problems)
            self.err.print(
                f"{count} problem{'s' if count != 1 else ''} in the declaration; nothing was touched.", markup=False
            )
        self.err.print(error.message, markup=False)
        if error.fix:
            self.err.print(f"  {error.fix}", markup=False)

    @contextmanager
    def _progress(self, title: str) -> Iterator[None]:
        if self.quiet or not self.err.is_terminal:
            yield
            return
        columns = (
            SpinnerColumn(),
            TextColumn("[bold]{task.description}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[task]}", markup=False),
        )
        with Progress(*columns, console=self.err, transient=True) as live:
            live.add_task(title, total=None, task="")
            self._live = live
            yield

    def _close(self, title: str, ended: str, seconds: float) -> None:
        if not self.quiet:
            last = f"  (at: {self._said})" if ended == "failed" and self._said else ""
            self.err.print(f"{'ok  ' if ended == 'done' else 'FAIL'} {title:<46} {seconds:7.1f} s{last}", markup=False)
        self._said = ""

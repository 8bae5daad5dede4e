"""Where hosts come from: one module a target, one protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hedgerow.hosts import Change, HostState, Site

Say = Callable[[str], None]
"""Receives one short line about what is being done now."""


class Target(Protocol):
    """A source of hosts. Every method is safe to repeat and to run after a crash."""

    def preflight(self) -> list[str]:
        """Return what would make `apply` fail, one human line each; empty when nothing would."""
        ...

    def plan(self) -> list[Change]:
        """Return what `apply` would do; touch nothing."""
        ...

    def apply(self, say: Say) -> Site:
        """Make the hosts exist and reachable, and return them. Raises UnreachableError."""
        ...

    def site(self) -> Site:
        """Return the hosts as the last `apply` left them. Raises CallError where there are none."""
        ...

    def observe(self) -> list[HostState]:
        """Look at each host now."""
        ...

    def destroy(self, say: Say) -> list[Change]:
        """Undo everything `apply` ever set up, also after a crash, and return what was removed."""
        ...

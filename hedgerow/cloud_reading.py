"""Asking a cloud's account, whichever cloud it is: what an answer is remembered as, and what its absence is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hedgerow.checking import CouldNotAsk


class Answers:
    """What was asked before in this run is not asked again; a refusal is an answer too."""

    def __init__(self, refusals: tuple[type[Exception], ...]) -> None:
        self._refusals = refusals
        self._known: dict[str, Any] = {}

    def once(self, question: str, make: Callable[[], Any]) -> Any:
        """Return the answer, asking when there is none yet. Raises the refusal, each time anew."""
        if question not in self._known:
            try:
                self._known[question] = make()
            except self._refusals as error:
                self._known[question] = error
        answer = self._known[question]
        if isinstance(answer, Exception):
            raise answer
        return answer


def lacking(permission: str) -> CouldNotAsk:
    """Return what a check says where credentials may not ask: the permission to give them."""
    return CouldNotAsk(f"these credentials lack {permission}")

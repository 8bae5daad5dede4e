"""The DevTools protocol over a pipe: one JSON value a message, a NUL after each (chromium --remote-debugging-pipe)."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Callable, Mapping
from typing import Any

Message = Mapping[str, Any]


class BrowserError(Exception):
    """The browser refused, went away, or did not answer in time."""


class DevTools:
    """Calls, and events as they come: `hear` is told each event while an answer is waited for."""

    def __init__(self, reads: int, writes: int, hear: Callable[[Message], None]) -> None:
        self.reads = reads
        self.writes = writes
        self.hear = hear
        self.session = ""
        self._number = 0
        self._rest = b""

    def post(self, method: str, **parameters: Any) -> int:
        """Send a command without waiting; return its number."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        content = json.dumps(message).encode() + b"\0"
        try:
            while content:
                content = content[os.write(self.writes, content) :]
        except OSError as reason:
            raise BrowserError(f"{method}: the browser has gone ({reason})") from None
        return self._number

    def call(self, method: str, *, seconds: float = 15, **parameters: Any) -> Any:
        """Send a command and return its result. Raises BrowserError."""
        number, until = self.post(method, **parameters), time.monotonic() + seconds
        while True:
            message = self._next(until)
            if message is None:
                raise BrowserError(f"{method}: no answer in {seconds:.0f} s")
            if message.get("id") != number:
                self.hear(message)
            elif "error" in message:
                raise BrowserError(f"{method}: {message['error'].get('message', 'refused')}")
            else:
                return message["result"]

    def listen(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Hear events for some time, or until there is enough."""
        until = time.monotonic() + seconds
        while not enough() and (message := self._next(until)) is not None:
            self.hear(message)

    def _next(self, until: float) -> Message | None:
        while b"\0" not in self._rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.reads], [], [], left)[0]:
                return None
            piece = os.read(self.reads, 1 << 20)
            if not piece:
                raise BrowserError("the browser has gone")
            self._rest += piece
        content, _, self._rest = self._rest.partition(b"\0")
        message: Message = json.loads(content)
        return message

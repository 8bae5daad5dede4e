"""testinfra over our channel: `host.run`, `host.file(...)`, `host.service(...)` as its documentation has them."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import testinfra.backend.base
import testinfra.host

from hedgerow.channel import ANSWER_SECONDS, Answer, Channel


class ChannelBackend(testinfra.backend.base.BaseBackend):
    """Runs commands over a Channel and remembers the answers for the length of one run.

    Checks only read, and a run is one moment: the second check that asks `sshd -T` gets the
    answer the first one got. testinfra's own modules always ask afresh.
    """

    NAME = "hedgerow"

    def __init__(self, channel: Channel, hostname: str) -> None:
        super().__init__(hostname)
        self.channel = channel
        self._asked: dict[str, Future[Answer]] = {}

    def run(self, command: str, *args: str, **_kwargs: Any) -> testinfra.backend.base.CommandResult:
        """Run one command for testinfra. Raises CouldNotAsk."""
        whole = self.get_command(command, *args)
        answer = self.channel.ask(whole, ANSWER_SECONDS)
        return self.result(answer.rc, self.encode(whole), answer.stdout, answer.stderr)

    def ask_ahead(self, command: str, seconds: float = ANSWER_SECONDS) -> None:
        """Send a question whose answer a later check will want; slow ones then run beside the others."""
        if command not in self._asked:
            self._asked[command] = self.channel.ask_later(command, seconds, ahead=True)

    def begin(self, command: str, seconds: float = ANSWER_SECONDS) -> None:
        """Send a question that runs from now on, while its check does something that it is to see."""
        if command not in self._asked:
            self._asked[command] = self.channel.ask_later(command, seconds)

    def answered(self, command: str) -> bool:
        """Tell whether a question that was sent ahead has its answer, or its error, by now."""
        return command in self._asked and self._asked[command].done()

    def question(self, command: str, seconds: float, fresh: bool) -> Answer:
        """Return the answer to a command, the remembered one unless `fresh`. Raises CouldNotAsk."""
        if fresh:
            return self.channel.ask(command, seconds)
        if command in self._asked:
            self.channel.hurry(self._asked[command])
        self.begin(command, seconds)
        return self.channel.wait(self._asked[command], command, seconds)


def host_over(channel: Channel, name: str) -> testinfra.host.Host:
    """Return testinfra's Host for a channel."""
    return testinfra.host.Host(ChannelBackend(channel, name))

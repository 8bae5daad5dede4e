"""What a check may say. Checks import this module and nothing else of Hedgerow.

    @pytest.mark.control("ssh.no-root")
    def test_root_gets_no_session(host, finding):
        finding.expect("PermitRootLogin no")
        settings = finding.ask(host, "sshd -T").stdout
        finding.observe(...)                      # short, in words, never a secret
        assert "permitrootlogin no" in settings, "root may log in"

An AssertionError makes the finding `fail`, NotExercised `not-exercised`, and CouldNotAsk or any
other exception `error`. What was asked is recorded by `ask`; what was observed is the last
answer, cut short, unless the check puts it into words with `observe`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hedgerow.channel import ANSWER_SECONDS, Answer, CouldNotAsk
from hedgerow.shortening import shorten

__all__ = ["ANY", "Answer", "CouldNotAsk", "Finder", "NotExercised", "shorten"]

ANY: tuple[int, ...] = ()
"""For `ask(codes=ANY)`: whatever exit code the command has, its answer is an answer."""

OBSERVED_LENGTH = 400
REASON_LENGTH = 600


class NotExercised(Exception):  # noqa: N818 - it names an outcome, as a finding does
    """This place cannot show the control; the message says why."""


class Finder:
    """One check's notebook: what it asked, what it saw, what it had expected. The fixture `finding`."""

    def __init__(self) -> None:
        self._asked: list[str] = []
        self._observed = ""
        self._in_words = False
        self._expected = ""

    def ask(
        self,
        host: Any,
        command: str,
        *,
        timeout: float = ANSWER_SECONDS,
        codes: Collection[int] = (0,),
        fresh: bool = False,
    ) -> Answer:
        """Run a command as root on the host and return its answer: `rc`, `stdout`, `stderr`.

        It runs in bash with pipefail. An exit code that is not among `codes` means that the
        question was not answered: CouldNotAsk, as for a missing tool (127), a dead channel and a
        time-out (seconds). A command that was asked before in this run is not asked again,
        unless `fresh`. The command is recorded, so it holds no secret.
        """
        self.asked(command)
        answer: Answer = host.backend.question(command, timeout, fresh)
        if not self._in_words:
            self._observed = answer.stdout or answer.stderr
        missing = answer.rc in (126, 127) and answer.rc not in codes
        if missing or (codes and answer.rc not in codes):
            said = shorten(answer.stderr or answer.stdout or "it said nothing", 200)
            raise CouldNotAsk(f"`{shorten(command, 120)}` ended with exit code {answer.rc}: {said}")
        return answer

    def asked(self, question: str) -> None:
        """Record a question that did not go through `ask`: a connection from outside, for example."""
        if question not in self._asked:
            self._asked.append(question)

    def observe(self, what: str) -> None:
        """Put what was seen into words; the last call counts."""
        self._observed = what
        self._in_words = True

    def expect(self, what: str) -> None:
        """Say what must be seen. Every check does: without it the finding is an error."""
        self._expected = what

    @property
    def as_fields(self) -> dict[str, str]:
        """What was recorded, short and with anything that looks like a secret hidden."""
        return {
            "asked": shorten("; ".join(self._asked), 2 * OBSERVED_LENGTH),
            "observed": shorten(self._observed, OBSERVED_LENGTH),
            "expected": shorten(self._expected, OBSERVED_LENGTH),
        }

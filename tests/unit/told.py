"""A host that answers what it was told, so that a check can be seen to pass and to fail without a machine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hedgerow.checking import Answer, Finder
from hedgerow.verify_plugin import verdict
from tests.unit.test_verify import sheet_of

DECLARED = replace(
    sheet_of().declared, administrators=("jane",), installer_account="debian", ssh_from=("192.0.2.0/28",)
)


@dataclass
class Told:
    """A host that answers what it was told: the longest key that a command contains decides."""

    answers: dict[str, str | tuple[int, str]]
    asked: list[str] = field(default_factory=list)

    @property
    def backend(self) -> Told:
        return self

    def question(self, command: str, _seconds: float, _fresh: bool) -> Answer:
        self.asked.append(command)
        keys = sorted((key for key in self.answers if key in command), key=len)
        assert keys, f"nobody told what to answer to: {command}"
        said = self.answers[keys[-1]]
        code, text = said if isinstance(said, tuple) else (0, said)
        return Answer(command, code, text, text if "ssh -vv" in command else "", 0.0)


def outcome(check, answers, *extra) -> tuple[str, str]:
    """Return status and reason of a check on a host that answers so."""
    finder = Finder()
    try:
        check(Told(answers), finder, *extra)
        problem = None
    except Exception as error:
        problem = error
    return verdict(problem, finder.as_fields)

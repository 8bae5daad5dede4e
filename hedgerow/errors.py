"""Errors a person will read, each with the exit code it leads to."""

from __future__ import annotations

from dataclasses import dataclass

EXIT_DONE = 0
EXIT_CONTROL_FAILED = 1
EXIT_WRONG_CALL = 2
EXIT_UNREACHABLE = 3
EXIT_CONVERGE_FAILED = 4
EXIT_INTERRUPTED = 130


class HedgerowError(Exception):
    """Something a person must act on: what is wrong, and in `fix` what to do about it."""

    exit_code = EXIT_CONVERGE_FAILED

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a declaration: where (file, line, key), what, and the fix."""

    file: str
    line: int
    key: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        first = f"{self.file}:{self.line}  {self.key}: {self.message}"
        return f"{first}\n    {self.fix}" if self.fix else first


class DeclarationError(HedgerowError):
    """The declaration is wrong; nothing was touched. Exit code 2."""

    exit_code = EXIT_WRONG_CALL

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class CallError(HedgerowError):
    """The command was called wrongly, or what it needs is not there; nothing was touched. Exit code 2."""

    exit_code = EXIT_WRONG_CALL


class UnreachableError(HedgerowError):
    """A host, a registry or a cloud refused or could not be reached. Exit code 3."""

    exit_code = EXIT_UNREACHABLE


class ConvergeError(HedgerowError):
    """A playbook failed on a host. Running the same command again is safe. Exit code 4."""

    exit_code = EXIT_CONVERGE_FAILED

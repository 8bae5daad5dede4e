"""The guided `init`: a few questions, or as many options, and a commented deploy.yml.

Each answer is judged by the declaration itself: it is written into a whole one that is right in
everything else, and what `parse` then complains of is the answer's fault. So `init` can never
accept what `install` would refuse, and says it in the same words.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hedgerow.console import Reporter
from hedgerow.declaration import parse, read_file
from hedgerow.declaration.application import Images
from hedgerow.declaration.writing import Answers, text
from hedgerow.deployment import write_file
from hedgerow.errors import EXIT_DONE, CallError, DeclarationError

Ask = Callable[[str], str]
ReadText = Callable[[Path], str]


@dataclass(frozen=True)
class Question:
    """One thing `init` needs to know. `default` None: there is no answer but the operator's."""

    name: str
    words: str
    example: str
    default: tuple[str, ...] | None = None
    many: bool = False
    kinds: tuple[str, ...] = ("lab", "onprem")

    @property
    def flag(self) -> str:
        """The option that answers it."""
        return f"--{self.name}"


OTHER_IMAGES = {key: f"{key.replace('_', '-')}-image" for key in Images.model_fields if key != "posthog"}
"""Images that are asked for where PostHog's own is named -> the option."""

QUESTIONS = (
    Question("name", "Name of the deployment", "acme", ("analytics",)),
    Question("domain", "Host name under which people will open PostHog", "analytics.acme.example"),
    Question("target", "Where hosts come from: lab (throw-away, on this machine) or onprem", "onprem", ("lab",)),
    Question(
        "host",
        "Machine to install on, as USER@ADDRESS or USER@ADDRESS:PORT (a second one takes the data)",
        "debian@192.0.2.52",
        many=True,
        kinds=("onprem",),
    ),
    Question(
        "administrator",
        "Person who runs the hosts, as NAME=FILE.pub or NAME=PUBLIC KEY",
        "jane=jane.pub",
        many=True,
        kinds=("onprem",),
    ),
    Question("interface-from", "Network that may open the pages", "198.51.100.0/24", ("controller",), many=True),
    Question("ingest-from", "Network that may send events, or any", "any", ("controller",), many=True),
    Question("ssh-from", "Network that may reach SSH", "198.51.100.7", ("controller",), many=True),
    Question(
        "posthog-image",
        "PostHog's image by digest (empty: prepare the hosts only)",
        "REGISTRY/NAME@sha256:DIGEST",
        (),
        kinds=("onprem",),
    ),
    *(
        Question(name, f"The image of {key} by digest", "REGISTRY/NAME@sha256:DIGEST", (), kinds=("onprem",))
        for key, name in OTHER_IMAGES.items()
    ),
)

ANY_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPZw8Zb6c3THTz8GycTPXbKu78nIfJ39zK8MvWwOwKpC"
RIGHT: Answers = {
    "name": ("acme",),
    "domain": ("analytics.acme.example",),
    "host": ("right-installer@192.0.2.52",),
    "administrator": (f"right-person={ANY_KEY}",),
}
"""Answers with nothing wrong in them, around the one that is judged."""


def wanted(answers: Answers) -> tuple[Question, ...]:
    """Return the questions that this kind of target asks."""
    kind = answers.get("target", ("lab",))[0]
    return tuple(
        question
        for question in QUESTIONS
        if (kind in question.kinds or kind not in ("lab", "onprem"))
        and (question.name not in OTHER_IMAGES.values() or answers.get("posthog-image"))
    )


def complaint(question: Question, answer: tuple[str, ...], answers: Answers) -> str:
    """Say what is wrong with one answer beside these right ones, with the fix, or "" where nothing is."""
    trial = {**RIGHT, **answers, question.name: answer}
    if question.name.endswith("-image"):
        trial |= dict.fromkeys(("posthog-image", *OTHER_IMAGES.values()), answer)
    return _problems(trial)


def _problems(answers: Answers) -> str:
    try:
        parse(text(answers))
    except DeclarationError as error:
        return "\n".join(dict.fromkeys(f"{one.key}: {one.message}\n    {one.fix}" for one in error.problems))
    return ""


def complete(answers: Answers) -> Answers:
    """Take defaults for what was not answered. Raises CallError naming every option that is missing or wrong."""
    questions = wanted(answers)
    missing = [question for question in questions if question.name not in answers and question.default is None]
    if missing:
        raise CallError(
            f"init needs {', '.join(question.flag for question in missing)}, or a terminal to ask on",
            "For example: " + " ".join(f"{question.flag} {question.example}" for question in missing),
        )
    # A lab asks for nobody, because its installer has a key of its own; whoever is named gets an account there too.
    useless = [name for name in answers if name not in {question.name for question in questions} | {"administrator"}]
    if useless:
        raise CallError(f"--{useless[0]} has no meaning with the other answers", "Leave it out, or change --target.")
    kind = {"target": answers["target"]} if "target" in answers else {}
    wrong = [said for q in QUESTIONS if q.name in answers and (said := complaint(q, answers[q.name], kind))]
    whole = {**answers, **{q.name: q.default or () for q in questions if q.name not in answers}}
    if wrong or (said := _problems(whole)):
        raise CallError("\n".join(dict.fromkeys(wrong)) or said)
    return whole


def guide(answers: Answers, ask: Ask, say: Callable[[str], None], read_text: ReadText) -> Answers:
    """Ask what was not answered yet, each question until its answer is right."""
    given = dict(answers)
    for question in QUESTIONS:
        while question.name not in given and question in wanted(given):
            shown = ", ".join(question.default or ()) or (question.example if question.default is None else "none")
            bracket = f"[{shown}]" if question.default is not None else f"(for example {shown})"
            line = ask(f"{question.words} {bracket}: ").strip()
            answer = _split(line, question) if line else question.default
            if answer is None:
                say("There is no default for this one.")
                continue
            try:
                answer = with_keys(question.name, answer, read_text)
                wrong = complaint(question, answer, given)
            except CallError as error:
                wrong = f"{error.message}\n    {error.fix}"
            if wrong:
                say(wrong)
            else:
                given[question.name] = answer
    return complete(given)


def _split(line: str, question: Question) -> tuple[str, ...]:
    """Part several answers at commas; a public key holds none."""
    return tuple(part.strip() for part in line.split(",") if part.strip()) if question.many else (line,)


def with_keys(name: str, answer: tuple[str, ...], read_text: ReadText) -> tuple[str, ...]:
    """Put the content of a .pub file in the place of its name. Raises CallError where it cannot be read."""
    return tuple(_with_key(one, read_text) for one in answer) if name == "administrator" else answer


def _with_key(answer: str, read_text: ReadText) -> str:
    name, _, key = answer.partition("=")
    if not key or " " in key:
        return answer
    try:
        return f"{name}={read_text(Path(key).expanduser()).strip()}"
    except (OSError, ValueError, RuntimeError) as error:
        raise CallError(f"{key} cannot be read: {error}", "Name the .pub file, or paste the key itself.") from None


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """Add an option for every question, so that nothing needs to be asked."""
    sub.add_argument("--output", type=Path, default=Path("deploy.yml"), metavar="FILE", help="default: deploy.yml")
    for question in QUESTIONS:
        often = "; may be given several times" if question.many else ""
        metavar = question.name.rpartition("-")[0].upper() or question.name.upper()
        action = "append" if question.many else "store"
        words = f"{question.words}, such as {question.example}{often}"
        sub.add_argument(question.flag, action=action, metavar=metavar, help=words)


def run(given: argparse.Namespace, report: Reporter) -> int:
    """Write a declaration from options, asking on a terminal for the rest. Raises CallError."""
    if given.output.exists():
        raise CallError(f"{given.output} is there already", "Name another with --output FILE, or remove it.")
    answers: dict[str, tuple[str, ...]] = {}
    for question in QUESTIONS:
        value = getattr(given, question.name.replace("-", "_"))
        if value:
            answer = tuple(value) if question.many else (value,)
            answers[question.name] = with_keys(question.name, answer, _read_text)
    asking = sys.stdin.isatty() and not given.json
    try:
        whole = guide(answers, input, print, _read_text) if asking else complete(answers)
    except EOFError:
        raise CallError("the questions were not all answered; nothing was written") from None
    written = text(whole)
    parse(written, str(given.output))
    write_file(given.output, written)
    if given.json:
        sys.stdout.write(json.dumps({"file": str(given.output)}) + "\n")
    report.note(f"{given.output} is written. Next: ./installer.py plan {given.output}")
    return EXIT_DONE


def _read_text(path: Path) -> str:
    return read_file(path).decode()

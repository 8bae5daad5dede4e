"""YAML to plain values, remembering the line of every key.

Only what a declaration needs is read. Aliases, tags and a second document are refused, and so
are duplicate keys (plain YAML loaders keep the last one and say nothing). Dates, times of day
and numbers that do not begin like ordinary decimal numbers stay text: `13:30` is a time here,
not 810 (YAML 1.1, sexagesimal integers), and `022` is not 18.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from yaml.composer import Composer
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from hedgerow.declaration.words import Path, Wrong, shown

DEEPEST = 20
NOTHING = ("", "~", "null")
TRUE = ("yes", "true", "on")
TAG = "tag:yaml.org,2002:"
SCALARS: dict[str, Callable[[str], Any]] = {
    "bool": lambda text: text.lower() in TRUE,
    "null": lambda text: None,
    "int": int,
    "float": float,
}

SYNTAX = (
    ("'\\t'", "a tab is used where YAML wants spaces", "Indent with spaces, two a step."),
    (
        "mapping values are not allowed",
        "a colon stands where no key can be",
        "Check the indentation of this line, and put a text that contains `: ` in quotes.",
    ),
    ("expected ',' or", "a [ or { is not closed before this line", "Close it with ] or }, and separate with commas."),
    (
        "end of stream",
        "the file ends inside a quotation or a bracket",
        "Close the quotation mark, the ] or the } that was opened here.",
    ),
    (
        "expected a single document",
        "a second document begins here",
        "One file declares one deployment: remove the `---`.",
    ),
    ("expected <block end>", "this line is indented differently from its neighbours", "Align it with them."),
    ("could not find expected ':'", "a key is not followed by a colon", "Write `key: value`."),
    ("that cannot start any token", "a value begins with a character that YAML keeps for itself", "Put it in quotes."),
)


@dataclass(frozen=True)
class Document:
    """What a YAML text says, and where: `lines` by path, `raw` as written where YAML read no text."""

    value: Any
    lines: dict[Path, int]
    raw: dict[Path, str]

    @property
    def empty(self) -> list[Path]:
        """Return the places of keys without a value; one that was forgotten looks like a default."""
        return [path for path, text in self.raw.items() if text.lower() in NOTHING]

    def line(self, path: Path) -> int:
        """Return the line of this path, or of the nearest thing around it that was written."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class UnreadableError(Exception):
    """The text is no YAML that a declaration may use."""

    def __init__(self, line: int, message: str, fix: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
        self.fix = fix


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML up to its node tree, with the few implicit types we read."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self.depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event = self.peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent):
            raise UnreadableError(
                line, "a YAML alias (*) is used", "Write the value itself: a declaration has no aliases."
            )
        if getattr(event, "tag", None) is not None:
            raise UnreadableError(
                line, f"the YAML tag {shown(event.tag)} is used", "Write the value without a tag (!)."
            )
        if self.depth >= DEEPEST:
            raise UnreadableError(
                line, f"values are nested deeper than {DEEPEST} levels", "Remove the brackets too many."
            )
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _pattern, _first in (
    ("bool", r"(?i:yes|no|true|false|on|off)", "yYnNtTfFoO"),
    ("null", r"(?i:~|null|)", ["~", "n", "N", ""]),
    ("int", r"-?(0|[1-9][0-9]{0,14})", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]{0,14})\.[0-9]{1,14}", "-0123456789"),
):
    _Loader.add_implicit_resolver(TAG + _tag, re.compile(rf"^(?:{_pattern})$"), list(_first))


def read(text: str) -> tuple[Document, list[Wrong]]:
    """Read a text whole. Raises UnreadableError where YAML itself stops; the list holds what it lets pass."""
    node = compose(text)
    document = Document(None, {(): 1}, {})
    wrong: list[Wrong] = []
    value = None if node is None else _value(node, (), document, wrong)
    return Document(value, document.lines, document.raw), wrong


def compose(text: str) -> Node | None:
    """Return the tree of a text, each node with the places where it begins and ends. Raises UnreadableError."""
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character = f"U+{error.character:04X}" if isinstance(error.character, int) else "one"
        raise UnreadableError(
            line, f"a control character ({character}) is in the text", "Delete it; editors often hide such characters."
        ) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise UnreadableError(line, *_syntax(f"{error.context or ''} {error.problem or ''}")) from None
    except (YAMLError, ValueError, OverflowError):
        # PyYAML hands an escape such as "\UFFFFFFFF" to chr() unseen (scanner.py, scan_flow_scalar_non_spaces).
        raise UnreadableError(
            1, "it holds an escape or a number that YAML cannot express", "Write it plainly."
        ) from None


def _syntax(said: str) -> tuple[str, str]:
    for fragment, message, fix in SYNTAX:
        if fragment in said:
            return message, fix
    return f"this is not YAML ({' '.join(said.split())})", "Compare with inventories/lab/deploy.yml."


def _value(node: Node, path: Path, document: Document, wrong: list[Wrong]) -> Any:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, MappingNode):
        return {
            name: _value(child, (*path, name), document, wrong) for name, child in _keys(node, path, document, wrong)
        }
    if isinstance(node, SequenceNode):
        return [_value(child, (*path, index), document, wrong) for index, child in enumerate(node.value)]
    kind = node.tag.removeprefix(TAG)
    if kind == "str":
        return _visible(node.value)
    document.raw[path] = node.value
    return SCALARS[kind](node.value)


def _keys(node: MappingNode, path: Path, document: Document, wrong: list[Wrong]) -> Iterator[tuple[str, Node]]:
    for key, child in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode):
            wrong.append(Wrong(path, "a list or a mapping stands where a key should", "Write `key: value`.", line))
            continue
        name = _visible(key.value)
        place = (*path, name)
        if place in document.lines:
            message = f"the key {shown(name)} is here twice, first in line {document.lines[place]}"
            wrong.append(Wrong(place, message, "Keep one of the two.", line))
            continue
        document.lines[place] = line
        yield name, child


def _visible(text: str) -> str:
    """Spell out what nobody sees (NUL, lone surrogates, text running backwards): it goes no further."""
    return "".join(
        f"\\u{ord(c):04x}" if unicodedata.category(c).startswith("C") and c not in "\n\t" else c for c in text
    )

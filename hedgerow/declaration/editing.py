"""An administrator written into a deploy.yml, or taken out of it, and every other byte left as its author wrote it.

Pure. Lines are cut and put in where the tree says they are; the result is read again, and unless it says what was
wanted and nothing else, nothing is returned. So a shape that was not thought of is refused, never damaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from hedgerow.declaration.places import UnreadableError, compose, read
from hedgerow.declaration.writing import scalar
from hedgerow.errors import CallError

Person = Mapping[str, str | Sequence[str]]
"""What is written of a person: name, ssh_keys, and where they are said expires and sudo."""
ADMINISTRATORS = ("access", "administrators")


@dataclass(frozen=True)
class _Place:
    """Where people are declared: the node of each step of the way that is there, with its key."""

    access: tuple[Node, Node] | None
    people: tuple[Node, Node] | None


def with_administrator(text: str, person: Person) -> str:
    """Return the text with one person more. Raises CallError, with what to write by hand, where that is not sure."""
    wanted = {name: value if isinstance(value, str) else list(value) for name, value in person.items()}
    place = _place(text)
    if place.people is not None and isinstance(place.people[1], SequenceNode):
        made = _one_more(text, place.people[1], person)
    elif place.access is not None and isinstance(place.access[1], MappingNode):
        made = _first(text, place.access[1], person)
    else:
        made = f"{text.rstrip()}\n\naccess:\n  administrators:\n{_block(person, 4)}"
    fix = f"Write it by hand, under access.administrators:\n{_block(person, 4)}then run install."
    return _sure(text, made, lambda people: [*people, wanted], fix)


def without_administrator(text: str, name: str) -> str:
    """Return the text without a person. Raises CallError where it has none of that name, or where that is not sure."""
    place = _place(text)
    people = place.people[1] if place.people else None
    at = next((index for index, item in enumerate(_items(people)) if _name(item) == name), None)
    if at is None or not isinstance(people, SequenceNode):
        raise CallError(f"no administrator is called {name}", "users list shows who there is.")
    if people.flow_style:
        made = _cut(text, people, at)
    elif len(people.value) > 1:
        made = _without_lines(text, people.value[at].start_mark.line, _last_line(people.value[at]))
    else:  # a key without a value would be refused
        only = isinstance(place.access, tuple) and len(_items(place.access[1])) == 1
        key = place.access[0] if only and place.access else place.people[0] if place.people else people
        made = _without_lines(text, key.start_mark.line, _last_line(people))
    fix = f"Remove {name} under access.administrators by hand, then run install."
    return _sure(text, made, lambda rows: [row for row in rows if row.get("name") != name], fix)


def _sure(before: str, after: str, change: Any, fix: str) -> str:
    """Return the new text if it says what the old one did, but for the change."""
    try:
        (old, _), (new, wrong) = read(before), read(after)
    except UnreadableError:
        raise CallError("deploy.yml is written in a way that cannot be edited for sure", fix) from None
    wanted = dict(old.value or {})
    access = dict(wanted.get("access") or {})
    access["administrators"] = change(access.get("administrators") or [])
    wanted["access"] = access
    if not access["administrators"]:
        del access["administrators"]
    said = dict(new.value or {})
    if said.get("access") == {"administrators": []}:
        said["access"] = {}
    elif isinstance(said.get("access"), dict) and said["access"].get("administrators") == []:
        said["access"] = {key: value for key, value in said["access"].items() if key != "administrators"}
    if wrong or {"access": {}} | said != wanted:
        raise CallError("deploy.yml is written in a way that cannot be edited for sure", fix)
    return after


def _place(text: str) -> _Place:
    try:
        root = compose(text)
    except UnreadableError as error:
        raise CallError(f"line {error.line}: {error.message}", error.fix) from None
    access = _key(root, ADMINISTRATORS[0])
    return _Place(access, _key(access[1], ADMINISTRATORS[1]) if access else None)


def _key(node: Node | None, name: str) -> tuple[Node, Node] | None:
    rows = node.value if isinstance(node, MappingNode) else []
    return next(((key, value) for key, value in rows if key.value == name), None)


def _items(node: Node | None) -> list[Any]:
    return list(node.value) if isinstance(node, CollectionNode) else []


def _name(item: Node) -> str:
    found = _key(item, "name")
    return str(found[1].value) if found else ""


def _one_more(text: str, people: SequenceNode, person: Person) -> str:
    if people.flow_style:
        end = people.end_mark.index - 1
        comma = ", " if people.value else ""
        return f"{text[:end]}{comma}{_flow(person)}{text[end:]}"
    lines = text.splitlines(keepends=True)
    at = _last_line(people) + 1
    before = "".join(lines[:at])
    return f"{before.rstrip(chr(10))}\n{_block(person, people.start_mark.column)}{''.join(lines[at:])}"


def _first(text: str, access: MappingNode, person: Person) -> str:
    if access.flow_style:
        start = access.start_mark.index + 1
        comma = ", " if access.value else ""
        return f"{text[:start]}administrators: [{_flow(person)}]{comma}{text[start:]}"
    lines = text.splitlines(keepends=True)
    at, column = access.start_mark.line, access.start_mark.column
    new = f"{' ' * column}administrators:\n{_block(person, column + 2)}"
    return "".join([*lines[:at], new, *lines[at:]])


def _cut(text: str, people: SequenceNode, at: int) -> str:
    items = people.value
    if at + 1 < len(items):
        start, end = items[at].start_mark.index, items[at + 1].start_mark.index
    else:
        start = items[at - 1].end_mark.index if at else items[at].start_mark.index
        end = items[at].end_mark.index
    return text[:start] + text[end:]


def _without_lines(text: str, first: int, last: int) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[:first] + lines[last + 1 :])


def _last_line(node: Node) -> int:
    """Return the last line of a node: the end of a block is marked where the next thing begins, comments later."""
    if isinstance(node, ScalarNode) or node.flow_style:
        mark = node.end_mark
        return int(mark.line if mark.column else mark.line - 1)
    inner = [each for pair in node.value for each in (pair if isinstance(pair, tuple) else (pair,))]
    return max([int(node.start_mark.line), *map(_last_line, inner)])


def _block(person: Person, indent: int) -> str:
    lines = []
    for name, value in person.items():
        if isinstance(value, str):
            lines.append(f"{name}: {scalar(value)}")
        else:
            lines += [f"{name}:", *(f"  - {scalar(each)}" for each in value)]
    margin = " " * indent
    return "".join(f"{margin}{'- ' if number == 0 else '  '}{line}\n" for number, line in enumerate(lines))


def _flow(person: Person) -> str:
    said = (
        f"{name}: {scalar(value) if isinstance(value, str) else '[' + ', '.join(map(scalar, value)) + ']'}"
        for name, value in person.items()
    )
    return f"{{{', '.join(said)}}}"

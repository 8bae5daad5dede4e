"""From what pydantic found to words for the person who wrote the file."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from hedgerow.declaration.gcp import Gcp
from hedgerow.declaration.machines import Aws, Lab, OnPrem
from hedgerow.declaration.models import Declaration
from hedgerow.declaration.places import Document
from hedgerow.declaration.vocabulary import LATER_KEYS, Renamed
from hedgerow.declaration.words import Path, RefusedError, Wrong, key_of, meant, one_of, shown

TARGETS: dict[str, type[BaseModel]] = {"lab": Lab, "onprem": OnPrem, "aws": Aws, "gcp": Gcp}

MISSING = "is missing"
NO_VALUE = "Write one, or remove the line to take the default."
WANTED = {
    "string": "a text",
    "bool": "true or false",
    "int": "a whole number",
    "tuple": "a list",
    "model": "a mapping of keys",
    "path": "the name of a file",
    "date": "a date",
}


def explain(errors: list[ErrorDetails], document: Document, renamed: Mapping[str, Renamed]) -> list[Wrong]:
    """Say each error once, with its fix; nothing is "missing" whose old name is there."""
    found = [_explain(error, document, renamed) for error in errors]
    moved = {renamed[_pattern(wrong.path)].to for wrong in found if _pattern(wrong.path) in renamed}
    return [wrong for wrong in found if not (wrong.message == MISSING and _pattern(wrong.path) in moved)]


def _explain(error: ErrorDetails, document: Document, renamed: Mapping[str, Renamed]) -> Wrong:
    loc = error["loc"]
    path = _path(loc)
    match error["type"], error.get("ctx", {}).get("error"):
        case _, RefusedError() as cause:
            wrong = Wrong(path, cause.message, cause.fix)
        case "extra_forbidden", _:
            wrong = _unknown_key(loc, path, renamed)
        case "missing", _:
            wrong = Wrong(path, MISSING, _example(loc))
        case "union_tag_not_found", _:
            wrong = Wrong((*path, "kind"), MISSING, f"Write {one_of(f'kind: {name}' for name in TARGETS)}.")
        case "union_tag_invalid", _:
            wrong = _no_choice((*path, "kind"), error["input"].get("kind"), tuple(TARGETS), document)
        case "literal_error", _:
            wrong = _no_choice(path, error["input"], _choices(error), document)
        case "too_long", _:
            wrong = Wrong(path, "is not in this release", "Leave the list empty: [].")
        case kind, _:
            wrong = _wrong_type(path, kind, error, document)
    return wrong


def _path(loc: tuple[int | str, ...]) -> Path:
    """Drop the kind of target that pydantic puts behind `target`, and the member of a union."""
    if len(loc) > 1 and loc[0] == "target" and loc[1] in TARGETS:
        return (*loc[:1], *loc[2:])
    return tuple(loc)


def _pattern(path: Path) -> str:
    return key_of(tuple("[]" if isinstance(part, int) else part for part in path)).replace(".[]", "[]")


def _unknown_key(loc: tuple[int | str, ...], path: Path, renamed: Mapping[str, Renamed]) -> Wrong:
    pattern = _pattern(path)
    if pattern in renamed:
        new = renamed[pattern]
        return Wrong(path, f"this key is now called {new.to}", f"Write {new.to.rpartition('.')[2]} in its place.")
    if pattern in LATER_KEYS:
        return Wrong(path, "is not in this release", LATER_KEYS[pattern])
    known = _keys_at(loc[:-1])
    guess = meant(str(path[-1]), known)
    elsewhere = [key for key in all_keys(Declaration) if key.rpartition(".")[2] == path[-1]]
    if guess:
        fix = f"Did you mean {guess}?"
    elif elsewhere:
        fix = f"Its place is {' or '.join(elsewhere[:2])}."
    else:
        fix = f"Keys here: {', '.join(known)}."
    return Wrong(path, "is not a key that hedgerow knows", fix)


def _no_choice(path: Path, value: Any, choices: tuple[str, ...], document: Document) -> Wrong:
    """Report a value that is none of the few possible ones."""
    guess = meant(value, choices) if isinstance(value, str) else ""
    fix = f"Did you mean {guess}?" if guess else f"Write {' or '.join(choices)}."
    return Wrong(path, f"{_seen(path, value, document)} is not one of {', '.join(choices)}", fix)


def _choices(error: ErrorDetails) -> tuple[str, ...]:
    return tuple(word.strip("'") for word in error["ctx"]["expected"].replace(" or ", ", ").split(", "))


def _wrong_type(path: Path, kind: str, error: ErrorDetails, document: Document) -> Wrong:
    value, seen = error["input"], _seen(path, error["input"], document)
    wanted = WANTED.get(kind.partition("_")[0], "another kind of value")
    wrong, fix = f"{seen} stands where {wanted} is wanted", _example(error["loc"])
    if value is None:
        wrong = f"has no value, and wants {wanted}"
        if (field := _field(error["loc"])) and not field.is_required():
            fix = NO_VALUE
    elif wanted in ("a text", "the name of a file") and path in document.raw:
        wrong = f"{seen} is no text: YAML reads it as {_yaml_kind(value)}"
        fix = f'Put it in quotes: "{document.raw[path]}".'
    elif wanted == "a list" and not isinstance(value, dict):
        fix = f"Put brackets around it: [{_inside(seen)}]."
    elif wanted in ("true or false", "a whole number"):
        fix = f"Write {wanted}, without quotes."
    return Wrong(path, wrong, fix)


def _inside(seen: str) -> str:
    return seen if len(seen) < 40 else "..."


def _seen(path: Path, value: Any, document: Document) -> str:
    """Return the value as it was written, where YAML made something else of it."""
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return document.raw[path] if path in document.raw else shown(value)


def _yaml_kind(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "a number"


def _example(loc: tuple[int | str, ...]) -> str:
    """Return how the key could read, from the example or the description in its model."""
    field = _field(loc)
    if field is None:
        keys = ", ".join(_keys_at(loc))
        return f"Keys here: {keys}." if keys else "See inventories/ for examples."
    if field.examples:
        example = field.examples[0]
        written = (
            str(example)
            if isinstance(example, (str, int))
            else yaml.safe_dump(example, default_flow_style=True).strip()
        )
        return f"Write for example `{loc[-1]}: {written}`."
    return field.description or ""


def _field(loc: tuple[int | str, ...]) -> FieldInfo | None:
    """Return what the model says of a key, or None for a place inside a list."""
    fields = (item for model in _models_at(loc[:-1]) for item in model.model_fields.items())
    return next((field for name, field in fields if loc and (field.alias or name) == loc[-1]), None)


def _keys_at(loc: tuple[int | str, ...]) -> list[str]:
    return [field.alias or name for model in _models_at(loc) for name, field in model.model_fields.items()]


def _models_at(loc: tuple[int | str, ...]) -> list[type[BaseModel]]:
    """Return the models whose keys may stand at a place."""
    models: list[type[BaseModel]] = [Declaration]
    for part in loc:
        if isinstance(part, int):
            continue
        if part in TARGETS and set(models) == set(TARGETS.values()):
            models = [TARGETS[part]]
            continue
        annotations = [f.annotation for m in models for n, f in m.model_fields.items() if part == (f.alias or n)]
        models = [model for annotation in annotations for model in _models_in(annotation)]
    return models


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for inner in get_args(annotation):
        yield from _models_in(inner)


def all_keys(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Name every key of a declaration, lists written as []."""
    for name, field in model.model_fields.items():
        key = f"{before}{field.alias or name}"
        yield key
        many = "[]." if str(field.annotation).startswith("tuple") else "."
        for inner in _models_in(field.annotation):
            yield from all_keys(inner, key + many)

"""Kinds of values in a declaration: how each is read, what it refuses, and the form that editors are told."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationInfo

from hedgerow.declaration import fields, networks, sshkeys, times


class Model(BaseModel):
    """Frozen, and refusing every key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _file(value: Any, info: ValidationInfo) -> Any:
    """Take a file's name relative to the folder of the declaration, as the person who wrote it sees it."""
    if not isinstance(value, str) or not value:
        return value
    folder = (info.context or {}).get("folder", Path())
    try:
        return folder / Path(value).expanduser()
    except RuntimeError:  # "~nobody-here/key"
        return folder / value


def _day(value: Any) -> Any:
    return times.day(value) if isinstance(value, str) else value


def _moment(value: Any) -> Any:
    return times.moment(value) if isinstance(value, str) else value


def form(pattern: str) -> Any:
    """Tell editors the form of a text; the validator beside it says the same with better words."""
    return Field(json_schema_extra={"pattern": pattern})


Yes = Annotated[bool, Strict()]
Label = Annotated[str, AfterValidator(fields.label), form(r"^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$")]
Text = Annotated[str, AfterValidator(fields.sentence)]
Port = Annotated[int, Strict(), AfterValidator(fields.port), Field(json_schema_extra={"minimum": 1, "maximum": 65535})]
Count = Annotated[int, Strict(), AfterValidator(fields.at_least_one), Field(json_schema_extra={"minimum": 1})]
File = Annotated[Path, BeforeValidator(_file, json_schema_input_type=str)]
PublicKey = Annotated[str, AfterValidator(sshkeys.public_key)]
Image = Annotated[str, AfterValidator(fields.image), form(r"^[^@]+(@sha256:[0-9a-f]{64}|:[^/@:]+)$")]
Email = Annotated[str, AfterValidator(fields.email)]
Day = Annotated[
    datetime.date, BeforeValidator(_day, json_schema_input_type=Annotated[str, form(r"^\d{4}-\d{2}-\d{2}$")])
]
Moment = Annotated[
    datetime.datetime,
    BeforeValidator(
        _moment,
        json_schema_input_type=Annotated[str, form(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})$")],
    ),
]
Source = Annotated[str, AfterValidator(networks.source)]
SourceOrAny = Annotated[str, AfterValidator(networks.source_or_any)]

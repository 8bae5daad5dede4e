"""Units of systemd that the operator runs on the hosts beside the stack."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from hedgerow.declaration.kinds import Model, Text, form
from hedgerow.declaration.words import RefusedError, shown

NAME = r"^[A-Za-z0-9:_.@\\-]+\.(service|socket|timer|path)$"


def unit_name(value: str) -> str:
    """Read the name of a unit (systemd.unit(5)); not of ours, which need no leave."""
    if not re.fullmatch(NAME, value):
        raise RefusedError(
            f"{shown(value)} is no unit that starts with a host",
            "Write the whole name of a service, socket, timer or path: bareos-fd.service.",
        )
    if value.startswith("hedgerow-"):
        raise RefusedError(f"{shown(value)} bears a name of ours", "Remove it: our own units stay without it.")
    return value


class OwnUnit(Model):
    """A unit that no package brought, and that stays."""

    unit: Annotated[str, AfterValidator(unit_name), form(NAME)] = Field(
        description="Its name, with what it is.", examples=["bareos-fd.service"]
    )
    why: Text = Field(description="What it is for, in words for an auditor.", examples=["The hospital's backup"])

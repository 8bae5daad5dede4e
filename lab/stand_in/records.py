"""What the store is given and gives back. Apart from it, so that decisions can be tested without a database driver."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

Row = dict[str, Any]


class TakenError(Exception):
    """There is an organisation already: nobody signs up any more."""


@dataclass(frozen=True)
class Newcomer:
    """The first person of the first organisation. `password` is what is kept of it."""

    email: str
    password: str
    first_name: str
    organization: str
    api_token: str


@dataclass(frozen=True)
class Wanted:
    """Which events of a project: None is any."""

    after: datetime
    before: datetime | None = None
    event: str | None = None
    distinct_id: str | None = None
    limit: int = 100

"""One request, once it is known which method it calls and that its form is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .discovery import Method
from .errors import RefusedError
from .world import World


@dataclass(frozen=True)
class Asked:
    """What a service's handler is given; `fault` is what it must let go wrong in the operation that it starts."""

    method: Method
    path: dict[str, str]
    query: dict[str, list[str]]
    body: dict[str, Any]
    world: World
    raw: bytes = b""
    content_type: str = ""
    fault: str = ""

    def one(self, name: str, default: str = "") -> str:
        """Return a parameter's value."""
        return self.query.get(name, [default])[0]

    def yes(self, name: str, *, default: bool = False) -> bool:
        """Return a parameter that is true or false, in any case: Google's own clients send both "true" and "True"."""
        return self.one(name, str(default)).lower() == "true"

    @property
    def action(self) -> str:
        """The method's last word, as "insert"."""
        return self.method.name.rpartition(".")[2]

    @property
    def collection(self) -> str:
        """The method's last word but one, as "networks"."""
        return self.method.name.split(".")[-2]


def page(asked: Asked, found: list[Any], size: str) -> tuple[list[Any], str | None]:
    """Return one page, and the token of the next; `size` names the parameter."""
    start, most = asked.one("pageToken", "0"), int(asked.one(size, "0")) or 500
    if not start.isdigit():
        raise RefusedError(400, "The page token is not valid.", "invalid")
    end = int(start) + most
    return found[int(start) : end], str(end) if end < len(found) else None

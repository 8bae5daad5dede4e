"""Who may come in, as a cloud's firewall can say it."""

from __future__ import annotations

from collections.abc import Iterable


def networks(sources: Iterable[str]) -> tuple[str, ...]:
    """Return the IPv4 networks among sources: `any` is every address, `controller` none that a cloud could know."""
    found = ["0.0.0.0/0" if one == "any" else one for one in sources if one != "controller" and ":" not in one]
    return tuple(sorted({one if "/" in one else f"{one}/32" for one in found}))

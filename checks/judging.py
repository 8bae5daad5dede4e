"""How a row of things in a cloud is judged: what was seen of each, by name, and which are not right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hedgerow.checking import Finder


def judge(
    finding: Finder, seen: Mapping[str, Any], right: Callable[[Any], bool], what: str, masked: Callable[[str], str]
) -> None:
    """Write down what was seen, by name; fail where one is not right, and where there is none at all."""
    said = {name: masked(words_of(value)) for name, value in sorted(seen.items())}
    finding.observe("; ".join(f"{masked(name)}: {value}" for name, value in said.items()) or "nothing")
    wrong = [name for name, value in sorted(seen.items()) if not right(value)]
    assert seen, f"there is no {what} of this deployment"
    assert not wrong, f"{what} {', '.join(map(masked, wrong))}: {'; '.join(said[name] for name in wrong)}"


def words_of(value: Any) -> str:
    """Return what was seen in words."""
    if isinstance(value, list | tuple | set):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def is_true(value: Any) -> bool:
    """Tell whether it is true itself."""
    return value is True


def is_empty(value: Any) -> bool:
    """Tell whether there is nothing."""
    return not value

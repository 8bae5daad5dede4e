"""What making a resource does beside its own row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Effect:
    """Other rows that come with it, and what of itself is only true once the operation is done."""

    beside: dict[str, dict[str, Any]] = field(default_factory=dict)
    at_the_end: dict[str, Any] = field(default_factory=dict)

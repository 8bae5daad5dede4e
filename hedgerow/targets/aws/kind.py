"""The base of every kind of resource in AWS."""

from __future__ import annotations

from typing import Any

from hedgerow.targets.aws.api import Aws


class Kind:
    """What every kind has: the door to AWS."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws

    def spec(self, kind: str, name: str) -> list[dict[str, Any]]:
        """Return the tags as EC2 takes them with a creation."""
        return [{"ResourceType": kind, "Tags": self.aws.tags(name)}]

"""The base of every kind of resource in AWS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hedgerow.errors import UnreachableError
from hedgerow.targets.aws.api import TAG, Aws


class Kind:
    """What every kind has: the door to AWS."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws

    def spec(self, kind: str, name: str) -> list[dict[str, Any]]:
        """Return the tags as EC2 takes them with a creation."""
        return [{"ResourceType": kind, "Tags": self.aws.tags(name)}]

    def doubled(self, rows: Iterable[Mapping[str, Any]], key: str, made: str) -> bool:
        """Tell whether another run has made the same a moment ago: what is found beside the one that we just made.

        Whoever sees another takes the own back at once: nothing uses it yet, and the other may be in use.
        """
        return any(row[key] != made for row in rows)

    def bears(self, tags: Iterable[Mapping[str, str]]) -> bool:
        """Tell whether tags say that a thing is this deployment's."""
        return any(tag["Key"] == TAG and tag["Value"] == self.aws.deployment for tag in tags)

    def ours(self, what: str, tags: Iterable[Mapping[str, str]]) -> None:
        """Raise UnreachableError where a thing of a name of ours does not say that it is this deployment's."""
        if not self.bears(tags):
            raise not_ours(what, self.aws.deployment)


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags in the one shape: some of AWS's services give them as names and values."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def not_ours(what: str, deployment: str) -> UnreachableError:
    """Return the error for a thing in our place that is somebody else's."""
    return UnreachableError(
        f"{what} is there already and does not bear this deployment's tag: it is left alone",
        f"If it is somebody else's, rename or remove it; if it is yours, tag it {TAG}={deployment}. Then run again.",
    )

"""What the installer must be allowed to do in a cloud's account."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Permitted(Protocol):
    """A target whose cloud has to let the installer in, and which knows what that takes."""

    def policy(self) -> str:
        """Return what to give to the installer's credentials, as the cloud's own tools read it."""
        ...

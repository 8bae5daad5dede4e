"""Words that are no longer, or not yet, in a declaration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Renamed:
    """A key under its old name: the new one, and the release in which this entry may go."""

    to: str
    until: str


RENAMED: Mapping[str, Renamed] = {}
"""By key with its lists as []: {"access.admins[].keys": Renamed("access.administrators[].ssh_keys", until="0.3.0")}."""

LATER_KEYS: Mapping[str, str] = {
    **dict.fromkeys(
        ("sign_on", "access.sign_on"),
        "PostHog's open version has no OpenID Connect, and SAML needs a licence and is set up on its pages; write"
        " access.interface_certificates for client certificates at the edge, and remove this key.",
    ),
}
"""Keys of the design that nothing would act on yet. RefusedError: a setting without effect is worse than none."""

"""The manifest: the sum of every file, and which bundle came before. `sha256sum --check` reads it as it is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from hedgerow.bundle import MANIFEST, SIGNATURE, BundleError, Files

TITLE = "# Hedgerow evidence bundle, form 1: the SHA-256 of every file, as sha256sum reads it. Signed in MANIFEST.sig."
NONE = "none"
"""Stands for the bundle before the first one."""
FACT = re.compile(r"# (deployment|number|made|previous) (\S+)")
ROW = re.compile(r"([0-9a-f]{64})  (\S+)")


@dataclass(frozen=True)
class Manifest:
    """What is signed. `previous` is the SHA-256 of the manifest of the bundle before, `made` a time in UTC."""

    deployment: str
    number: int
    made: str
    previous: str
    sums: Mapping[str, str]

    def text(self) -> bytes:
        """Return the file."""
        facts = {"deployment": self.deployment, "number": self.number, "made": self.made, "previous": self.previous}
        lines = [TITLE, *(f"# {name} {value}" for name, value in facts.items())]
        lines += [f"{digest}  {name}" for name, digest in sorted(self.sums.items())]
        return ("\n".join(lines) + "\n").encode()

    @property
    def sum(self) -> str:
        """What the next manifest names this one by."""
        return digest_of(self.text())


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def sums_of(files: Files) -> dict[str, str]:
    """Return the sum of each file but the manifest and its signature."""
    return {name: digest_of(content) for name, content in files.items() if name not in (MANIFEST, SIGNATURE)}


def read(content: bytes) -> Manifest:
    """Return the manifest that a file states. Raises BundleError for a file that says it in any other form."""
    try:
        lines = content.decode("ascii").splitlines()
        facts = {found[1]: found[2] for found in map(FACT.fullmatch, lines) if found}
        sums = {found[2]: found[1] for found in map(ROW.fullmatch, lines) if found}
        manifest = Manifest(facts["deployment"], int(facts["number"]), facts["made"], facts["previous"], sums)
    except (ValueError, KeyError):
        raise BundleError("its MANIFEST is none") from None
    if manifest.text() != content:
        raise BundleError("its MANIFEST is not written as Hedgerow writes it")
    return manifest

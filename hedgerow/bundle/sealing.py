"""Making a bundle, and proving one: the only two things that are done with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hedgerow.bundle import MANIFEST, SIGNATURE, BundleError, Files, archive, contents, manifest, signing
from hedgerow.bundle.manifest import NONE, Manifest
from hedgerow.deployment import Deployment, append_line, write_file
from hedgerow.errors import CallError


@dataclass(frozen=True)
class Proven:
    """What is known of a bundle that was proven: its manifest, how many files it holds and who signed."""

    manifest: Manifest
    files: int
    signer: str

    def as_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return {
            "deployment": self.manifest.deployment,
            "number": self.manifest.number,
            "made": self.manifest.made,
            "manifest": self.manifest.sum,
            "previous": self.manifest.previous,
            "files": self.files,
            "signer": self.signer,
        }


def make(deployment: Deployment, files: Files, made: str, place: Path, own_key: Path | None = None) -> Manifest:
    """Write a bundle of these files, signed and chained to the last one. Raises CallError, BundleError."""
    if place.exists():
        raise CallError(f"{place} is there already", "Name another file: a bundle that is gone breaks the chain.")
    contents.demand_no_secret(files, deployment)
    last = _last(deployment)
    stated = Manifest(
        deployment.name,
        last[0] + 1,
        made,
        last[1],
        manifest.sums_of(files),
    )
    signature = signing.sign(signing.key_of(deployment, own_key), stated.text())
    packed = archive.pack({**files, MANIFEST: stated.text(), SIGNATURE: signature})
    write_file(place, packed, 0o600)
    row = {"number": stated.number, "made": made, "manifest": stated.sum, "previous": stated.previous}
    append_line(deployment.bundles, {**row, "file": place.name, "sha256": manifest.digest_of(packed)})
    return stated


def prove(content: bytes, allowed: str, identity: str, after: bytes | None = None) -> Proven:
    """Return what a bundle is. Raises BundleError unless it is whole, signed by an allowed key and next after `after`.

    `allowed` is the text of an allowed_signers file, `identity` the name in it that must have signed.
    """
    files = archive.unpack(content)
    if MANIFEST not in files or SIGNATURE not in files:
        raise BundleError("it has no signed MANIFEST")
    stated, sums = manifest.read(files[MANIFEST]), manifest.sums_of(files)
    for words, names in (
        ("was removed", stated.sums.keys() - sums.keys()),
        ("was added", sums.keys() - stated.sums.keys()),
        ("was changed", {name for name in sums.keys() & stated.sums.keys() if sums[name] != stated.sums[name]}),
    ):
        if names:
            raise BundleError(f"{', '.join(sorted(names))} {words}")
    signer = signing.verify(files[MANIFEST], files[SIGNATURE], allowed, identity)
    if after is not None:
        _demand_next(stated, prove(after, allowed, identity).manifest)
    return Proven(stated, len(sums), signer)


def _demand_next(stated: Manifest, before: Manifest) -> None:
    if stated.deployment != before.deployment:
        raise BundleError(f"it is of {stated.deployment}, and the one before of {before.deployment}")
    if (stated.previous, stated.number) != (before.sum, before.number + 1):
        raise BundleError(
            f"it does not follow: it is number {stated.number} after the manifest {stated.previous[:16]}, "
            f"and the other is number {before.number} with the manifest {before.sum[:16]}",
            "A bundle between the two is missing, or one of them is not from this chain.",
        )


def _last(deployment: Deployment) -> tuple[int, str]:
    """Return the number of the last bundle and its manifest's sum. Raises CallError where the record is damaged."""
    try:
        lines = deployment.bundles.read_text(encoding="utf-8").splitlines()
        row = json.loads(lines[-1])
        return int(row["number"]), str(row["manifest"])
    except FileNotFoundError:
        return 0, NONE
    except (ValueError, KeyError, IndexError, TypeError):
        raise CallError(
            f"{deployment.bundles} is damaged: which bundle was the last is not known",
            "Take it from your records. Its last line must name the last bundle.",
        ) from None

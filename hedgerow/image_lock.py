"""The image lock of a deployment, `images.lock.yml`: what each image was resolved to, and where hosts get it from.

A tag can be moved; what was read once stays until somebody asks for something newer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from hedgerow import releases
from hedgerow.deployment import write_file
from hedgerow.errors import CallError
from hedgerow.oci.references import Reference, reference

NAME = "images.lock.yml"
STAND_IN = "stand-in"
"""The source of an image that the lab builds on the spot."""
HEADER = """\
# What each image was resolved to, and when. Only these digests run. Written by `images lock`, `mirror` and `load`.
# `mirror` or `archive`, where one is set, is where hosts get the image from instead of its own registry.
"""


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class Locked:
    """One image: its reference by digest, the source that was resolved to it, and when (UTC).

    `mirror` is the name of its copy in another registry, `archive` a file on the controller; at most one is set.
    """

    reference: str
    source: str
    resolved: str
    mirror: str = ""
    archive: str = ""

    @property
    def named(self) -> Reference:
        """Its own name and digest."""
        return reference(self.reference)

    @property
    def digest(self) -> str:
        """What it is."""
        return self.named.digest

    @property
    def nearest(self) -> Reference:
        """The name under which a registry has it: its mirror's, where there is one."""
        return reference(f"{self.mirror}@{self.digest}") if self.mirror else self.named

    def mirrored(self, name: str) -> Locked:
        """Return it with hosts pulling from a mirror."""
        return replace(self, mirror=name, archive="")

    def archived(self, path: Path) -> Locked:
        """Return it with hosts getting it from an archive."""
        return replace(self, mirror="", archive=str(path))


@dataclass(frozen=True)
class ImageLock:
    """All images of a deployment, by their keys in the table of services, and the release whose table that is."""

    images: Mapping[str, Locked]
    release: str = releases.FIRST

    @staticmethod
    def read(folder: Path) -> ImageLock:
        """Return a deployment's lock, or an empty one where there is none. Raises CallError where it is damaged."""
        path = folder / NAME
        if not path.exists():
            return ImageLock({})
        try:
            said = yaml.safe_load(path.read_text(encoding="utf-8"))
            images = TypeAdapter(dict[str, Locked]).validate_python(said["images"])
            release = TypeAdapter(str).validate_python(said.get("release", releases.FIRST))
            if not all(each.digest for each in images.values()):
                raise ValueError("an image without a digest")
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError, ValidationError, CallError):
            raise CallError(
                f"{path} is no image lock", "Take it from your records, or remove it and run `images lock` again."
            ) from None
        return ImageLock(images, release)

    def write(self, folder: Path) -> None:
        """Write it into the deployment's folder, unless it says just that already."""
        rows = {
            key: {name: value for name, value in asdict(each).items() if value}
            for key, each in sorted(self.images.items())
        }
        text = HEADER + yaml.safe_dump({"release": self.release, "images": rows}, sort_keys=False, width=200)
        path = folder / NAME
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_file(path, text)

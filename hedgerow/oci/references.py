"""Names of images: REGISTRY/NAME:TAG, which can be moved, and REGISTRY/NAME@sha256:DIGEST, which cannot."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hedgerow.errors import CallError

HOST = r"(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+)(:[0-9]{1,5})?"
PATH = r"[a-z0-9]+([._-]+[a-z0-9]+)*"
TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
REFERENCE = re.compile(
    rf"(?P<registry>{HOST})/(?P<repository>{PATH}(/{PATH})*)(:(?P<tag>{TAG})|@(?P<digest>sha256:[0-9a-f]{{64}}))"
)
PLACE = re.compile(rf"(?P<registry>{HOST})(?P<prefix>(/{PATH})*)")
HTTPS = 443


@dataclass(frozen=True)
class Reference:
    """An image's name: with a tag or with a digest, never with both."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The name without tag or digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def port(self) -> int:
        """The TCP port of its registry."""
        port = self.registry.partition(":")[2]
        return int(port) if port else HTTPS

    def at(self, digest: str) -> Reference:
        """Return the same image, named by its content."""
        return Reference(self.registry, self.repository, digest=digest)

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


@dataclass(frozen=True)
class Place:
    """A registry, and the path in it below which a mirror keeps its copies."""

    registry: str
    prefix: str

    def copy_of(self, reference: Reference) -> Reference:
        """Return where an image's copy lies: the whole path of the original stays, so that no two meet."""
        path = f"{self.prefix}/{reference.repository}".lstrip("/")
        return Reference(self.registry, path, digest=reference.digest)


def reference(text: str) -> Reference:
    """Read an image's name. Raises CallError."""
    found = REFERENCE.fullmatch(text)
    if found is None:
        raise CallError(f'"{text}" is no image', "Write REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:DIGEST.")
    return Reference(found["registry"], found["repository"], found["tag"] or "", found["digest"] or "")


def place(text: str) -> Place:
    """Read where a mirror is. Raises CallError."""
    found = PLACE.fullmatch(text.removesuffix("/"))
    if found is None:
        raise CallError(
            f'"{text}" is no place in a registry', "Write REGISTRY/PREFIX, for example registry.acme.example/posthog."
        )
    return Place(found["registry"], found["prefix"].strip("/"))

"""What a deployment was last installed with as a whole: the declaration, the release, and every image by its digest.

Whole is an install whose hosts converged and whose smoke test went through. What came before a change is known from
here, and so is what to go back to: image lock and declaration in the folder may already be those of the next try.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from hedgerow import __version__
from hedgerow.declaration import Declaration
from hedgerow.deployment import Deployment, now, write_file
from hedgerow.errors import CallError
from hedgerow.flow import Work
from hedgerow.image_lock import STAND_IN, ImageLock, Locked
from hedgerow.images import release_of, sources, table_of, valid
from hedgerow.stack import LockedImage, Stack

FILE = ".installed.json"


@dataclass(frozen=True)
class Version:
    """What runs, as far as images go: the release of PostHog, and the digest of each image by its key in the table."""

    release: str
    digests: Mapping[str, str]


@dataclass(frozen=True)
class Installed:
    """An install that was whole. `at` is since when nothing of it has changed (UTC), `declared` the text of its
    deploy.yml, whose paths start from `source`.

    `images` has every image, stand-ins too, so that each can be had again; `services` are those that ran.
    """

    at: str
    release: str
    declared: str
    source: str
    services: tuple[str, ...]
    images: Mapping[str, Locked]
    hedgerow: str = __version__

    @property
    def version(self) -> Version:
        """What ran."""
        return Version(self.release, {key: row.digest for key, row in self.images.items()})

    @property
    def lock(self) -> ImageLock:
        """The image lock that makes just these images run again."""
        return ImageLock(self.images, self.release)


@dataclass(frozen=True)
class Difference:
    """What one version has and another has not; `images` are key -> (digest before, digest after), "" where none."""

    release: tuple[str, str]
    images: Mapping[str, tuple[str, str]]
    services: Mapping[str, str] = field(default_factory=dict)
    coming: tuple[str, ...] = ()
    going: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.release[0] != self.release[1] or self.images or self.coming or self.going)


def version_of(declaration: Declaration, stack: Stack) -> Version:
    """Return what an install of this would run."""
    digests = {key: image.reference.partition("@")[2] for key, image in stack.images.items()}
    return Version(release_of(declaration), digests)


def differences(before: Installed, declaration: Declaration, stack: Stack) -> Difference:
    """Return what an install would change of the application. Pure.

    `services` says for each service that stays and gets another image which one that is, by its key.
    """
    after = version_of(declaration, stack)
    keys = dict.fromkeys((*before.version.digests, *after.digests))
    pairs = {key: (before.version.digests.get(key, ""), after.digests.get(key, "")) for key in keys}
    changed = {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
    running = {row.name: row.image for row in stack.table.services}
    return Difference(
        (before.release, after.release),
        changed,
        {name: image for name, image in running.items() if image in changed and name in before.services},
        tuple(name for name in running if name not in before.services),
        tuple(name for name in before.services if name not in running),
    )


def write(work: Work, stack: Stack) -> Installed:
    """Remember that what the work declares was installed whole, and return it. What is known already stays as it is."""
    deployment = work.deployment
    made = Installed(
        now(),
        release_of(work.declaration),
        deployment.declaration.read_text(encoding="utf-8-sig"),
        str(deployment.source_folder()),
        tuple(stack.services),
        _pinned(work.declaration, ImageLock.read(deployment.root), stack.images),
    )
    try:
        before = read(deployment)
    except CallError:
        before = None  # it said nothing, and what was just installed is known
    if before is not None and _without_times(before) == _without_times(made):
        return before
    write_file(deployment.root / FILE, json.dumps(asdict(made), indent=1, sort_keys=True) + "\n")
    return made


def _without_times(one: Installed) -> Installed:
    return replace(one, at="", images={key: replace(row, resolved="") for key, row in one.images.items()})


def read(deployment: Deployment) -> Installed | None:
    """Return what was last installed whole, None where nothing is known. Raises CallError where the file is damaged."""
    path = deployment.root / FILE
    if not path.exists():
        return None
    return from_text(path.read_text(encoding="utf-8"), path)


def from_text(text: str, path: Path) -> Installed:
    """Return what `write` wrote. Raises CallError for anything else; `path` is where it was."""
    try:
        return TypeAdapter(Installed).validate_json(text)
    except ValidationError as error:
        raise CallError(
            f"{path} does not say what was installed ({error.errors()[0]['msg']})",
            "Take it from your records, or remove it and install what runs now once more.",
        ) from None


def _pinned(declaration: Declaration, lock: ImageLock, images: Mapping[str, LockedImage]) -> dict[str, Locked]:
    """Return a row for each image that runs: the lock's own, and for what it does not name a row that does.

    A stand-in without an archive would be whatever this controller builds on the day it is asked for again.
    """
    wanted = sources(declaration, table_of(declaration))
    known = valid(lock, wanted)
    rows = {}
    for key, image in images.items():
        row = known.get(key)
        if row and (row.archive or row.mirror or wanted[key] != STAND_IN):
            rows[key] = row
        else:
            rows[key] = Locked(image.reference, wanted[key], now(), archive=image.archive)
    return rows

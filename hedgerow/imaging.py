"""What can be done with a deployment's images before hosts get them: lock, mirror, save, load.

Each does all of its work before it writes the lock: what fails leaves the lock as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hedgerow import releases
from hedgerow.deployment import now
from hedgerow.errors import CallError
from hedgerow.flow import Work
from hedgerow.image_lock import STAND_IN, ImageLock, Locked
from hedgerow.images import built_here, release_of, sources, table_of, unlocked, valid
from hedgerow.oci import archive, content
from hedgerow.oci.archive import Archive, Named, Packed
from hedgerow.oci.content import Source, Tree
from hedgerow.oci.references import REFERENCE, place, reference
from hedgerow.oci.registry import Repository
from hedgerow.service_rows import Table
from hedgerow.stack import is_stand_in

Say = Callable[[str], None]
KEY, SOURCE, RESOLVED, RELEASE = "hedgerow.image", "hedgerow.source", "hedgerow.resolved", "hedgerow.release"
"""What is written beside an image in an archive, so that a controller without a network can make its lock of it."""


@dataclass(frozen=True)
class Wanted:
    """What a deployment's images are to be, and what the lock already says of them."""

    table: Table
    sources: Mapping[str, str]
    lock: ImageLock
    known: Mapping[str, Locked]


def wanted(work: Work) -> Wanted:
    """Read the lock beside the declaration. Raises CallError where there are no images to speak of."""
    table = table_of(work.declaration)
    if not table.images:
        raise CallError("PostHog is not deployed here (posthog.deploy is false)", "There are no images to work on.")
    lock, named = ImageLock.read(work.deployment.root), sources(work.declaration, table)
    # What another release was resolved to is no answer for this one, though the tag be the same.
    same = lock.release == release_of(work.declaration)
    return Wanted(table, named, lock, valid(lock, named) if same else {})


def lock_images(work: Work, say: Say, *, update: bool) -> ImageLock:
    """Resolve what is not locked yet, or with `update` everything. A digest that stays keeps its mirror or archive."""
    want = wanted(work)
    rows: dict[str, Locked] = {}
    stand_ins = built_here(say) if STAND_IN in want.sources.values() else {}
    for key, source in want.sources.items():
        row = want.known.get(key)
        if row and not update:
            rows[key] = row
            continue
        say(f"resolving {key}: {source}")
        if source == STAND_IN:
            found = stand_ins[want.table.images[key].stand_in][0]
        else:
            name = reference(source)
            repository = Repository(name)
            top = repository.document(name.digest) if name.digest else repository.resolve(name.tag)
            found = str(name.at(top.descriptor.digest))
        same = row is not None and row.reference == found
        rows[key] = row if row and same else Locked(found, source, now())
    return _written(work, rows)


def mirror_images(work: Work, to: str, say: Say) -> ImageLock:
    """Copy every image to another registry, byte for byte, and have hosts pull it there."""
    target = place(to)
    rows = {}
    for key, row in _locked(work).items():
        copy = target.copy_of(row.named)
        if copy.name == row.named.name:
            raise CallError(f"{copy.name} is where {key} comes from", "Name another registry or prefix for the mirror.")
        source = _source(row, say)
        say(f"{key}: reading what it holds")
        _copy(source, content.tree(source, row.digest), Repository(copy, actions="pull,push"), say)
        rows[key] = row.mirrored(copy.name)
    return _written(work, rows)


def save_images(work: Work, path: Path, say: Say) -> ImageLock:
    """Write one archive with every image of the lock. The lock stays as it is."""
    rows = _locked(work)
    packed = []
    for key, row in rows.items():
        source = _source(row, say)
        say(f"{key}: reading what it holds")
        notes = {KEY: key, SOURCE: row.source, RESOLVED: row.resolved, RELEASE: release_of(work.declaration)}
        packed.append(Packed(source, content.tree(source, row.digest), row.reference, notes))
    archive.write(path, packed, say)
    return ImageLock(rows, release_of(work.declaration))


def load_images(work: Work, path: Path, say: Say) -> ImageLock:
    """Check every byte of an archive, and have hosts get the images from it. Where there is no lock, this makes it."""
    want = wanted(work)
    there, release = Archive(path), release_of(work.declaration)
    others = {each.notes.get(RELEASE, releases.FIRST) for each in there.images()} - {release}
    if others:
        raise CallError(
            f"{path}: saved for release {', '.join(sorted(others))}, and the declaration is of {release}",
            "Save the archive anew from a lock of this release, or declare the release that it is for.",
        )
    rows, problems = {}, []
    for key, source in want.sources.items():
        row = want.known.get(key)
        found = [each for each in there.images() if each.notes.get(KEY) == key or (row and each.name == row.reference)]
        problem = _disagreement(found, source, row, lab=work.declaration.target.kind == "lab")
        if problem:
            problems.append(f"{key}: {problem}")
        else:
            notes = found[0].notes
            new = row or Locked(found[0].name, source, notes.get(RESOLVED) or now())
            rows[key] = new.archived(path.absolute())
    if problems:
        raise CallError(
            "\n".join(f"{path}: {problem}" for problem in problems),
            "Nothing was changed. Save the archive anew from the lock that you mean, or lock again with --update.",
        )
    say(f"checking every digest in {path}")
    there.verify()
    return _written(work, rows)


def _disagreement(found: list[Named], source: str, row: Locked | None, *, lab: bool) -> str:
    """Return why the image in an archive is not the one that the deployment wants, or ""."""
    if len(found) != 1:
        return f"{len(found)} images of that key are in it"
    image = found[0]
    found_name = REFERENCE.fullmatch(image.name)
    if not found_name or found_name["digest"] != image.digest:
        return f"it is named {image.name} and is {image.digest}"
    if is_stand_in(image.name) and not lab:
        return "a stand-in is for the lab only"
    named = row.reference if row else source if "@" in source else ""
    if named and image.name != named:
        return f"it is {image.name}, and {'the lock' if row else 'the declaration'} says {named}"
    if not named and image.notes.get(SOURCE) != source:
        return f"it was resolved from {image.notes.get(SOURCE)}, and the declaration says {source}"
    return ""


def _locked(work: Work) -> Mapping[str, Locked]:
    """Return the lock of every image. Raises CallError where one is missing, or no longer what is declared."""
    want = wanted(work)
    missing = [key for key in want.sources if key not in want.known]
    if missing:
        told = unlocked(work.declaration, want.lock)
        raise CallError(
            "\n".join(told) or f"not locked yet: {', '.join(missing)}", f"Run `images lock {work.declaration.name}`."
        )
    return {key: want.known[key] for key in want.sources}


def _source(row: Locked, say: Say) -> Source:
    """Return where an image is read from: where hosts would get it, or for a stand-in where it was built."""
    if row.archive:
        return Archive(Path(row.archive))
    if row.source == STAND_IN and not row.mirror:
        built = built_here(say)
        now_built, path = built.get(row.named.name, ("", Path()))
        if now_built != row.reference:
            raise CallError(
                f"{row.reference} is a stand-in of another day; it is {now_built} now", "Run `images lock --update`."
            )
        return Archive(path)
    return Repository(row.nearest)


def _copy(source: Source, whole: Tree, target: Repository, say: Say) -> None:
    """Write what the target lacks, what is pointed to first, and read the image back."""
    for blob in whole.blobs:
        if not target.has("blobs", blob.digest):
            say(f"{target.where}: {blob.digest[:19]}, {blob.size // 1_000_000} MB")
            target.push_blob(blob, lambda blob=blob: source.blob(blob))  # type: ignore[misc]
    for document in whole.documents:
        target.push_document(document)
    target.document(whole.top.digest)


def _written(work: Work, rows: Mapping[str, Locked]) -> ImageLock:
    made = ImageLock(rows, release_of(work.declaration))
    made.write(work.deployment.root)
    return made

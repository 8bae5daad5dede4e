"""Which image each service runs: always by digest, from the declaration, from the lock, or in the lab a stand-in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from hedgerow import releases, stand_in
from hedgerow.budget import GIB, Load, object_volumes
from hedgerow.declaration import Declaration
from hedgerow.errors import CallError
from hedgerow.hosts import Site
from hedgerow.image_lock import STAND_IN, ImageLock, Locked
from hedgerow.object_storage import outside_store, with_outside_store
from hedgerow.oci.references import reference
from hedgerow.service_rows import Table
from hedgerow.services import NO_SERVICES, load_table
from hedgerow.stack import LockedImage, RegistryTrust, Stack, is_stand_in


def table_of(declaration: Declaration) -> Table:
    """Return the services to deploy: those of the declared features; none where PostHog is not deployed."""
    if not declaration.posthog.deploy:
        return NO_SERVICES
    return with_outside_store(load_table(declaration.release).only(declaration.features), outside_store(declaration))


def release_of(declaration: Declaration) -> str:
    """Return the release to deploy."""
    return releases.find(declaration.release).name


def sources(declaration: Declaration, table: Table) -> dict[str, str]:
    """Return what each image is to be: a name with a tag or a digest, or STAND_IN. The declaration wins."""
    named = declaration.posthog.images.model_dump()
    lab = declaration.target.kind == "lab"
    return {
        key: named.get(key) or (STAND_IN if lab else f"{image.repository}:{image.tag}")
        for key, image in table.images.items()
    }


def digests(declaration: Declaration, lock: ImageLock) -> dict[str, str]:
    """Return the digest of each image that the declaration or the lock names by one."""
    wanted = sources(declaration, table_of(declaration))
    named = {key: source for key, source in wanted.items() if "@" in source}
    named |= {key: row.reference for key, row in valid(lock, wanted).items()}
    return {key: name.partition("@")[2] for key, name in named.items()}


def valid(lock: ImageLock, wanted: Mapping[str, str]) -> dict[str, Locked]:
    """Return the rows of the lock that answer what is wanted now: resolved from the same source, or the same digest."""
    return {
        key: row
        for key, row in lock.images.items()
        if key in wanted and (row.source == wanted[key] or ("@" in wanted[key] and row.reference == wanted[key]))
    }


def unlocked(declaration: Declaration, lock: ImageLock) -> list[str]:
    """Return what keeps images from being known by digest, one line each; empty when nothing does. Touches nothing."""
    if lock.images and declaration.posthog.deploy and lock.release != release_of(declaration):
        return [
            f"images.lock.yml: made for release {lock.release}, and this is {release_of(declaration)}; run "
            f"`images lock {declaration.name}` with this declaration (then `images mirror` or `save` anew, if you do), "
            f"or declare release: {lock.release}"
        ]
    wanted = sources(declaration, table_of(declaration))
    known = valid(lock, wanted)
    lines = []
    for key, source in wanted.items():
        if key in known or "@" in source or source == STAND_IN:
            continue
        why = f"was resolved from {lock.images[key].source}" if key in lock.images else "is not locked yet"
        lines.append(
            f"posthog.images.{key}: {source} may be moved, and {why}; run `images lock {declaration.name}` with this"
            " declaration, or name a digest"
        )
    if declaration.target.kind != "lab":
        lines += [
            f"posthog.images.{key}: the lock holds a stand-in, which is for the lab only; run `images lock --update`"
            for key, row in known.items()
            if is_stand_in(row.reference)
        ]
    return lines


def demand_locked(declaration: Declaration, lock: ImageLock) -> None:
    """Raise CallError where an image is not known by digest."""
    lines = unlocked(declaration, lock)
    if lines:
        raise CallError("\n".join(lines), "Nothing was touched.")


def images_for(
    declaration: Declaration, site: Site, table: Table, lock: ImageLock, say: Callable[[str], None]
) -> Mapping[str, LockedImage]:
    """Return the image of every row of the table's images, by its key. Raises HedgerowError when one cannot be had.

    Outside the lab no stand-in ever runs.
    """
    if not table.services:
        return {}
    demand_locked(declaration, lock)
    wanted = sources(declaration, table)
    known = valid(lock, wanted)
    found: dict[str, LockedImage] = {}
    for key, source in wanted.items():
        row = known.get(key)
        if row and row.archive:
            found[key] = LockedImage(row.reference, row.archive)
        elif row and (row.mirror or source != STAND_IN):
            found[key] = LockedImage(str(row.nearest))
        elif source != STAND_IN:
            found[key] = LockedImage(source)
    missing = [key for key in wanted if key not in found]
    if not missing:
        return found
    built = built_here(say)
    for key in missing:
        reference_, archive = built[table.images[key].stand_in]
        found[key] = LockedImage(reference_, str(archive))
    return found


def built_here(say: Callable[[str], None]) -> dict[str, tuple[str, Path]]:
    """Return the lab's stand-ins by name: reference and archive."""
    return {reference(image.reference).name: (image.reference, image.archive) for image in stand_in.images(say)}


def stack_for(declaration: Declaration, site: Site, lock: ImageLock, say: Callable[[str], None]) -> Stack:
    """Return what the table of services means for this deployment; without PostHog, a stack of no services."""
    table = table_of(declaration)
    images = images_for(declaration, site, table, lock, say)
    ours = any(is_stand_in(image.reference) for image in images.values())
    capacity = declaration.capacity
    load = Load(capacity.events_a_day, capacity.keep_days, capacity.reserve_gib * GIB)
    trust = _trust(declaration, images)
    outside = outside_store(declaration)
    return Stack(table, declaration.domain, site.hosts, images, ours, trust, object_volumes(load), outside)


def _trust(declaration: Declaration, images: Mapping[str, LockedImage]) -> RegistryTrust:
    """Read what hosts trust of a mirror. Raises CallError where signatures are asked of what carries none."""
    registry = declaration.posthog.registry
    archived = [key for key, image in images.items() if image.archive]
    if registry.signature_key and archived:
        raise CallError(
            "posthog.registry.signature_key is declared, and the image of "
            f"{', '.join(archived)} comes from an archive, which carries no signatures",
            "Have hosts pull from a mirror (`images mirror`), or remove the key: digests hold either way.",
        )
    return RegistryTrust(_text(registry.ca_file), _text(registry.signature_key))


def _text(path: Path | None) -> str:
    try:
        return path.read_text(encoding="ascii") if path else ""
    except (OSError, ValueError) as error:
        raise CallError(f"{path} cannot be read: {error}", "posthog.registry names it in the declaration.") from None

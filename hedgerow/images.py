"""Which image each service runs: declared by digest, or in the lab a stand-in built on the spot."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hedgerow import stand_in
from hedgerow.declaration import Declaration
from hedgerow.hosts import Site
from hedgerow.service_rows import Table
from hedgerow.services import NO_SERVICES, load_table
from hedgerow.stack import LockedImage, Stack


def images_for(
    declaration: Declaration, site: Site, table: Table, say: Callable[[str], None]
) -> Mapping[str, LockedImage]:
    """Return the image of every row of the table's images, by its key. Raises HedgerowError when one cannot be built.

    Outside the lab the declaration names every image by digest (it is refused otherwise), and no stand-in ever runs.
    """
    if not table.services:
        return {}
    declared = {
        key: LockedImage(reference)
        for key, reference in declaration.posthog.images.model_dump().items()
        if reference is not None
    }
    missing = [key for key in table.images if key not in declared]
    if not missing or not site.stand_ins:
        return declared
    wanted = {table.images[key].stand_in for key in missing}
    built = {image.reference.partition("@")[0]: image for image in stand_in.images(say, wanted=wanted)}
    for key in missing:
        image = built[table.images[key].stand_in]
        declared[key] = LockedImage(image.reference, str(image.archive))
    return declared


def stack_for(declaration: Declaration, site: Site, say: Callable[[str], None]) -> Stack:
    """Return what the table of services means for this deployment; without PostHog, a stack of no services."""
    table = load_table() if declaration.posthog.deploy else NO_SERVICES
    images = images_for(declaration, site, table, say)
    ours = any(image.archive for image in images.values())
    return Stack(table, declaration.domain, site.hosts, images, stand_in=ours)

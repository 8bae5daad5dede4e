"""Stand-in images as another day would have made them: the same layers, another configuration, so another digest."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hedgerow import stand_in
from hedgerow.deployment import now
from hedgerow.image_lock import STAND_IN, ImageLock, Locked
from hedgerow.oci.references import reference
from hedgerow.service_rows import Table
from hedgerow.stand_in_layers import REF_NAME, add, add_stream

Change = Callable[[str, dict[str, Any]], None]


def lock(folder: Path, table: Table, change: Change) -> ImageLock:
    """Return the image lock of an archive in `folder` in which PostHog's own images have another configuration.

    `change` is given each one's name and configuration, and edits it. The stores stay as they are.
    """
    built = {reference(image.reference).name: image for image in stand_in.images(print)}
    ours = built[f"{stand_in.PREFIX}/posthog"].archive
    folder.mkdir(parents=True, exist_ok=True)
    changed = _again(ours, folder / "images.tar", change)
    rows = {}
    for key, image in table.images.items():
        there = built[image.stand_in]
        named, archive = changed.get(image.stand_in, there.reference), there.archive
        rows[key] = Locked(named, STAND_IN, now(), archive=str(folder / "images.tar" if archive == ours else archive))
    return ImageLock(rows)


def _again(source: Path, target: Path, change: Change) -> dict[str, str]:
    """Write an archive with other configurations, and return its images by name."""
    found = {}
    with tarfile.open(source) as old, tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as new:

        def blob(digest: str) -> bytes:
            stream = old.extractfile(f"blobs/{digest.replace(':', '/')}")
            assert stream is not None
            return stream.read()

        def put(value: object) -> tuple[str, int]:
            content = json.dumps(value).encode()
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            add(new, f"blobs/{digest.replace(':', '/')}", content)
            return digest, len(content)

        stream = old.extractfile("index.json")
        assert stream is not None
        index = json.load(stream)
        layers: dict[str, int] = {}
        for row in index["manifests"]:
            name = row["annotations"][REF_NAME].partition("@")[0]
            manifest = json.loads(blob(row["digest"]))
            config = json.loads(blob(manifest["config"]["digest"]))
            change(name.rpartition("/")[2], config["config"])
            manifest["config"]["digest"], manifest["config"]["size"] = put(config)
            row["digest"], row["size"] = put(manifest)
            row["annotations"][REF_NAME] = found[name] = f"{name}@{row['digest']}"
            layers |= {layer["digest"]: layer["size"] for layer in manifest["layers"]}
        for digest, size in layers.items():
            add_stream(new, f"blobs/{digest.replace(':', '/')}", io.BytesIO(blob(digest)), size)
        add(new, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        add(new, "index.json", json.dumps(index).encode())
    return found

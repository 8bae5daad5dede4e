"""What runs, as a CycloneDX 1.6 bill of materials: images by digest, packages of the hosts and of this controller.

What images hold is in their publishers' lists, not in this one; the document says so, and which hosts did not answer.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from typing import Any
from urllib.parse import quote

from hedgerow import __version__
from hedgerow.bundle import Files
from hedgerow.image_lock import ImageLock
from hedgerow.inventory import Installed, Package
from hedgerow.stack import is_stand_in

BY_DIGEST = re.compile(r"([a-z0-9][a-z0-9.:_-]*(?:/[a-z0-9._-]+)+)@sha256:([0-9a-f]{64})")
INSIDE_IMAGES = "what images hold"
Component = dict[str, Any]


def packages() -> dict[str, str]:
    """Return the Python packages of this environment with their versions."""
    return {found.metadata["Name"]: found.version for found in distributions() if found.metadata["Name"]}


def images(files: Files, lock: ImageLock) -> dict[str, str]:
    """Return every image that the rendered deployment or the lock names by digest, with what it was resolved from."""
    texts = (content.decode("utf-8", "replace") for name, content in files.items() if "_vars/" in name)
    found = {match[0]: "" for text in texts for match in BY_DIGEST.finditer(text)}
    return found | {row.reference: row.source for row in lock.images.values()}


@dataclass(frozen=True)
class Parts:
    """What a deployment is made of. `images` say what they were resolved from; `silent` are hosts without a list."""

    images: Mapping[str, str]
    python: Mapping[str, str]
    installed: Installed
    silent: Sequence[str] = ()


def document(deployment: str, made: str, release: str, parts: Parts) -> bytes:
    """Return the document, the same bytes for the same input. `release` is PostHog's, "" where none is deployed."""
    root = f"hedgerow-deployment/{deployment}"
    components = sorted(
        [*_images(parts.images), *_packages(parts.python.items()), *_installed(parts.installed)],
        key=lambda component: component["bom-ref"],
    )
    missing = "; ".join([INSIDE_IMAGES, *(f"packages of {name}, which did not answer" for name in parts.silent)])
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": made,
            "component": {"type": "application", "bom-ref": root, "name": deployment},
            "tools": {"components": [{"type": "application", "name": "hedgerow", "version": __version__}]},
            "properties": _properties({"posthog-release": release, "not-included": missing}),
        },
        "components": components,
        "compositions": [{"aggregate": "incomplete", "assemblies": [root]}],
    }
    text = json.dumps(body, indent=1, sort_keys=True)
    number = uuid.uuid5(uuid.NAMESPACE_URL, text)
    return (json.dumps({**body, "serialNumber": f"urn:uuid:{number}"}, indent=1, sort_keys=True) + "\n").encode()


def _images(found: Mapping[str, str]) -> Iterator[Component]:
    for reference, source in found.items():
        name, _, digest = reference.partition("@")
        purl = (
            f"pkg:oci/{quote(name.rpartition('/')[2])}@{quote(digest, safe='')}?repository_url={quote(name, safe='')}"
        )
        yield {
            "type": "container",
            "bom-ref": purl,
            "name": name,
            "version": digest,
            "purl": purl,
            "hashes": [{"alg": "SHA-256", "content": digest.partition(":")[2]}],
            "properties": _properties(
                {"resolved-from": source, "stand-in": "yes: not PostHog's own" if is_stand_in(reference) else ""}
            ),
        }


def _packages(found: Iterable[tuple[str, str]]) -> Iterator[Component]:
    for name, version in found:
        plain = re.sub(r"[-_.]+", "-", name).lower()
        purl = f"pkg:pypi/{plain}@{quote(version)}"
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": version,
            "purl": purl,
            "properties": _properties({"runs-on": "controller"}),
        }


def _installed(found: Installed) -> Iterator[Component]:
    hosts: dict[Package, list[str]] = {}
    for host, packages_ in sorted(found.items()):
        for package in packages_:
            hosts.setdefault(package, []).append(host)
    for package, names in hosts.items():
        system, _, release = package.distribution.partition(" ")
        place = f"{quote(system)}/{quote(package.name)}@{quote(package.version)}"
        purl = f"pkg:deb/{place}?arch={package.architecture}&distro={quote(system)}-{quote(release)}"
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": package.name,
            "version": package.version,
            "purl": purl,
            "properties": _properties({"runs-on": ", ".join(names)}),
        }


def _properties(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": f"hedgerow:{name}", "value": value} for name, value in values.items() if value]

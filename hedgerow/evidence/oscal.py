"""What the OSCAL documents share: ids that are the same for the same thing, metadata, properties."""

from __future__ import annotations

import re
import uuid
from typing import Any

from hedgerow.evidence import NOT_A_CERTIFICATE, STAND_IN_NOTICE, Evidence

VERSION = "1.2.1"
NAMESPACE = uuid.UUID("6f1a2c5e-7c1b-5d0e-9a43-2b8f0f6f3d11")
"""Ours, drawn once: every id is a UUID of version 5 under it (RFC 9562, 5.5), so that two runs can be compared."""
PROPERTIES = "urn:hedgerow:evidence"
"""The namespace of property names that OSCAL itself does not define."""


def id_of(*parts: str) -> str:
    """Return the id of what these words name, always the same."""
    return str(uuid.uuid5(NAMESPACE, "\n".join(parts)))


def token(paragraph: str) -> str:
    """Write a paragraph as OSCAL can have it, which knows no parentheses: hipaa-164.312-e-2-ii."""
    return "hipaa-" + re.sub(r"\(([^)]+)\)", r"-\1", paragraph)


def prop(name: str, value: str) -> dict[str, str]:
    """Return a property of ours. OSCAL allows no line break and no outer space in its value."""
    return {"name": name, "ns": PROPERTIES, "value": " ".join(value.split()) or "none"}


def metadata(evidence: Evidence, title: str) -> dict[str, Any]:
    """Return what every document begins with. The time is that of the run: a clock would make each copy another."""
    return {
        "title": title,
        "last-modified": evidence.started,
        "version": evidence.version,
        "oscal-version": VERSION,
        "remarks": "\n\n".join([NOT_A_CERTIFICATE, *([STAND_IN_NOTICE] if evidence.stand_in else [])]),
    }


def resource(name: str, title: str, description: str) -> dict[str, Any]:
    """Return something that the document refers to by `reference(name)`."""
    return {"uuid": id_of("resource", name), "title": title, "description": description}


def reference(name: str) -> str:
    """Return the link to a resource of the same document."""
    return "#" + id_of("resource", name)


def filled(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out lists without an item, which OSCAL refuses."""
    return {key: value for key, value in values.items() if value not in ([], {}, None)}

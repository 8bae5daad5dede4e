"""What the tests of the target share: a declaration, its target, and everything that is in the project."""

from __future__ import annotations

from typing import Any

from hedgerow.declaration import parse
from hedgerow.deployment import Deployment
from hedgerow.targets.gcp.target import GcpTarget
from tests.gcp.fake.running import Fake
from tests.gcp.fake.world import PROJECT

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPZw8Zb6c3THTz8GycTPXbKu78nIfJ39zK8MvWwOwKpC jane@acme.example"
TEXT = """\
name: acme
domain: analytics.acme.example
target: {{kind: gcp, project: {project}, region: us-central1{more}}}
access:
  administrators: [{{name: jane, ssh_keys: ["{key}"]}}]
  ssh_from: [198.51.100.7]
  interface_from: [198.51.100.0/24]
  ingest_from: {ingest}
agreements: [{{with: gcp, signed: 2026-02-01, reference: "Google Cloud BAA"}}]
"""


def text(more: str = "", ingest: str = "[any]") -> str:
    """Return a deploy.yml; `more` goes on with the target."""
    return TEXT.format(project=PROJECT, key=KEY, more=f", {more}" if more else "", ingest=ingest)


def target(more: str = "", ingest: str = "[any]") -> GcpTarget:
    """Return the target, as the command line would make it."""
    declaration = parse(text(more, ingest))
    return GcpTarget(declaration, declaration.target, Deployment(declaration.name))  # type: ignore[arg-type]


def quiet(line: str) -> None:
    """Hear nothing."""


def actions(made: GcpTarget) -> dict[str, str]:
    """Return the plan: the action for each resource."""
    return {f"{change.kind}/{change.name}": change.action for change in made.plan()}


def census(fake: Fake) -> dict[str, int]:
    """Count what is in the project by collection, whoever made it: a thing made twice shows here. A zone's changes are
    no things, but what was done."""
    found: dict[str, int] = {}
    for name in [one for one in fake.state()["rows"] if not one.startswith("dns:changes/")]:
        service, _, path = name.partition(":")
        parts = path.split("/")
        kind = f"{service}:{parts[-2] if len(parts) > 1 else ''}"
        found[kind] = found.get(kind, 0) + 1
    return found


def row(fake: Fake, end: str) -> dict[str, Any]:
    """Return the one resource whose name ends so."""
    (found,) = [one for name, one in fake.state()["rows"].items() if name.endswith(end)]
    return dict(found)

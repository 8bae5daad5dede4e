"""What goes into a bundle, and the proof that no secret does."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from hedgerow import disposal
from hedgerow.bundle import BundleError, Files
from hedgerow.deployment import Deployment
from hedgerow.secrets import Vault, leaves

RENDERED = (
    "README.md",
    "ansible.cfg",
    "deploy.yml",
    "images.lock.yml",
    "inventory.yml",
    "known_hosts",
    "site.yml",
    "authority/*.crt",
    "group_vars/**/*",
    "host_vars/**/*",
    "plugins/**/*",
    "roles/**/*",
)
"""What of the deployment's folder is taken. What is not named stays out: logs, vaulted keys, whatever comes later."""
VAULTED = b"$ANSIBLE_VAULT"
SHORTEST = 12
"""Characters from which on a secret is looked for: a shorter one of the operator's may be a word that occurs anyway."""


def rendered(deployment: Deployment) -> Files:
    """Return the rendered deployment: everything that Ansible reads but the vault."""
    root = deployment.root
    found = {path for pattern in RENDERED for path in root.glob(pattern) if path.is_file()}
    files = {f"deployment/{path.relative_to(root)}": path.read_bytes() for path in found if _belongs(path)}
    return {name: content for name, content in files.items() if not content.startswith(VAULTED)}


def journal(deployment: Deployment) -> Files:
    """Return the operator journal, who did what, when, and how it ended; and the record of what was disposed of."""
    found = (deployment.root / "journal.jsonl", deployment.root / disposal.FILE)
    return {path.name: path.read_bytes() for path in found if path.exists()}


def drills(deployment: Deployment) -> Files:
    """Return what came of each drill, and of each rehearsal and upgrade."""
    folders = ("drills", "rehearsals", "upgrades")
    found = [path for folder in folders for path in sorted((deployment.evidence / folder).glob("*.json"))]
    return {f"evidence/{path.relative_to(deployment.evidence)}": path.read_bytes() for path in found}


def people(deployment: Deployment) -> Files:
    """Return the access reviews, and what came of each removal of a person."""
    found = [path for folder in ("access-reviews", "removals") for path in (deployment.evidence / folder).glob("*")]
    return {f"evidence/{path.relative_to(deployment.evidence)}": path.read_bytes() for path in found if path.is_file()}


def demand_no_secret(files: Files, deployment: Deployment) -> None:
    """Raise BundleError where a file holds a secret of the deployment, or anything that is meant to be one.

    Also CallError, where the vault cannot be opened: what cannot be looked for is not known to be absent.
    """
    known = secrets_of(deployment)
    for name, content in sorted(files.items()):
        found = next((place for place, pieces in known.items() if any(piece in content for piece in pieces)), "")
        if b" PRIVATE KEY-----\n" in content or VAULTED + b";" in content[:64]:
            found = found or "a private key or a vault"
        if found:
            raise BundleError(
                f"{name} holds a secret ({found}); no bundle was made",
                "Rotate that secret, and see how it came there: this must not happen.",
            )


def secrets_of(deployment: Deployment) -> Mapping[str, tuple[bytes, ...]]:
    """Return the secrets of the deployment by a number, each as the pieces that it would show itself by."""
    if not deployment.secrets.exists():
        return {}
    tree = Vault.of(deployment).read(deployment.secrets)
    return {f"number {number} of the vault": tuple(_pieces(value)) for number, value in enumerate(leaves(tree), 1)}


def _pieces(secret: str) -> Iterator[bytes]:
    """Yield a secret of one line whole, and of a private key each line of its body: YAML indents them.

    A key's last lines may be its public half alone, which every certificate of it shows.
    """
    public = _public_half(secret)
    for line in secret.strip().splitlines():
        if len(line) >= SHORTEST and not line.startswith("-----") and not (public and _decoded(line) in public):
            yield line.encode()


def _public_half(secret: str) -> bytes:
    """Return the public key that belongs to a private one, as certificates hold it; nothing where it is none."""
    if "PRIVATE KEY-----" not in secret:
        return b""
    try:
        key = serialization.load_pem_private_key(secret.encode(), None)
    except ValueError:
        return b""
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _decoded(line: str) -> bytes:
    return base64.b64decode(line)


def _belongs(path: Path) -> bool:
    return "__pycache__" not in path.parts and not path.is_symlink()

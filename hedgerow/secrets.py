"""Secrets of a deployment: generated once, kept encrypted with ansible-vault, never shown."""

from __future__ import annotations

import os
import secrets as random
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from hedgerow.deployment import Deployment, write_file
from hedgerow.errors import CallError

ALPHABET = string.ascii_letters + string.digits
LENGTHS = {
    "password": 40,
    # Django's SECRET_KEY: 50 characters or more.
    "secret_key": 64,
    # PostHog wants exactly 32 plain characters per key (docs/posthog.md).
    "salt": 32,
}

Tree = dict[str, Any]
Wanted = Mapping[str, str]
"""Dotted place of a secret -> its kind, one of LENGTHS."""


def generate(kind: str) -> str:
    """Return a new random secret of letters and digits, safe in URLs, shells and SQL. Raises KeyError."""
    return "".join(random.choice(ALPHABET) for _ in range(LENGTHS[kind]))


def complete(tree: Tree, wanted: Wanted) -> Tree:
    """Return the tree with each missing secret generated; what is there stays as it is."""
    full = _copy(tree)
    for place, kind in wanted.items():
        *folders, last = place.split(".")
        node = full
        for folder in folders:
            node = node.setdefault(folder, {})
        node.setdefault(last, generate(kind))
    return full


def place(tree: Tree, at: str, value: str) -> Tree:
    """Return the tree with one value set at a dotted place."""
    full = _copy(tree)
    *folders, last = at.split(".")
    node = full
    for folder in folders:
        node = node.setdefault(folder, {})
    node[last] = value
    return full


def leaves(tree: Tree) -> Iterator[str]:
    """Yield every secret value in the tree; tests search for each of them."""
    for value in tree.values():
        if isinstance(value, dict):
            yield from leaves(value)
        else:
            yield str(value)


class Vault:
    """Reads and writes what only this deployment's key opens."""

    def __init__(self, key_file: Path) -> None:
        self.key_file = key_file

    @classmethod
    def of(cls, deployment: Deployment) -> Vault:
        """Return the deployment's vault, with a new key (0600) where it has none.

        Raises CallError when the secrets are there and the key that opens them is not.
        """
        key_file = deployment.key_file
        if not key_file.exists():
            if deployment.secrets.exists():
                raise CallError(
                    f"the vault key {key_file} is gone; the secrets of {deployment.name} cannot be opened",
                    "Put the key back from where you keep its copy, with mode 0600.",
                )
            key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_file(key_file, generate("secret_key") + "\n", 0o600)
        if key_file.stat().st_mode & 0o077:
            raise CallError(f"the vault key {key_file} can be read by others", f"chmod 600 {key_file}")
        return cls(key_file)

    def encrypt(self, text: str) -> str:
        """Return the text in ansible-vault's format."""
        return self._library().encrypt(text).decode()

    def decrypt(self, text: str) -> str:
        """Return the clear text. Raises CallError when the key does not fit."""
        from ansible.errors import AnsibleError  # noqa: PLC0415 (see _library)

        try:
            return self._library().decrypt(text.encode()).decode()
        except AnsibleError as error:
            raise CallError(
                f"the vault key {self.key_file} does not open these secrets", "Put the right key back."
            ) from error

    def read(self, path: Path) -> Tree:
        """Return the `vault` tree of an encrypted file; empty where there is none."""
        if not path.exists():
            return {}
        return yaml.safe_load(self.decrypt(path.read_text()))["vault"]

    def write(self, path: Path, tree: Tree) -> None:
        """Write the tree, unless the file already says just that: the salt would change every byte."""
        if path.exists() and self.read(path) == tree:
            return
        write_file(path, self.encrypt(yaml.safe_dump({"vault": tree}, sort_keys=True)), 0o600)

    def _library(self) -> Any:
        # Imported late: Ansible takes a third of a second to load, and most verbs never open a secret.
        os.environ.setdefault("ANSIBLE_HOME", str(Path.home() / ".ansible"))
        from ansible.parsing.vault import VaultLib, VaultSecret  # noqa: PLC0415

        return VaultLib([("default", VaultSecret(self.key_file.read_bytes().strip()))])


def _copy(tree: Tree) -> Tree:
    return {key: _copy(value) if isinstance(value, dict) else value for key, value in tree.items()}

"""Make sure that a deployment has every secret and certificate it needs; change none that still holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from hedgerow import pki
from hedgerow.deployment import Deployment, write_file
from hedgerow.secrets import Tree, Vault, Wanted, complete, place

Names = tuple[str, ...]


@dataclass(frozen=True)
class Credentials:
    """The public half: certificates by service, PEM. The keys stay in the vault, under `tls.SERVICE`."""

    authority: str
    certificates: Mapping[str, str]
    callers: str = ""
    """The authorities whose client certificates open the interface, PEM; "" where none is asked for."""
    collector: str = ""
    """The authority that vouches for the declared log collector, PEM; "" where there is none."""


@dataclass(frozen=True)
class Provided:
    """A certificate chain and its key that the operator brought for the edge."""

    certificate: Path
    key: Path


def ensure(
    deployment: Deployment,
    wanted: Wanted,
    servers: Mapping[str, Names],
    provided: Provided | None = None,
    clients: Sequence[str] = (),
    brought: Mapping[str, Path] = MappingProxyType({}),
    at: datetime | None = None,
) -> Credentials:
    """Generate what is missing, renew what is about to end, and return the certificates.

    `wanted` are the secrets, `servers` the names each service's certificate must carry, `clients` the accounts that
    show a certificate themselves. With `provided`, the edge uses the operator's own certificate instead of one from the
    private CA. `brought` are secrets of the operator's own: the name below `brought` in the vault -> the file that
    holds it; what is not among them any more is forgotten. Raises CallError when the vault cannot be opened.
    """
    moment = at or datetime.now(UTC)
    vault = Vault.of(deployment)
    tree = complete(vault.read(deployment.secrets), wanted)
    authority = _authority(deployment, vault, moment)
    certificates: dict[str, str] = {}
    for service, names in servers.items():
        certificates[service], tree = _certificate(deployment, tree, authority, service, names, moment)
    for account in clients:
        certificates[account], tree = _certificate(
            deployment, tree, authority, account, (account,), moment, client=True
        )
    if provided is not None:
        certificates["edge"] = provided.certificate.read_text()
        tree = place(tree, "tls.edge", provided.key.read_text())
    own = {name: path.read_text(encoding="ascii").strip() for name, path in brought.items()}
    tree = {**tree, "brought": own} if own else {key: each for key, each in tree.items() if key != "brought"}
    vault.write(deployment.secrets, tree)
    return Credentials(authority.certificate, certificates)


def drafted(deployment: Deployment, owners: Iterable[str]) -> Credentials:
    """Return the certificates as they are, with placeholders for those an install would issue. Nothing is kept."""

    def text(name: str) -> str:
        path = deployment.authority / f"{name}.crt"
        return path.read_text() if path.exists() else f"(install would issue the certificate of {name})\n"

    return Credentials(text("ca"), {owner: text(owner) for owner in owners})


def _authority(deployment: Deployment, vault: Vault, at: datetime) -> pki.Pair:
    certificate = deployment.authority / "ca.crt"
    key = deployment.authority / "ca.key.vault"
    if not (certificate.exists() and key.exists()):
        made = pki.new_authority(deployment.name, at)
        write_file(key, vault.encrypt(made.key), 0o600)
        write_file(certificate, made.certificate)
        return made
    return pki.Pair(certificate.read_text(), vault.decrypt(key.read_text()))


def _certificate(
    deployment: Deployment,
    tree: Tree,
    authority: pki.Pair,
    service: str,
    names: Names,
    at: datetime,
    *,
    client: bool = False,
) -> tuple[str, Tree]:
    path = deployment.authority / f"{service}.crt"
    kept = path.read_text() if path.exists() else ""
    key = tree.get("tls", {}).get(service, "")
    whole = kept and key and pki.belong_together(pki.Pair(kept, key))
    if whole and not pki.must_renew(kept, authority.certificate, names, at):
        return kept, tree
    made = pki.issue(authority, names, at, client=client)
    tree = place(tree, f"tls.{service}", made.key)
    Vault.of(deployment).write(deployment.secrets, tree)
    write_file(path, made.certificate)
    return made.certificate, tree

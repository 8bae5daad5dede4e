"""Client certificates for the interface: the operator's CA, and one certificate of ours for verify and smoke.

Ours comes from an authority of its own, so that no certificate of a service opens the interface and none of the
operator's has to be handed to us. Its key lies beside the vault key, 0600, and never leaves the controller.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hedgerow import pki
from hedgerow.declaration import Declaration
from hedgerow.deployment import Deployment, write_file
from hedgerow.secrets import Vault

NAMES = ("hedgerow-controller",)
AUTHORITY = "interface-ca"


def certificate_file(deployment: Deployment, declaration: Declaration) -> Path | None:
    """Return the file with the certificate and key that we show to the edge; None where none is asked for."""
    return deployment.caller_file if declaration.access.interface_certificates else None


def ensure(deployment: Deployment, declaration: Declaration, at: datetime | None = None) -> str:
    """Have our own certificate, and return the authorities that the edge must trust, PEM; "" where it asks for none.

    Raises CallError when the vault cannot be opened, OSError for the operator's file.
    """
    asked = declaration.access.interface_certificates
    if not asked:
        return ""
    moment = at or datetime.now(UTC)
    authority = _authority(deployment, moment)
    place = deployment.caller_file
    kept = place.read_text() if place.exists() else ""
    if not kept or pki.must_renew(kept, authority.certificate, NAMES, moment):
        made = pki.issue(authority, NAMES, moment, client=True)
        write_file(place, made.certificate + made.key, 0o600)
    return asked.ca.read_text(encoding="ascii").strip() + "\n" + authority.certificate


def drafted(deployment: Deployment, declaration: Declaration) -> str:
    """Return the same as far as it is there already. Nothing is made."""
    asked = declaration.access.interface_certificates
    ours = deployment.authority / f"{AUTHORITY}.crt"
    if not asked:
        return ""
    return asked.ca.read_text(encoding="ascii").strip() + "\n" + (ours.read_text() if ours.exists() else "")


def _authority(deployment: Deployment, at: datetime) -> pki.Pair:
    vault = Vault.of(deployment)
    certificate = deployment.authority / f"{AUTHORITY}.crt"
    key = deployment.authority / f"{AUTHORITY}.key.vault"
    if not (certificate.exists() and key.exists()):
        made = pki.new_authority(f"{deployment.name}, for its interface", at)
        write_file(key, vault.encrypt(made.key), 0o600)
        write_file(certificate, made.certificate)
        return made
    return pki.Pair(certificate.read_text(), vault.decrypt(key.read_text()))

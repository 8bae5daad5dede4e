"""What a declared encrypted volume means for the roles, the firewall and the vault. Pure."""

from __future__ import annotations

from typing import Any

from hedgerow.declaration import Declaration
from hedgerow.hosts import Host

RECOVERY = "volume.recovery"
"""Where the vault keeps the passphrase that opens a volume when nobody else does."""
DATA = {
    "/var/lib/postgresql": ["postgresql@*.service"],
    "/var/lib/valkey": ["valkey-server.service"],
    "/var/lib/containers/storage/volumes": ["hedgerow-*.service"],
}
"""The folders in which the stores of a data host keep their data, and the units that work there."""


def secrets(declaration: Declaration) -> dict[str, str]:
    """Return the secrets of a volume, place -> kind."""
    return {RECOVERY: "secret_key"} if declaration.encrypted_volume else {}


def values(declaration: Declaration) -> dict[str, Any]:
    """Return the variables of the role `volume`."""
    declared = declaration.encrypted_volume
    if declared is None:
        return {"volume_enabled": False}
    return {
        "volume_enabled": True,
        "volume_device": declared.device,
        "volume_unlock": declared.unlock,
        "volume_tang": declared.tang or "",
        "volume_thumbprint": declared.thumbprint or "",
        "volume_folders": [{"path": path, "units": units} for path, units in DATA.items()],
        "volume_recovery": "{{ vault.volume.recovery }}",
    }


def outbound(declaration: Declaration, host: Host) -> list[dict[str, Any]]:
    """Return the way to the Tang server, for the host that asks it."""
    declared = declaration.encrypted_volume
    if declared is None or declared.server is None or "data" not in host.roles:
        return []
    address, port = declared.server
    why = "the server that opens the encrypted volume"
    return [{"proto": "tcp", "ports": [port], "to": [f"{address}/32"], "users": ["root"], "why": why}]

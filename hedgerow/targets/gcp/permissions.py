"""The role that the installer needs: the permissions of every call that it can make, and of the tunnel of SSH."""

from __future__ import annotations

import yaml

from hedgerow.targets.gcp.api import methods

TUNNEL = ("compute.instances.get", "compute.projects.get", "iap.tunnelInstances.accessViaIAP")
"""What gcloud calls, which carries SSH."""


def services() -> frozenset[str]:
    """Return the services that are called, by the first word of their methods, and that of the tunnel."""
    return frozenset(name.partition(".")[0] for name in methods()) | {"iap"}


def permissions(keys: frozenset[str] = frozenset()) -> list[str]:
    """Return every permission that is needed; `keys` of the declaration are switched on."""
    called = [method for method in methods().values() if not method.when or method.when in keys]
    return sorted({need for method in called for need in method.needs} | set(TUNNEL))


def text(deployment: str, keys: frozenset[str] = frozenset()) -> str:
    """Return the role for a person and for `gcloud iam roles create ID --project PROJECT --file FILE`."""
    role = {
        "title": f"Hedgerow installer of {deployment}",
        "description": "Every call that the installer makes, and no other",
        "stage": "GA",
        "includedPermissions": permissions(keys),
    }
    return yaml.safe_dump(role, sort_keys=False)

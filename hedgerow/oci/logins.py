"""Names and passwords for registries, from the files that `podman login` and `docker login` write.

Read each time, kept nowhere, shown nowhere. containers-auth.json(5) describes the file; helpers that keep passwords
elsewhere are not asked.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from hedgerow.errors import CallError

DOCKER_HUB = ("docker.io", "https://index.docker.io/v1/")


def files(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files that may hold a login, the one that wins first."""
    if named := environment.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
        return
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers" / "auth.json"
    home = Path(environment.get("HOME") or "/root")
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json"
    yield Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json"


def login(registry: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the name and the password for a registry, or None. Raises CallError where a file cannot be read."""
    names = DOCKER_HUB if registry == "docker.io" else (registry, f"https://{registry}")
    for path in files(environment):
        if not path.exists():
            continue
        try:
            known = json.loads(path.read_text(encoding="utf-8")).get("auths", {})
            for name in names:
                encoded = known.get(name, {}).get("auth")
                if encoded:
                    user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
                    return user, password
        except (OSError, ValueError, AttributeError, binascii.Error) as error:
            # What is wrong is not quoted: it may be a part of a password.
            raise CallError(
                f"{path} cannot be read as a file of registry logins ({type(error).__name__})",
                f"Write it anew: podman login {registry}",
            ) from None
    return None

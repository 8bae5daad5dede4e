"""The values between a target and everything after it: hosts, and how to reach them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROLES = ("edge", "app", "data")
CONTAINER_NETWORKS = "10.90.0.0/16"
"""Where containers have their addresses, on every host; no host and no lab may lie in it."""


@dataclass(frozen=True)
class Host:
    """A machine that SSH reaches.

    `address` is what the controller connects to, `private_address` the IPv4 address the
    host itself owns and its peers use. `user` has sudo without a password. `host_key` is
    the pinned public key ("ssh-ed25519 AAAA..."), "" only where nobody has met the host yet.
    `proxy` is the command that carries the connection (OpenSSH's ProxyCommand), "" where
    it goes straight to the address.
    `machine` is "metal" (its own kernel) or "container" (shares the controller's kernel). `patience` is how many times
    as long as another host it is given to answer: an emulated one is slow.
    """

    name: str
    address: str
    private_address: str
    user: str
    port: int = 22
    roles: tuple[str, ...] = ROLES
    identity_file: Path | None = None
    host_key: str = ""
    machine: str = "metal"
    proxy: str = ""
    patience: float = 1.0


@dataclass(frozen=True)
class Site:
    """What a target hands over: its hosts and where they are looked at from.

    `controller` is the address that hosts see this controller come from. `stranger` is an
    address this controller can also come from that is on no allow-list, or "" where
    there is none (then what only a stranger can show is reported as not exercised).
    `stand_ins` is true only in the lab: stand-in images run instead of PostHog's own.
    `bucket` is where the target has machines keep their backups (s3://NAME/..., gs://NAME), "" where it has none.
    """

    hosts: tuple[Host, ...]
    controller: str
    stranger: str = ""
    stand_ins: bool = False
    bucket: str = ""


@dataclass(frozen=True)
class Change:
    """One thing `apply` would do: `action` is create, change, replace, keep or delete; `differs` names the fields."""

    action: str
    kind: str
    name: str
    detail: str = ""
    differs: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostState:
    """A host as it is now. `state` is running, stopped, missing or unreachable; `detail` says why."""

    name: str
    state: str
    detail: str = ""

"""What a host can be: a container or a virtual machine. This is the one place where that is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from hedgerow.targets.lab import container, vm
from hedgerow.targets.lab.places import HostPlace, Machine


class Kind(Protocol):
    """A way to be a host. Everything else about a lab (network, image, keeper, record) is the same for all."""

    @property
    def KERNEL(self) -> str:  # noqa: N802 - a constant of a module
        """What Host.machine says: "container", or "metal" where the kernel is the host's own."""
        ...

    @property
    def BOOT_SECONDS(self) -> float:  # noqa: N802 - as above
        """How long it may take until SSH answers."""
        ...

    @property
    def STOP_SECONDS(self) -> float:  # noqa: N802 - as above
        """How long it may take to shut down in good order."""
        ...

    @property
    def PATIENCE(self) -> float:  # noqa: N802 - as above
        """What Host.patience says."""
        ...

    def boots_from(self, place: HostPlace) -> Path:
        """Return the path that is there once, and only once, the host can boot."""
        ...

    def finish(self, place: HostPlace) -> None:
        """Turn the root that lies in `half_made`, complete, into what the host boots from."""
        ...

    def interface(self, machine: Machine) -> str:
        """Return how the host's networkd knows its interface (systemd.network(5), [Match])."""
        ...

    def limits_enforced(self) -> bool:
        """Tell whether memory and processes of services can be limited in the host."""
        ...

    def command(self, machine: Machine, bridge: str) -> list[str]:
        """Return the command that runs the host until it is shut down. SIGTERM is its power button."""
        ...

    def sweep(self, machine: Machine) -> None:
        """Remove what a host that was killed leaves outside its folder."""
        ...


KINDS: Mapping[str, Kind] = {"container": container, "vm": vm}
"""By the word of the declaration (target.machine)."""

"""The way into a lab's hosts: a key pair per lab, pinned host keys, and the wait for SSH."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable

from hedgerow.errors import UnreachableError
from hedgerow.hosts import Host
from hedgerow.targets.lab.commands import attempt, run
from hedgerow.targets.lab.machine import find, last_lines
from hedgerow.targets.lab.places import HostPlace, LabPlace, write


def identity(place: LabPlace) -> str:
    """Make the lab's key pair unless it is there, and return its public half."""
    public = place.identity.with_suffix(".pub")
    if not public.exists():
        # The public half is written last: without it, the private one may be half of one.
        place.identity.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "hedgerow-lab", "-f", str(place.identity)])
    return public.read_text().strip()


def pin(place: LabPlace, hosts: Iterable[Host]) -> None:
    write(place.known_hosts, "".join(f"{host.address} {host.host_key}\n" for host in hosts))


def ssh(place: LabPlace, host: Host, *command: str) -> list[str]:
    """Return the command line that runs `command` on a host, whatever the user's own SSH settings say."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "5",
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(place.known_hosts),
        "GlobalKnownHostsFile": "none",
        "LogLevel": "ERROR",
    }
    given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", "-i", str(place.identity), *given, f"{host.user}@{host.address}", *command]


def wait(place: LabPlace, host: Host, machine: HostPlace, seconds: float = 90) -> None:
    """Wait until a host lets us in with its pinned key. Raises UnreachableError with its last words."""
    deadline = time.monotonic() + seconds
    reason = "nothing answers on port 22"
    while time.monotonic() < deadline:
        if find(machine) is None:
            reason = "it stopped while it started"
            break
        if not listens(host):
            time.sleep(0.1)
            continue
        status, _, reason = attempt(ssh(place, host, "true"), seconds=15)
        if status == 0:
            return
        # sshd counts refusals and shuts out who collects them (sshd_config(5), PerSourcePenalties).
        time.sleep(0.5)
    raise UnreachableError(
        f"{host.name} ({host.address}) could not be reached over SSH: {reason.strip()}\n"
        f"The last lines of its console:\n{last_lines(machine)}",
        f"The whole console is in {machine.console}.",
    )


def listens(host: Host) -> bool:
    try:
        socket.create_connection((host.address, host.port), timeout=1).close()
    except OSError:
        return False
    return True

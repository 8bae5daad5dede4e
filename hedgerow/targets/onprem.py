"""Machines that are already there: any Debian 13 or Ubuntu 24.04 host that SSH reaches."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from hedgerow import ssh
from hedgerow.errors import HedgerowError, UnreachableError
from hedgerow.hosts import Change, Host, HostState, Site
from hedgerow.targets import Say

# A container (LXC, say) cannot set its kernel's parameters, whoever asks it to.
QUESTION = "echo ${SSH_CONNECTION%% *}; systemd-detect-virt --container || :"


@dataclass(frozen=True)
class OnpremTarget:
    """Hosts from the declaration. `known_hosts` is where their keys are pinned, at first sight if not declared.

    Whoever is handed a host of a site has its key, declared or met: only `_reach` ever meets one without.
    """

    declared: tuple[Host, ...]
    known_hosts: Path

    def preflight(self) -> list[str]:
        """Return why a host cannot be reached, one line each."""
        return [f"{state.name}: {state.detail}" for state in self.observe() if state.state != "running"]

    def plan(self) -> list[Change]:
        """Every machine is kept: they are the operator's."""
        return [Change("keep", "host", host.name, f"{host.user}@{host.address}") for host in self.declared]

    def apply(self, say: Say) -> Site:
        """Reach every host once. Raises UnreachableError, naming each that does not answer."""
        reached = []
        problems = []
        for host in self.declared:
            say(f"reaching {host.name}")
            try:
                reached.append(self._reach(host))
            except HedgerowError as error:
                problems.append(error.message)
        if problems:
            raise UnreachableError("\n".join(problems), "Try `ssh` with the same account and address by hand.")
        return Site(tuple(host for host, _ in reached), reached[0][1])

    def site(self) -> Site:
        """The same hosts, always. Raises UnreachableError."""
        return self.apply(lambda _: None)

    def observe(self) -> list[HostState]:
        """Try every host's SSH."""
        states = []
        for host in self.declared:
            try:
                self._reach(host)
                states.append(HostState(host.name, "running"))
            except HedgerowError as error:
                states.append(HostState(host.name, "unreachable", error.message))
        return states

    def destroy(self, say: Say) -> list[Change]:
        """Leave the machines alone: what we did not make, we do not end."""
        say("the machines are yours and stay as they are")
        return []

    def _reach(self, host: Host) -> tuple[Host, str]:
        """Return the host with what only it knows, and the address it sees this machine come from."""
        with nullcontext() if host.host_key else _there(self.known_hosts.parent):
            answer = ssh.ask(host, self.known_hosts, [QUESTION])
        words = answer.stdout.split()
        if len(words) != 2:
            raise UnreachableError(f"{host.name} did not say where it sees this machine: {answer.stderr.strip()}")
        controller, container = words
        machine = "metal" if container == "none" else "container"
        address = host.private_address or resolve(host.address)
        key = host.host_key or ssh.remembered(host, self.known_hosts)
        met = replace(host, private_address=address, machine=machine, host_key=key)
        return met, controller.removeprefix("::ffff:")


@contextmanager
def _there(folder: Path) -> Iterator[None]:
    """Have a folder, and leave none that nothing was put into.

    ssh makes no folder for what it remembers, and says nothing of that: a host's key would be met anew each time.
    """
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if made:
            with suppress(OSError):
                folder.rmdir()


def resolve(address: str) -> str:
    """Return the IPv4 address of a name, or the address itself. Raises UnreachableError."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        pass
    try:
        return str(socket.getaddrinfo(address, None, socket.AF_INET)[0][4][0])
    except OSError as error:
        raise UnreachableError(
            f'the name "{address}" has no IPv4 address: {error}', "Give the address, or mend the name."
        ) from error

"""Machines that are already there: any Debian 13 or Ubuntu 24.04 host that SSH reaches."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from hedgerow import ssh
from hedgerow.errors import HedgerowError, UnreachableError
from hedgerow.hosts import Change, Host, HostState, Site
from hedgerow.targets import Say


@dataclass(frozen=True)
class OnpremTarget:
    """Hosts from the declaration. `known_hosts` is where their keys are pinned, at first sight if not declared."""

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
        controllers = {}
        problems = []
        for host in self.declared:
            say(f"reaching {host.name}")
            try:
                controllers[host.name] = self._seen_from(host)
            except HedgerowError as error:
                problems.append(error.message)
        if problems:
            raise UnreachableError("\n".join(problems), "Try `ssh` with the same account and address by hand.")
        return self._site(next(iter(controllers.values())))

    def site(self) -> Site:
        """The same hosts, always; asks the first how it sees this controller."""
        return self._site(self._seen_from(self.declared[0]))

    def observe(self) -> list[HostState]:
        """Try every host's SSH."""
        states = []
        for host in self.declared:
            try:
                self._seen_from(host)
                states.append(HostState(host.name, "running"))
            except HedgerowError as error:
                states.append(HostState(host.name, "unreachable", error.message))
        return states

    def destroy(self, say: Say) -> list[Change]:
        """Leave the machines alone: what we did not make, we do not end."""
        say("the machines are yours and stay as they are")
        return []

    def _site(self, controller: str) -> Site:
        return Site(tuple(_with_private_address(host) for host in self.declared), controller)

    def _seen_from(self, host: Host) -> str:
        answer = ssh.ask(host, self.known_hosts, ["echo $SSH_CONNECTION"])
        words = answer.stdout.split()
        if not words:
            raise UnreachableError(f"{host.name} did not say where it sees this machine: {answer.stderr.strip()}")
        return words[0].removeprefix("::ffff:")


def _with_private_address(host: Host) -> Host:
    if host.private_address:
        return host
    return replace(host, private_address=resolve(host.address))


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

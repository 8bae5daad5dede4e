"""A machine in a cloud as a target: plan, apply, site, observe, destroy, over a graph of resources.

What a cloud is made of, how its machine is reached and what makes it unfit, says the class of that cloud.
"""

from __future__ import annotations

import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hedgerow import disposal, ssh
from hedgerow.declaration import Declaration
from hedgerow.declaration.destinations import OWN_BUCKET
from hedgerow.deployment import Deployment, keys_folder
from hedgerow.errors import CallError, HedgerowError, UnreachableError
from hedgerow.hosts import Change, Host, HostState, Site
from hedgerow.targets import Say
from hedgerow.targets.cloud.doing import Drivers, bring_about, look, take_away
from hedgerow.targets.cloud.first_boot import MARK
from hedgerow.targets.cloud.graph import Found, Resource, Step, steps
from hedgerow.targets.onprem import OnpremTarget

FIRST_BOOT_SECONDS = 900


class CloudTarget(ABC):
    """One deployment in one cloud, with the key that its machine is reached by."""

    kind: str
    """The kind of target, which is the ending of its key's file too."""
    drivers: Drivers
    machine: str
    """The machine's own name."""

    def __init__(self, declaration: Declaration, deployment: Deployment) -> None:
        self.declaration = declaration
        self.deployment = deployment

    # What each cloud says for itself

    @abstractmethod
    def resources(self) -> tuple[Resource, ...]:
        """Return what is wanted."""

    @abstractmethod
    def ineligible(self) -> list[str]:
        """Return why health information may not lie there, one line each."""

    @abstractmethod
    def missing_programs(self) -> list[str]:
        """Return what SSH needs here and is not installed, one line each."""

    @abstractmethod
    def host(self) -> Host:
        """Return the machine as SSH reaches it. Raises CallError where there is none."""

    @abstractmethod
    def notes(self, gone: Sequence[Change]) -> list[str]:
        """Return what the record of an end says beside what is gone and what is left."""

    @abstractmethod
    def bucket(self) -> str:
        """Return where the machine may keep its backups (Site.bucket)."""

    @property
    def backs_up(self) -> bool:
        """Whether the machine keeps its backups in the bucket that is made for them."""
        return self.declaration.backup is not None and self.declaration.backup.to == OWN_BUCKET

    # The protocol

    def preflight(self) -> list[str]:
        """Return what would make `apply` fail, one human line each. Raises UnreachableError where the cloud does."""
        problems = self.ineligible() + self.missing_programs()
        if problems:
            return problems
        _, doing = self._steps()
        return [why for one in doing if (why := refused(one))]

    def plan(self) -> list[Change]:
        """Return what `apply` would do; touch nothing. Raises CallError and UnreachableError."""
        if problems := self.ineligible():
            raise CallError("\n".join(problems), "Nothing was touched.")
        _, doing = self._steps()
        return [one.change for one in doing]

    def apply(self, say: Say) -> Site:
        """Make everything that is declared be so, and wait for the machine. Raises CallError and UnreachableError."""
        if problems := self.preflight():
            raise CallError("\n".join(problems), "Nothing was touched.")
        self.provision(say)
        hosts = self._hosts()
        self._await(hosts, say)
        return replace(hosts.apply(say), bucket=self.bucket())

    def provision(self, say: Say) -> None:
        """Make everything that is declared be so. Raises CallError and UnreachableError."""
        self._have_key()
        found, doing = self._steps()
        for one in doing:
            if why := refused(one):
                raise CallError(why, "Nothing was touched.")
        bring_about(doing, found, self.drivers, say)

    def site(self) -> Site:
        """Return the machine as it is now. Raises CallError where there is none."""
        return replace(self._hosts().site(), bucket=self.bucket())

    def observe(self) -> list[HostState]:
        """Look at the machine now."""
        try:
            return self._hosts().observe()
        except CallError as error:
            return [HostState(self.machine, "missing", error.message)]

    def destroy(self, say: Say) -> list[Change]:
        """Remove what holds no record, backwards; keep the rest, and write down both. Raises UnreachableError."""
        resources = self.resources()
        found = look(resources, self.drivers)
        if found:
            doomed = [one for one in resources if one.key in found and not one.kept and not found[one.key].adopted]
            disposal.begin(self.deployment.root, self.declaration.name, doomed)
        late = disposal.gone_since(self.deployment.root, found)
        gone, left = take_away(resources, found, self.drivers, say)
        gone = [*late, *gone]
        if gone or left:
            disposal.write(self.deployment.root, self.declaration.name, gone, left, self.notes(gone))
        failed = [change for change in left if change.action == "failed"]
        if failed:
            lines = "\n".join(f"{change.kind} {change.name}: {change.detail}" for change in failed)
            raise UnreachableError(f"could not be removed:\n{lines}", "Run destroy again once the reason is gone.")
        self.identity.unlink(missing_ok=True)
        self.public_key.unlink(missing_ok=True)
        return [*gone, *left]

    # The key

    @property
    def identity(self) -> Path:
        """The key that the installer connects with: 0600, beside the vault key."""
        return keys_folder() / f"{self.declaration.name}.{self.kind}"

    @property
    def public_key(self) -> Path:
        """Its public half, where ssh-keygen puts it: the name has a dot already, which is no suffix to replace."""
        return self.identity.with_name(f"{self.identity.name}.pub")

    def public_line(self) -> str:
        """Return the public half, "" where there is none yet."""
        return self.public_key.read_text(encoding="utf-8").strip() if self.public_key.exists() else ""

    # How

    def _steps(self) -> tuple[dict[str, Found], tuple[Step, ...]]:
        resources = self.resources()
        found = look(resources, self.drivers)
        return found, steps(resources, found)

    def _have_key(self) -> None:
        if self.identity.exists() and self.public_key.exists():
            return
        self.identity.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.identity.unlink(missing_ok=True)
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"hedgerow {self.declaration.name}"]
        subprocess.run([*words, "-f", str(self.identity)], check=True, timeout=30, stdin=subprocess.DEVNULL)

    def _hosts(self) -> OnpremTarget:
        return OnpremTarget((self.host(),), self.deployment.known_hosts)

    def _await(self, hosts: OnpremTarget, say: Say) -> None:
        """Wait until the first boot is over, its restart included. Raises UnreachableError."""
        host = hosts.declared[0]
        self.deployment.known_hosts.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + FIRST_BOOT_SECONDS
        say(f"waiting for the first boot of {host.name}")
        while True:
            try:
                done = ssh.ask(host, hosts.known_hosts, ["test", "-e", MARK]).returncode == 0
                reason = "its first boot is not over"
            except HedgerowError as error:
                done, reason = False, error.message
            if done:
                return
            if time.monotonic() > deadline:
                raise UnreachableError(
                    f"{host.name} was started and cannot be worked with: {reason}",
                    "The machine stays; run the same command again. Its console output is on the cloud's own pages.",
                )
            time.sleep(5)


def refused(one: Step) -> str:
    """Return why a step is not for us to do, "" where it is."""
    if one.action == "replace" and one.resource.holds_data:
        differing = "; ".join(map(str, one.differences))
        return (
            f"{one.resource.kind} {one.resource.name} would have to be replaced, and its data with it ({differing}):"
            " declare what is there, or destroy the deployment first"
        )
    return ""

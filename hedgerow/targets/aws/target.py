"""AWS as a target: plan, apply, site, observe, destroy, over the graph that `design` makes of the declaration."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from hedgerow import disposal, ssh
from hedgerow.declaration import Declaration
from hedgerow.declaration.machines import Aws as AwsModel
from hedgerow.deployment import Deployment, keys_folder
from hedgerow.errors import CallError, HedgerowError, UnreachableError
from hedgerow.hosts import Change, Host, HostState, Site
from hedgerow.targets import Say
from hedgerow.targets.aws import design, facts, permissions
from hedgerow.targets.aws.api import Aws
from hedgerow.targets.aws.documents import Place
from hedgerow.targets.aws.kinds import drivers
from hedgerow.targets.aws.storage import WAITING_DAYS
from hedgerow.targets.aws.wanted import BACKUP_DAYS, Wanted
from hedgerow.targets.cloud import costs
from hedgerow.targets.cloud.doing import bring_about, look, take_away
from hedgerow.targets.cloud.first_boot import MARK
from hedgerow.targets.cloud.graph import Found, Resource, Step, steps
from hedgerow.targets.onprem import OnpremTarget

FIRST_BOOT_SECONDS = 900
PLUGIN = {
    "aws": "the AWS CLI (https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html)",
    "session-manager-plugin": "the Session Manager plugin (https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html)",
}
"""What carries SSH to a machine without a public address."""


class AwsTarget:
    """One deployment in one region of one account."""

    def __init__(self, declaration: Declaration, spec: AwsModel, deployment: Deployment) -> None:
        self.declaration = declaration
        self.spec = spec
        self.deployment = deployment
        self.aws = Aws(spec.region, declaration.name)
        self.drivers = drivers(self.aws)

    # The protocol

    def preflight(self) -> list[str]:
        """Return what would make `apply` fail, one human line each. Raises UnreachableError where AWS does."""
        problems = self._ineligible() + self._missing_programs()
        if problems:
            return problems
        _, doing = self._steps()
        return [refused for one in doing if (refused := _refused(one))]

    def plan(self) -> list[Change]:
        """Return what `apply` would do; touch nothing."""
        if problems := self._ineligible():
            raise CallError("\n".join(problems), "Nothing was touched.")
        _, doing = self._steps()
        return [one.change for one in doing]

    def cost(self) -> str:
        """Return what a month costs, for a person."""
        return costs.estimate(self._resources(), facts.facts()["prices"], facts.billed).in_words(self.spec.region)

    def apply(self, say: Say) -> Site:
        """Make everything that is declared be so, and wait for the machine. Raises CallError and UnreachableError."""
        if problems := self.preflight():
            raise CallError("\n".join(problems), "Nothing was touched.")
        self.provision(say)
        site_ = self._hosts()
        self._await(site_, say)
        return site_.apply(say)

    def provision(self, say: Say) -> None:
        """Make everything that is declared be so."""
        self._have_key()
        found, doing = self._steps()
        for one in doing:
            if refused := _refused(one):
                raise CallError(refused, "Nothing was touched.")
        bring_about(doing, found, self.drivers, say)

    def site(self) -> Site:
        """Return the machine as it is now. Raises CallError where there is none."""
        return self._hosts().site()

    def observe(self) -> list[HostState]:
        """Look at the machine now."""
        try:
            return self._hosts().observe()
        except CallError as error:
            return [HostState(self.spec.name, "missing", error.message)]

    def destroy(self, say: Say) -> list[Change]:
        """Remove what holds no record, backwards; keep the rest, and write down both. Raises UnreachableError."""
        resources = self._resources()
        found = look(resources, self.drivers)
        if found:
            doomed = [one for one in resources if one.key in found and not one.kept and not found[one.key].adopted]
            disposal.begin(self.deployment.root, self.declaration.name, doomed)
        gone, left = take_away(resources, found, self.drivers, say)
        if gone or left:
            notes = []
            if any(change.kind == "key" for change in gone):
                notes.append(
                    f"The key of the disks is gone {WAITING_DAYS} days after this record; until then it can be kept."
                )
            disposal.write(self.deployment.root, self.declaration.name, gone, left, notes)
        failed = [change for change in left if change.action == "failed"]
        if failed:
            lines = "\n".join(f"{change.kind} {change.name}: {change.detail}" for change in failed)
            raise UnreachableError(f"could not be removed:\n{lines}", "Run destroy again once the reason is gone.")
        self.identity.unlink(missing_ok=True)
        self.public_key.unlink(missing_ok=True)
        return [*gone, *left]

    # What only AWS has

    def policy(self) -> str:
        """Return the IAM policy that these credentials need, as JSON."""
        return permissions.text(Place("aws", self.spec.region, "*", self.declaration.name))

    @property
    def identity(self) -> Path:
        """The key that the installer connects with: 0600, beside the vault key."""
        return keys_folder() / f"{self.declaration.name}.aws"

    @property
    def public_key(self) -> Path:
        """Its public half, where ssh-keygen puts it: the name has a dot already, which is no suffix to replace."""
        return self.identity.with_name(f"{self.identity.name}.pub")

    # How

    def _ineligible(self) -> list[str]:
        return facts.problems(self.spec.region, permissions.services())

    def _missing_programs(self) -> list[str]:
        if self.spec.public:
            return []
        return [
            f"{name} is missing here: SSH reaches a machine without a public address by it; install {what}"
            for name, what in PLUGIN.items()
            if shutil.which(name) is None
        ]

    def _place(self) -> Place:
        return Place(self.aws.partition, self.spec.region, self.aws.account, self.declaration.name)

    def _resources(self) -> tuple[Resource, ...]:
        access = self.declaration.access
        public = self.public_key
        wanted = Wanted(
            target=self.spec,
            domain=self.declaration.domain,
            ssh_from=networks(access.ssh_from),
            web_from=networks((*access.interface_from, *access.ingest_from)),
            outbound=tuple(f"{one.port} {one.to}" for one in access.outbound_to),
            keep_days=BACKUP_DAYS,
            ssh_key=public.read_text(encoding="utf-8").strip() if public.exists() else "",
        )
        return design.resources(wanted, self._place())

    def _steps(self) -> tuple[dict[str, Found], tuple[Step, ...]]:
        resources = self._resources()
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
        """Return the machine as a host that SSH reaches. Raises CallError where there is none."""
        wanted = [one for one in self._resources() if one.key in (f"instance/{self.spec.name}", "address/host")]
        found = look(wanted, self.drivers)
        machine, address = found.get(f"instance/{self.spec.name}"), found.get("address/host")
        if machine is None:
            raise CallError(
                f"there is no instance {self.spec.name} of {self.declaration.name} yet", "Install it first."
            )
        private = str(machine.facts["private"])
        host = Host(
            name=self.spec.name,
            address=str(address.facts["address"]) if address else private,
            private_address=private,
            user=facts.image(self.spec.image).user,
            identity_file=self.identity,
            proxy="" if self.spec.public else session(machine.id, self.spec.region),
        )
        return OnpremTarget((host,), self.deployment.known_hosts)

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
                    "The machine stays; run the same command again. Its console output is in the EC2 console.",
                )
            time.sleep(5)


def networks(sources: tuple[str, ...]) -> tuple[str, ...]:
    """Return the networks among sources: `any` is every address, `controller` none that AWS could know."""
    every = ("0.0.0.0/0",) if "any" in sources else ()
    return tuple(dict.fromkeys((*every, *(one for one in sources if one not in ("any", "controller")))))


def session(instance: str, region: str) -> str:
    """Return the command by which OpenSSH reaches an instance through Session Manager."""
    return (
        f"aws ssm start-session --region {region} --target {instance}"
        " --document-name AWS-StartSSHSession --parameters portNumber=%p"
    )


def _refused(one: Step) -> str:
    """Return why a step is not for us to do, "" where it is."""
    if one.action == "replace" and one.resource.holds_data:
        differing = "; ".join(map(str, one.differences))
        return (
            f"{one.resource.kind} {one.resource.name} would have to be replaced, and its data with it ({differing}):"
            " declare what is there, or destroy the deployment first"
        )
    return ""

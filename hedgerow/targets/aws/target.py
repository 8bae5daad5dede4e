"""AWS as a target: what is wanted there, how its machine is reached, and what it costs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from hedgerow import outward
from hedgerow.declaration import Declaration
from hedgerow.declaration.machines import Aws as AwsModel
from hedgerow.deployment import Deployment
from hedgerow.errors import CallError
from hedgerow.hosts import Change, Host
from hedgerow.images import table_of
from hedgerow.targets.aws import design, facts, permissions
from hedgerow.targets.aws.api import Aws
from hedgerow.targets.aws.documents import HOST_FOLDER, Place
from hedgerow.targets.aws.kinds import drivers
from hedgerow.targets.aws.storage import WAITING_DAYS
from hedgerow.targets.aws.wanted import BACKUP_DAYS, Wanted, bucket_name
from hedgerow.targets.cloud import costs
from hedgerow.targets.cloud.doing import look
from hedgerow.targets.cloud.graph import Resource
from hedgerow.targets.cloud.sources import networks
from hedgerow.targets.cloud.target import CloudTarget

PLUGIN = {
    "aws": "the AWS CLI (https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html)",
    "session-manager-plugin": "the Session Manager plugin (https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html)",
}
"""What carries SSH to a machine without a public address."""


class AwsTarget(CloudTarget):
    """One deployment in one region of one account."""

    kind = "aws"

    def __init__(self, declaration: Declaration, spec: AwsModel, deployment: Deployment) -> None:
        super().__init__(declaration, deployment)
        self.spec, self.machine = spec, spec.name
        self.aws = Aws(spec.region, declaration.name)
        self.drivers = drivers(self.aws)

    def resources(self) -> tuple[Resource, ...]:
        """Return what is wanted."""
        access = self.declaration.access
        wanted = Wanted(
            target=self.spec,
            domain=self.declaration.domain,
            ssh_from=networks(access.ssh_from),
            web_from=networks((*access.interface_from, *access.ingest_from)),
            outbound=tuple(f"{port} {place}" for port, place in outward.places(self.declaration)),
            keep_days=BACKUP_DAYS,
            backs_up=self.backs_up,
            ssh_key=self.public_line(),
            event_paths=tuple(
                path for route in table_of(self.declaration).routes if route.access == "ingest" for path in route.paths
            ),
        )
        return design.resources(wanted, self._place())

    def ineligible(self) -> list[str]:
        """Return why health information may not lie there."""
        return facts.problems(self.spec.region, permissions.services())

    def missing_programs(self) -> list[str]:
        """Return what SSH needs here and is not installed."""
        if self.spec.public:
            return []
        return [
            f"{name} is missing here: SSH reaches a machine without a public address by it; install {what}"
            for name, what in PLUGIN.items()
            if shutil.which(name) is None
        ]

    def notes(self, gone: Sequence[Change]) -> list[str]:
        """Say how long what is gone could still be read."""
        if not any(change.kind == "key" for change in gone):
            return []
        return [f"The key of the disks is gone {WAITING_DAYS} days after this record; until then it can be kept."]

    def bucket(self) -> str:
        """Return where the machine may keep its backups: its role allows it this one folder."""
        return f"s3://{bucket_name(self._place(), 'backup')}/{HOST_FOLDER}"

    def _place(self) -> Place:
        return Place(self.aws.partition, self.spec.region, self.aws.account, self.declaration.name)

    def cost(self) -> str:
        """Return what a month costs, for a person."""
        return costs.estimate(self.resources(), facts.facts()["prices"], facts.billed).in_words(self.spec.region)

    def policy(self) -> str:
        """Return the IAM policy that these credentials need, as JSON."""
        return permissions.text(Place("aws", self.spec.region, "*", self.declaration.name))

    def host(self) -> Host:
        """Return the machine as SSH reaches it. Raises CallError where there is none."""
        wanted = [one for one in self.resources() if one.key in (f"instance/{self.spec.name}", "address/host")]
        found = look(wanted, self.drivers)
        machine, address = found.get(f"instance/{self.spec.name}"), found.get("address/host")
        if machine is None:
            raise CallError(
                f"there is no instance {self.spec.name} of {self.declaration.name} yet", "Install it first."
            )
        private = str(machine.facts["private"])
        return Host(
            name=self.spec.name,
            address=str(address.facts["address"]) if address else private,
            private_address=private,
            user=facts.image(self.spec.image).user,
            identity_file=self.identity,
            proxy="" if self.spec.public else session(machine.id, self.spec.region),
        )


def session(instance: str, region: str) -> str:
    """Return the command by which OpenSSH reaches an instance through Session Manager."""
    return (
        f"aws ssm start-session --region {region} --target {instance}"
        " --document-name AWS-StartSSHSession --parameters portNumber=%p"
    )

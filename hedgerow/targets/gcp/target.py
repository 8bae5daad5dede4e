"""Google Cloud as a target: what is wanted there, how its machine is reached, and what it costs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from hedgerow import outward
from hedgerow.declaration import Declaration, Gcp
from hedgerow.deployment import Deployment
from hedgerow.errors import CallError
from hedgerow.hosts import Change, Host
from hedgerow.targets.cloud import costs
from hedgerow.targets.cloud.doing import look
from hedgerow.targets.cloud.graph import Resource
from hedgerow.targets.cloud.sources import networks
from hedgerow.targets.cloud.target import CloudTarget
from hedgerow.targets.gcp import design, facts, permissions
from hedgerow.targets.gcp.api import Google
from hedgerow.targets.gcp.design_machine import USER
from hedgerow.targets.gcp.kinds import drivers
from hedgerow.targets.gcp.place import Place, Wanted

GCLOUD = "the gcloud command (https://cloud.google.com/sdk/docs/install)"


class GcpTarget(CloudTarget):
    """One deployment in one zone of one project."""

    kind = "gcp"

    def __init__(self, declaration: Declaration, spec: Gcp, deployment: Deployment) -> None:
        super().__init__(declaration, deployment)
        self.spec, self.machine = spec, spec.name
        self.place = Place(spec.project, spec.region, facts.zone(spec.region, spec.zone), declaration.name)
        self.google = Google(spec.project, spec.region, self.place.zone)
        self.drivers = drivers(self.google, declaration.name)

    def resources(self) -> tuple[Resource, ...]:
        """Return what is wanted."""
        access = self.declaration.access
        outbound: dict[int, tuple[str, ...]] = {}
        for port, place in outward.places(self.declaration):
            if reached := networks((*outbound.get(port, ()), place)):
                outbound[port] = reached
        wanted = Wanted(
            target=self.spec,
            domain=self.declaration.domain,
            ssh_from=networks(access.ssh_from),
            web_from=networks((*access.interface_from, *access.ingest_from)),
            outbound=outbound,
            ssh_key=self.public_line(),
            backs_up=self.backs_up,
        )
        return design.resources(wanted, self.place)

    def ineligible(self) -> list[str]:
        """Return why health information may not lie there."""
        return facts.problems(self.place.zone, permissions.services())

    def missing_programs(self) -> list[str]:
        """Return what SSH needs here and is not installed."""
        if self.spec.public or shutil.which("gcloud"):
            return []
        return [f"gcloud is missing here: SSH reaches a machine without a public address by it; install {GCLOUD}"]

    def notes(self, gone: Sequence[Change]) -> list[str]:
        """Say how long what is gone could still be read."""
        if not any(change.kind == "key" for change in gone):
            return []
        return [
            "The key of the disks and of their snapshots ends 30 days after this record; until then it can be restored."
        ]

    def bucket(self) -> str:
        """Return where the machine may keep its backups."""
        return f"gs://{self.place.bucket('backup')}"

    def cost(self) -> str:
        """Return what a month costs, for a person."""
        return costs.estimate(self.resources(), facts.facts()["prices"], facts.billed).in_words(self.spec.region)

    def policy(self) -> str:
        """Return the role that these credentials need, as gcloud reads it."""
        return permissions.text(self.declaration.name, frozenset({"audit"} if self.spec.audit else ()))

    def host(self) -> Host:
        """Return the machine as SSH reaches it. Raises CallError where there is none."""
        key = f"instance/{self.spec.name}"
        machine = look([one for one in self.resources() if one.key == key], self.drivers).get(key)
        if machine is None:
            raise CallError(f"there is no machine {self.spec.name} of {self.declaration.name} yet", "Install it first.")
        private = str(machine.facts["private"])
        return Host(
            name=self.spec.name,
            address=str(machine.facts["address"]) or private,
            private_address=private,
            user=USER,
            identity_file=self.identity,
            proxy="" if self.spec.public else tunnel(machine.id, self.place),
        )


def tunnel(name: str, place: Place) -> str:
    """Return the command by which OpenSSH reaches a machine through Identity-Aware Proxy."""
    return (
        f"gcloud compute start-iap-tunnel {name} %p --listen-on-stdin --verbosity=warning"
        f" --project={place.project} --zone={place.zone}"
    )

"""What an install would change: the target's own plan, and the playbooks in check mode from a scratch folder."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from hedgerow import callers, converge, forwarding, render
from hedgerow.credentials import drafted
from hedgerow.deployment import write_file
from hedgerow.flow import Reporter, Work, brought, demand_forward, rendered, secrets, vouching
from hedgerow.hosts import Change, Site
from hedgerow.image_lock import ImageLock
from hedgerow.images import stack_for
from hedgerow.secrets import Vault, complete
from hedgerow.targets.cloud.costs import Priced
from hedgerow.variables import server_names

MACHINES = ("host", "instance")


@dataclass(frozen=True)
class Planned:
    """What an install would do to the machines, and on them; `hosts` is None while there are none to ask.

    `cost` is what a month of it costs, where that is known.
    """

    changes: tuple[Change, ...]
    hosts: converge.Converged | None
    cost: str = ""


def plan(work: Work, report: Reporter) -> Planned:
    """Find out everything an install would change, and touch nothing: no host, and not the deployment folder."""
    demand_forward(work)
    with report.phase("plan", "plan: the machines"):
        changes = tuple(work.target.plan())
        cost = work.target.cost() if isinstance(work.target, Priced) else ""
    if any(change.kind in MACHINES and change.action != "keep" for change in changes):
        return Planned(changes, None, cost)
    with report.phase("plan", "plan: the hosts, in check mode"):
        return Planned(changes, _check(work, work.target.site(), report), cost)


def _check(work: Work, site: Site, report: Reporter) -> converge.Converged:
    with tempfile.TemporaryDirectory(prefix="hedgerow-plan-") as folder:
        scratch = Path(folder)
        stack = stack_for(work.declaration, site, ImageLock.read(work.deployment.root), report.say)
        clients = [*stack.stores.clients, *forwarding.clients(work.declaration, site)]
        owners = [*server_names(work.declaration, site, stack), *clients]
        vault, key_file = _vault(work, scratch)
        known = vault.read(work.deployment.secrets) if work.deployment.key_file.exists() else {}
        places = [*(f"tls.{owner}" for owner in owners), *(f"brought.{name}" for name in brought(work.declaration))]
        wanted = {**secrets(work.declaration, stack), **dict.fromkeys(places, "password")}
        credentials = replace(
            drafted(work.deployment, owners),
            callers=callers.drafted(work.deployment, work.declaration),
            collector=vouching(work.declaration),
        )
        render.write(scratch, rendered(work, site, credentials, stack, key_file=key_file))
        vault.write(scratch / render.KEPT, complete(known, wanted))
        return converge.run(scratch, report.say, arguments=("--check", "--diff")).raise_for_failure()


def _vault(work: Work, scratch: Path) -> tuple[Vault, Path]:
    """Return the deployment's vault, or one with a throw-away key where there is none yet."""
    if work.deployment.key_file.exists():
        return Vault.of(work.deployment), work.deployment.key_file
    key_file = scratch / ".key"
    write_file(key_file, "throw-away\n", 0o600)
    return Vault(key_file), key_file

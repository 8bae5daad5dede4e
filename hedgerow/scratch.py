"""A scratch deployment: the same declaration and secrets on hosts that live as long as one drill or rehearsal.

It is called NAME-drill. A note in its folder says whose it is, written before anything is made and removed last: by it
the next one finds what a killed one left behind, and nobody else's deployment of that name is ever taken for one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from hedgerow import flow, image_lock, repository
from hedgerow.declaration import Declaration
from hedgerow.declaration.destinations import OWN
from hedgerow.deployment import Deployment, write_file
from hedgerow.errors import CallError, UnreachableError
from hedgerow.hosts import Site
from hedgerow.targets import wiping
from hedgerow.targets.lab import LabTarget

SUFFIX = "-drill"
NOTE = ".scratch"
BEGUN = "site.yml"
"""What the folder has from the first converge on: before it nothing of ours is on the host."""
DROPPED = {
    "mail": "mail: nothing is sent from there",
    "alerts": "alerts: nobody is told of hosts that end in an hour",
    "log_collector": "log_collector: no second host is told of as if it were the first",
    "encrypted_volume": "encrypted_volume: its disk goes with it",
    "object_storage": "object_storage: the deployment's own buckets are left alone",
}
"""Keys that a scratch deployment does not have, with why: it holds the same data, and must not act on anybody."""
CLOSED = "access.outbound_to: what the data would send out stays there"
BACKUPS = "/srv/backup"
ASIDE = "backup: a folder of the host's own; where the deployment's lie, nothing is written"
OWN_MACHINE = "target: the one machine of backup.drill_on; access.ssh_from: this controller"
PRIVATE = "tls: a certificate of the private CA"
ELSEWISE = "Or restore onto a machine of yours (docs/backup.md, Onto a new host), and end it with the data it has then."


def possible(declaration: Declaration) -> bool:
    """Whether there are hosts that can be ended with all their data: made for it, or declared to be wiped."""
    return declaration.target.kind == "lab" or bool(declaration.backup and declaration.backup.drill_on)


def demand_possible(work: flow.Work, what: str, instead: str = ELSEWISE) -> None:
    """Raise CallError where this target gives no host that can be thrown away. `what` wants one."""
    kind = work.declaration.target.kind
    if not possible(work.declaration):
        raise CallError(
            f"{what} needs a host that is ended after it, and target.kind: {kind} makes none",
            f"Declare an empty machine as backup.drill_on: it is wiped after each (docs/backup.md). {instead}",
        )


def text(declared: str, name: str) -> tuple[str, tuple[str, ...]]:
    """Return the declaration of a scratch deployment, and what is otherwise in it. Pure."""
    tree: dict[str, Any] = yaml.safe_load(declared)
    changed = [why for key, why in DROPPED.items() if tree.pop(key, None) is not None]
    access = tree.get("access") or {}
    if access.pop("outbound_to", None):
        changed.append(CLOSED)
    tls = tree.pop("tls", None) or {}
    if tls.get("certificate", "private") != "private":
        changed.append(PRIVATE)
    backup = tree.get("backup")
    if isinstance(backup, dict) and "://" in str(backup.get("to", "")):
        tree["backup"] = {key: value for key, value in backup.items() if key not in OWN} | {"to": BACKUPS}
        changed.append(ASIDE)
    if isinstance(backup, dict) and (machine := tree["backup"].pop("drill_on", None)):
        tree["target"] = {"kind": "onprem", "hosts": [machine]}
        # Who may come from where was said of another machine's network.
        access.pop("ssh_from", None)
        changed.append(OWN_MACHINE)
    # Its own network, chosen anew: the deployment's is in use.
    tree["target"].pop("subnet", None)
    if not access:
        tree.pop("access", None)
    # By default it is the deployment's name, and the data have that already.
    posthog = tree.get("posthog") or {}
    tree["posthog"] = {"organization": tree["name"], **posthog}
    return yaml.safe_dump({**tree, "name": name}, sort_keys=False, allow_unicode=True), tuple(changed)


@contextmanager
def deployment(work: flow.Work, declared: Path, report: flow.Reporter) -> Iterator[tuple[flow.Work, tuple[str, ...]]]:
    """Have a scratch deployment of a declaration, and end it however what is done with it ends. Raises CallError."""
    scratch = sweep(work, report)
    try:
        yield _make(work, declared, scratch)
    finally:
        remove(scratch, report)


def sweep(work: flow.Work, report: flow.Reporter) -> Deployment:
    """End what a killed drill or rehearsal left behind, and return where the next one goes. Raises CallError."""
    scratch = Deployment(f"{work.deployment.name}{SUFFIX}")
    demand_ours(scratch, work.deployment)
    remove(scratch, report)
    return scratch


def demand_ours(scratch: Deployment, owner: Deployment) -> None:
    """Raise CallError where a deployment of that name is there, and neither a drill nor a rehearsal made it."""
    note = scratch.root / NOTE
    if note.exists() and note.read_text(encoding="utf-8").strip() == owner.name:
        return
    if scratch.exists() or LabTarget(scratch.name).place.folder.exists() or scratch.key_file.exists():
        raise CallError(
            f"there is a deployment {scratch.name} that no drill and no rehearsal has made",
            f"Those of {owner.name} need that name: destroy it, or give it another.",
        )


def _make(work: flow.Work, declaration: Path, scratch: Deployment) -> tuple[flow.Work, tuple[str, ...]]:
    """Write the scratch deployment's folder, with the deployment's secrets, authority and locked images."""
    write_file(scratch.root / NOTE, f"{work.deployment.name}\n")
    declared, changed = text(declaration.read_text(encoding="utf-8-sig"), scratch.name)
    # Files are relative to where the operator's own declaration lies.
    ours = declaration.resolve() == work.deployment.declaration.resolve()
    folder = work.deployment.source_folder() if ours else declaration.resolve().parent
    write_file(scratch.root / ".source", f"{folder}\n")
    write_file(scratch.declaration, declared)
    scratch.secrets.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(work.deployment.secrets, scratch.secrets)
    shutil.copytree(work.deployment.authority, scratch.authority, dirs_exist_ok=True)
    if (locked := work.deployment.root / image_lock.NAME).exists():
        shutil.copy2(locked, scratch.root / locked.name)
    for key, copy in ((work.deployment.key_file, scratch.key_file), (work.deployment.caller_file, scratch.caller_file)):
        if key.exists():
            write_file(copy, key.read_bytes(), 0o600)
    return flow.open_work(scratch.name, judge_files=False), changed


def remove(scratch: Deployment, report: flow.Reporter) -> None:
    """End the hosts and forget the folder and its keys, whatever of them is there; the note goes last."""
    if not (scratch.root / NOTE).exists():
        return
    with report.phase("destroy", "the scratch host ends"):
        if (scratch.root / BEGUN).exists():
            _wiped(flow.open_work(scratch.name, judge_files=False), report)
        LabTarget(scratch.name).destroy(report.say)
    for path in (scratch.key_file, scratch.caller_file, scratch.signing_key):
        path.unlink(missing_ok=True)
    for path in scratch.root.iterdir():
        if path.name != NOTE:
            _gone(path)
    (scratch.root / NOTE).unlink()
    scratch.root.rmdir()
    scratch.root.with_name(f".{scratch.name}.lock").unlink(missing_ok=True)


def demand_free(work: flow.Work, site: Site) -> None:
    """Raise CallError where a machine that is declared to be wiped holds anything of a deployment."""
    for host in site.hosts if work.declaration.target.kind == "onprem" else ():
        if whose := wiping.bears(host, work.deployment.known_hosts):
            raise CallError(
                f"{host.name} ({host.address}) is not empty: {whose}; it would be wiped after this",
                "Nothing was touched. Name another machine as backup.drill_on, or `destroy NAME --wipe` what is there.",
            )


def _wiped(work: flow.Work, report: flow.Reporter) -> None:
    """End the data on a machine that stays. Raises UnreachableError; then the next drill or rehearsal does it first."""
    if work.declaration.target.kind != "onprem":
        return
    for host in work.target.site().hosts:
        report.say(f"{host.name}: services stopped, data written over")
        known = work.deployment.known_hosts
        wiped = wiping.ask(host, known, work.deployment.name, repository.folder(work.declaration))
        if not wiped.whole:
            raise UnreachableError(
                f"{host.name} is not wiped: {'; '.join(wiped.notes)}", "The next drill ends it first."
            )


def _gone(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

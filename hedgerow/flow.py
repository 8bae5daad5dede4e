"""The one straight flow: declaration -> hosts -> rendered deployment -> converge.

Each verb walks a part of this line; no step reaches back up. What comes after, verify and evidence, is in `proof`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from hedgerow import (
    backups,
    callers,
    carrying,
    converge,
    drills,
    forwarding,
    health,
    mail,
    preflight,
    prerequisites,
    releases,
    render,
    repository,
    volumes,
)
from hedgerow.catalog import whole_catalog
from hedgerow.credentials import Credentials, Provided, ensure
from hedgerow.declaration import Around, Declaration, load, parse
from hedgerow.declaration import read_file as read_small_file
from hedgerow.deployment import Deployment, known_deployments, now
from hedgerow.errors import CallError, UnreachableError
from hedgerow.hosts import Host, Site
from hedgerow.image_lock import ImageLock
from hedgerow.images import demand_locked, release_of, stack_for, table_of
from hedgerow.object_storage import SECRET
from hedgerow.stack import Stack
from hedgerow.targets import Target
from hedgerow.targets.lab import LabSpec, LabTarget
from hedgerow.targets.onprem import OnpremTarget
from hedgerow.variables import server_names, variables

Say = Callable[[str], None]
INSTALLATION_SECONDS = 300
"""How long an install waits for a package installation that is running already, perhaps a killed run's own."""


class Reporter(Protocol):
    """Who is told of progress: a console, or a test."""

    seconds: dict[str, float]

    def phase(self, name: str, title: str) -> AbstractContextManager[None]:
        """Time a phase."""
        ...

    def say(self, text: str) -> None:
        """Hear what is being done now."""
        ...

    def note(self, text: str) -> None:
        """Hear a line that stays."""
        ...


@dataclass(frozen=True)
class Work:
    """A deployment that a verb works on: its folder, its declaration and where its hosts come from."""

    deployment: Deployment
    declaration: Declaration
    target: Target
    source: Path


def open_work(reference: str, *, judge_files: bool = True) -> Work:
    """Return the work that a deployment's name or the path of a deploy.yml stands for.

    `judge_files` also asks what time alone can make wrong, the files the declaration names and its dates (a certificate
    or a waiver that has ended must not keep anybody from `verify` or `destroy`). Raises CallError when there is no such
    thing, DeclarationError when it is wrong.
    """
    path = Path(reference)
    catalog = whole_catalog()
    if "/" in reference or path.suffix in (".yml", ".yaml") or path.is_file():
        path = path / "deploy.yml" if path.is_dir() else path
        return _work(load(path, catalog.ids, never_waived=catalog.never_waived, judge=judge_files), path)
    deployment = Deployment(reference)
    if not deployment.exists():
        known = ", ".join(known_deployments()) or "none yet"
        raise CallError(f'no deployment is called "{reference}" (there are: {known})', "Name one, or a deploy.yml.")
    # Files are relative to where the operator's own declaration lies, not to our copy of it.
    text = deployment.declaration.read_text(encoding="utf-8-sig")
    return work_of(text, deployment.declaration, deployment.source_folder(), judge_files=judge_files)


def work_of(text: str, copy: Path, base: Path, *, judge_files: bool = False) -> Work:
    """Return the work that the text of a declaration stands for, whose paths start from `base` and not from its copy.

    Raises DeclarationError.
    """
    catalog = whole_catalog()
    around = Around(
        base=base,
        known_controls=catalog.ids,
        now=datetime.now(UTC) if judge_files else None,
        read_file=read_small_file if judge_files else None,
        never_waived=catalog.never_waived,
    )
    return _work(parse(text, str(copy), around=around), copy)


def _work(declaration: Declaration, source: Path) -> Work:
    deployment = Deployment(declaration.name)
    return Work(deployment, declaration, target_of(declaration, deployment), source)


def target_of(declaration: Declaration, deployment: Deployment) -> Target:
    """Return the target that the declaration names."""
    spec = declaration.target
    if spec.kind == "lab":
        wanted = tuple((host.name, host.roles) for host in spec.hosts)
        return LabTarget(declaration.name, LabSpec(wanted, spec.subnet, machine=spec.machine))
    if spec.kind == "aws":
        from hedgerow.targets.aws.target import AwsTarget  # noqa: PLC0415 - boto3, which no other target needs

        return AwsTarget(declaration, spec, deployment)
    if spec.kind == "gcp":
        from hedgerow.targets.gcp.target import GcpTarget  # noqa: PLC0415 - google-auth, which no other target needs

        return GcpTarget(declaration, spec, deployment)
    hosts = tuple(
        Host(
            name=host.name,
            address=host.address,
            private_address=host.private_address or "",
            user=host.user,
            port=host.port,
            roles=host.roles,
            identity_file=host.identity_file,
            host_key=host.host_key or "",
        )
        for host in spec.hosts
    )
    return OnpremTarget(hosts, deployment.known_hosts)


def prepare_controller(work: Work, *, yes: bool, say: Say) -> None:
    """Have the system packages that this target needs. Raises CallError."""
    prerequisites.provide(prerequisites.of_target(work.declaration.target), yes=yes, say=say)


def provision(work: Work, report: Reporter) -> Site:
    """Have the hosts, and ask each whether an install can succeed.

    Raises CallError when one cannot (nothing was changed on any), or when an image is not known by digest, and
    UnreachableError.
    """
    demand_forward(work)
    demand_locked(work.declaration, ImageLock.read(work.deployment.root))
    with report.phase("provision", "provision: the hosts"):
        problems = work.target.preflight()
        if problems:
            error = UnreachableError if work.declaration.target.kind == "onprem" else CallError
            raise error("\n".join(problems), "Nothing was touched.")
        site = work.target.apply(report.say)
        report.say("asking the hosts what would stand in the way")
        lines = obstacles(work, site, report.say, patience=INSTALLATION_SECONDS)
        if lines:
            raise CallError("\n".join(lines), "Nothing was changed on the hosts.")
        work.deployment.adopt(work.source)
        pins = "".join(render.known_hosts_line(host) for host in site.hosts)
        render.write_changed(work.deployment.known_hosts, pins)
    return site


def backwards(work: Work) -> str:
    """Return why the declared release cannot be installed after the one that was begun here, "" where it can."""
    begun, declared = work.deployment.release, release_of(work.declaration)
    if not (work.declaration.posthog.deploy and begun and releases.age(declared) < releases.age(begun)):
        return ""
    if declared == work.deployment.returned:
        return ""  # what was begun after it was taken back
    return (
        f"release {declared} is older than {begun}, which was begun to be installed here: the databases may be "
        f"migrated, and upstream's migrations do not go back; declare release: {begun} or a newer one"
    )


def demand_forward(work: Work) -> None:
    """Raise CallError where an older release is declared than was begun here."""
    if told := backwards(work):
        raise CallError(told, "Nothing was touched.")


def obstacles(work: Work, site: Site, say: Say = lambda _: None, *, patience: float = 0) -> list[str]:
    """Return everything on the hosts that would make an install fail. Raises UnreachableError."""
    table, declared, volume = table_of(work.declaration), work.declaration, work.declaration.encrypted_volume
    lab, device = declared.target.kind == "lab", volume.device if volume else ""
    hosts = {
        host: preflight.needs(host, table, declared.capacity, declared.backup, lab=lab, volume=device)
        for host in site.hosts
    }
    found = preflight.check(hosts, work.deployment.known_hosts, say, patience=patience)
    lines = [f"{name}: {line}" for name, problems in found.items() for line in problems]
    return lines + preflight.locked_out(work.declaration, site)


def secrets(declaration: Declaration, stack: Stack) -> dict[str, str]:
    """Return every secret that the vault has to hold for a deployment, place -> kind."""
    return {**stack.wanted, **backups.secrets(declaration), **volumes.secrets(declaration)}


def prepare(work: Work, site: Site, report: Reporter) -> tuple[Credentials, Stack]:
    """Have the images, the secrets and the certificates."""
    with report.phase("provision", "prepare: images, secrets, certificates"):
        stack = stack_for(work.declaration, site, ImageLock.read(work.deployment.root), report.say)
        report.say("secrets and certificates")
        servers = server_names(work.declaration, site, stack)
        made = ensure(
            work.deployment,
            secrets(work.declaration, stack),
            servers,
            provided(work.declaration),
            [*stack.stores.clients, *forwarding.clients(work.declaration, site)],
            brought(work.declaration),
        )
        asked = callers.ensure(work.deployment, work.declaration)
        return replace(made, callers=asked, collector=vouching(work.declaration)), stack


def vouching(declaration: Declaration) -> str:
    """Return the authority that vouches for the declared log collector, PEM; "" where none is declared."""
    return declaration.log_collector.ca_file.read_text(encoding="ascii") if declaration.log_collector else ""


def provided(declaration: Declaration) -> Provided | None:
    """Return the certificate the operator brought, if one."""
    tls = declaration.tls
    if tls.certificate_file is None or tls.key_file is None:
        return None
    return Provided(tls.certificate_file, tls.key_file)


def brought(declaration: Declaration) -> dict[str, Path]:
    """Return the secrets that the operator brought: their names in the vault, and the files that hold them."""
    files = {mail.PASSWORD: declaration.mail.password_file} if declaration.mail else {}
    if declaration.alerts.webhook_file:
        files[health.WEBHOOK] = declaration.alerts.webhook_file
    storage = declaration.object_storage
    return files | repository.brought(declaration) | ({SECRET: storage.secret_key_file} if storage else {})


def rendered(work: Work, site: Site, credentials: Credentials, stack: Stack, *, key_file: Path) -> dict[str, str]:
    """Return the deployment's rendered files."""
    values = {**variables(work.declaration, site, credentials, stack)}
    if work.declaration.backup and (told := drills.remembered(work.deployment.evidence)):
        values["group_vars/data", "backup"] = {**values["group_vars/data", "backup"], "backup_drilled": told}
    files = render.files(
        work.declaration.name,
        site,
        values,
        key_file=str(key_file),
    )
    return files | ({carrying.FILE: carrying.sealed(work.deployment, key_file)} if work.declaration.backup else {})


def converge_hosts(
    work: Work, site: Site, credentials: Credentials, stack: Stack, report: Reporter, arguments: Sequence[str] = ()
) -> converge.Converged:
    """Render the deployment folder and run its site.yml. Raises UnreachableError and ConvergeError."""
    log = work.deployment.logs / f"converge-{now().replace(':', '')}.log"
    with report.phase("converge", "converge: the hosts"):
        if work.declaration.posthog.deploy:
            work.deployment.begin(release_of(work.declaration))
        report.say("rendering the deployment folder")
        key_file = work.deployment.key_file
        render.write(work.deployment.root, rendered(work, site, credentials, stack, key_file=key_file))
        return converge.run(work.deployment.root, report.say, arguments=arguments, log=log).raise_for_failure()


def leftover(name: str) -> Work | None:
    """Return the lab that was left behind without its declaration, or None where there is none."""
    if "/" in name or Deployment(name).exists() or not LabTarget(name).place.folder.exists():
        return None
    declaration = parse(f"name: {name}\ndomain: {name}.example\ntarget: {{kind: lab}}\n")
    return Work(Deployment(name), declaration, LabTarget(name), Path("deploy.yml"))

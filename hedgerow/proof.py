"""After converge: verify the hosts, try the service as its users would, and write the evidence."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from hedgerow import __version__, baseline, callers, history, inventory, network, smoke, ssh
from hedgerow.catalog import Catalog, catalog_of
from hedgerow.cloud_sheet import CloudSheet, cloud_sheets
from hedgerow.declaration import Declaration
from hedgerow.declared import declared_facts
from hedgerow.deployment import Deployment, now, operator, write_file
from hedgerow.drift import Drift
from hedgerow.errors import CallError
from hedgerow.evidence import Accepted, Attested, Evidence, Past, json_
from hedgerow.evidence.formats import ALWAYS, FORMATS
from hedgerow.findings import Finding
from hedgerow.flow import Reporter, Work
from hedgerow.hosts import Host, Site
from hedgerow.image_lock import ImageLock
from hedgerow.images import table_of
from hedgerow.network import Network
from hedgerow.profiles import profile
from hedgerow.secrets import Vault
from hedgerow.sheet import Sheet
from hedgerow.smoke import steady
from hedgerow.variables import edge_host
from hedgerow.verify import verify

OWNER_SEED = "/var/lib/hedgerow/posthog/second-factor"


@dataclass(frozen=True)
class Verified:
    """The findings of one run, how long it took in seconds, and what stock was taken beside it.

    `packages` is what is installed on the hosts that answered; `network` what was seen to talk to what, None where
    nobody looked.
    """

    findings: tuple[Finding, ...]
    started: str
    seconds: float
    drift: Drift | None = None
    past: tuple[Past, ...] = ()
    packages: inventory.Installed = field(default_factory=dict)
    network: Network | None = None


def verify_hosts(
    work: Work, site: Site, report: Reporter, controls: Sequence[str] = (), lock: ImageLock | None = None
) -> Verified:
    """Ask every host about every control, or about `controls`. Raises CallError for a control that does not exist.

    `lock` says what is to run where that is not what the deployment's own image lock says now.
    """
    catalog = catalog_of(work.declaration.target.kind)
    unknown = sorted(set(controls) - set(catalog.ids))
    if unknown:
        raise CallError(f"there is no control {', '.join(unknown)}", "The controls are in checks/controls.yml.")
    started, begun = now(), time.monotonic()
    with report.phase("verify", "verify: the controls"):
        waivers = work.declaration.waivers
        outside = profile(work.declaration.profile).outside(catalog)
        asked: tuple[Sheet | CloudSheet, ...] = (*sheets(work, site, lock), *clouds(work, site))
        findings = verify(asked, waivers, report.say, catalog=catalog, controls=tuple(controls), outside=outside)
    seconds = round(time.monotonic() - begun, 2)
    return Verified(findings, started, seconds)


def verify_whole(work: Work, site: Site, report: Reporter) -> Verified:
    """Ask every host about every control, and take stock: what talks to what, and what is installed."""
    tiers = {row.name: row.tier for row in table_of(work.declaration).services}
    # Before any check tries a way of its own: the map is of what the services use.
    looked = network.ask(site, work.deployment.known_hosts, tiers)
    verified = verify_hosts(work, site, report)
    packages = inventory.ask(site.hosts, work.deployment.known_hosts)
    baseline.keep(work.deployment, site.hosts)
    return replace(verified, packages=packages, network=looked)


def compared(work: Work, verified: Verified) -> Verified:
    """Return the run held against those before it: what is different, and since when each status is what it is."""
    found = history.compare(
        work.deployment.evidence, catalog_of(work.declaration.target.kind), verified.findings, verified.started
    )
    return replace(verified, findings=found.findings, drift=found.drift, past=found.past)


def sheets(work: Work, site: Site, lock: ImageLock | None = None) -> tuple[Sheet, ...]:
    """Return what a verify run is told about each host."""
    lock = lock or ImageLock.read(work.deployment.root)
    return tuple(
        Sheet(
            host,
            work.deployment.known_hosts,
            declared_facts(work.declaration, site, host, lock),
            site.controller,
            site.stranger,
        )
        for host in site.hosts
    )


def clouds(work: Work, site: Site) -> tuple[CloudSheet, ...]:
    """Return what a verify run is told about the account that the target lives in; empty where it lives in none."""
    return cloud_sheets(work.declaration, site.controller)


def ca_file(deployment: Deployment, declaration: Declaration) -> Path | None:
    """Return the certificate a client must trust, or None where it knows the edge's authority by itself."""
    return deployment.authority / "ca.crt" if declaration.tls.certificate == "private" else declaration.tls.directory_ca


def smoke_sheet(work: Work, site: Site, browser_sdk: Path | None = None) -> smoke.SmokeSheet:
    """Return what a smoke test of this deployment is told."""
    declaration = work.declaration
    vault = Vault.of(work.deployment).read(work.deployment.secrets)
    edge, app = edge_host(site), next(host for host in site.hosts if "app" in host.roles)
    return smoke.SmokeSheet(
        domain=declaration.domain,
        address=edge.address,
        ca_file=ca_file(work.deployment, declaration),
        certificate=callers.certificate_file(work.deployment, declaration),
        email=declaration.owner,
        password=vault["posthog"]["owner_password"],
        stranger=site.stranger,
        ingest_restricted="any" not in declaration.access.ingest_from,
        services=tuple(row.name for row in table_of(declaration).services),
        browser_sdk=browser_sdk,
        second_factor=partial(owner_seed, work.deployment, app),
    )


def smoke_test(
    work: Work,
    site: Site,
    report: Reporter,
    browser_sdk: Path | None = None,
    meanwhile: smoke.Steady | None = None,
) -> smoke.SmokeReport:
    """Send events through the edge and read them back; with the browser SDK's script, from a browser as well.

    What was sent `meanwhile` is looked for too.
    """
    with report.phase("smoke", "smoke: events in, events out"):
        return smoke.run(smoke_sheet(work, site, browser_sdk), report.say, meanwhile)


@contextmanager
def events_sent(work: Work, site: Site, report: Reporter) -> Iterator[smoke.Steady | None]:
    """Have events come in by the edge for as long as this lasts; None where PostHog is not deployed.

    A smoke test that is given them ends the sending, and looks for each; where it does not come to that, nobody looks.
    """
    if not work.declaration.posthog.deploy:
        yield None
        return
    report.say("events begin to come in")
    meanwhile = steady.begin(smoke_sheet(work, site))
    if meanwhile.why:
        report.note(f"No events are sent meanwhile: {meanwhile.why}")
    try:
        yield meanwhile
    finally:
        meanwhile.stop()


def owner_seed(deployment: Deployment, host: Host) -> str:
    """Fetch the seed of the owner's second factor, which never leaves the host but for this; "" where there is none."""
    answer = ssh.ask(host, deployment.known_hosts, ("sudo", "-n", "cat", OWNER_SEED))
    return answer.stdout.strip() if answer.returncode == 0 else ""


def write_evidence(
    work: Work,
    site: Site,
    verified: Verified,
    smoked: smoke.SmokeReport | None = None,
    also: Sequence[str] = (),
) -> Path:
    """Write one verify run as documents and return their folder; `latest` names it too. Old runs are thinned out.

    `also` names formats beyond those that are always written.
    """
    evidence = Evidence(
        deployment=work.declaration.name,
        domain=work.declaration.domain,
        target=work.declaration.target.kind,
        stand_in=site.stand_ins,
        started=verified.started,
        seconds=verified.seconds,
        version=__version__,
        operator=operator(),
        hosts=(
            *((host.name, host.private_address, host.roles) for host in site.hosts),
            *(cloud.place for cloud in clouds(work, site)),
        ),
        findings=verified.findings,
        profile=work.declaration.profile,
        catalog=catalog_of(work.declaration.target.kind),
        smoke=tuple(smoked.as_json()["steps"]) if smoked else (),
        agreements=tuple(
            (agreement.party, agreement.signed.isoformat(), agreement.reference)
            for agreement in work.declaration.agreements
        ),
        attestations=tuple(
            Attested(word.paragraph, word.name, word.date.isoformat(), word.reference)
            for word in work.declaration.attestations
        ),
        waivers=tuple(
            Accepted(waiver.control, waiver.reason, waiver.who, waiver.until.isoformat())
            for waiver in work.declaration.waivers
        ),
        drift=verified.drift,
        past=verified.past,
        network=verified.network,
    )
    folder = _new_folder(work.deployment.evidence, verified.started)
    for name in dict.fromkeys((*ALWAYS, *also)):
        write_file(folder / FORMATS[name].file, FORMATS[name].render(evidence))
    write_file(folder / inventory.FILE, inventory.text(verified.packages))
    latest = work.deployment.evidence / "latest"
    beside = latest.with_name(".latest")
    beside.unlink(missing_ok=True)
    beside.symlink_to(folder.name)
    beside.replace(latest)
    history.thin(work.deployment.evidence, evidence.catalog)
    return folder


def last_evidence(deployment: Deployment, catalog: Catalog) -> Evidence:
    """Return the newest evidence. Raises CallError where nothing was verified yet."""
    path = deployment.evidence / "latest" / "findings.json"
    if not path.exists():
        raise CallError(f"{deployment.name} has no evidence yet", "Run verify first.")
    return json_.read(path.read_text(encoding="utf-8"), catalog)


def _new_folder(parent: Path, started: str) -> Path:
    base = started.replace(":", "")
    for number in range(1, 1000):
        folder = parent / (base if number == 1 else f"{base}-{number}")
        if not folder.exists():
            folder.mkdir(parents=True)
            return folder
    raise CallError(f"{parent} is full of runs of the same second", "Try again.")

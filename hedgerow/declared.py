"""What a check of one host may know of the declaration: facts, never what a role made of them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from hedgerow import callers, health, repository, scratch
from hedgerow.declaration import Declaration, resolve_sources
from hedgerow.deployment import Deployment
from hedgerow.firewall_values import at_the_edge, ssh_sources
from hedgerow.hops import hops
from hedgerow.hosts import Host, Site
from hedgerow.image_lock import ImageLock
from hedgerow.images import digests, table_of
from hedgerow.preflight import load_of
from hedgerow.profiles import profile
from hedgerow.services import NO_SERVICES, load_table
from hedgerow.sheet import UNREADABLE, Collector, Declared, Peer, Relay
from hedgerow.stores import Stores
from hedgerow.variables import edge_host

NO_LOCK = ImageLock({})


def declared_facts(declaration: Declaration, site: Site, host: Host, lock: ImageLock = NO_LOCK) -> Declared:
    """Return the facts of the declaration that checks of one host may know."""
    access, load = declaration.access, load_of(declaration.capacity)
    table = table_of(declaration)
    stores = Stores(table, site.hosts)
    running = [row for row in table.services if row.tier in host.roles]
    log = Stores(table if any(row.name == "kafka" for row in running) else NO_SERVICES, site.hosts)
    known = digests(declaration, lock)
    people = [person for person in access.administrators if not person.is_over(datetime.now(UTC).date())]
    return Declared(
        name=declaration.name,
        domain=declaration.domain,
        stand_in=site.stand_ins,
        posthog=declaration.posthog.deploy,
        administrators=tuple(person.name for person in people),
        expiries=tuple((person.name, person.expires.isoformat()) for person in people if person.expires),
        sudo_scopes=tuple((person.name, person.sudo) for person in people if person.sudo is not None),
        sealed=tuple((person.name, int(person.sealed.timestamp())) for person in people if person.sealed),
        installer_account=host.user,
        ssh_port=host.port,
        ssh_from=ssh_sources(declaration, site.controller),
        interface_from=at_the_edge(declaration, resolve_sources(access.interface_from, site.controller)),
        ingest_from=at_the_edge(declaration, resolve_sources(access.ingest_from, site.controller)),
        hosts=tuple(Peer(host.name, host.private_address, host.roles) for host in site.hosts),
        app_subnets=tuple(load_table(declaration.release).subnets("app")),
        services=tuple(row.name for row in running),
        all_services=tuple(row.name for row in table.services),
        hops=tuple(
            (hop.service, hop.store, hop.address, hop.port)
            for hop in hops(table, site.hosts)
            if hop.service in {row.name for row in running}
        ),
        doors=tuple((row.name, row.door, tuple(stores.admitted(row))) for row in running if row.door),
        sidecars=tuple(row.name for row in running if stores.has_sidecar(row)),
        from_images=tuple(
            (row.name, each.path, each.target, known.get(each.image, ""), "unversioned" if each.unversioned else "")
            for row in running
            for each in row.from_images
        ),
        ca_file=str(Deployment(declaration.name).authority / "ca.crt"),
        caller_file=str(callers.certificate_file(Deployment(declaration.name), declaration) or ""),
        tls=declaration.tls.certificate,
        edge_ca=str(declaration.tls.directory_ca or ""),
        own_kernel=all(host.machine != "container" for host in site.hosts),
        baseline_file=str(Deployment(declaration.name).baseline(host.name)),
        volume=declaration.encrypted_volume.unlock if declaration.encrypted_volume else "",
        own_units=tuple(own.unit for own in declaration.own_units),
        outbound_to=tuple(f"{allowed.to}:{allowed.port}" for allowed in access.outbound_to),
        outbound_services=tuple(row.name for row in running if row.outbound),
        public_sharing=access.public_sharing,
        discard_ip=declaration.privacy.discard_ip,
        mask_inputs=declaration.privacy.mask_inputs,
        mask_text=declaration.privacy.mask_text,
        drop_properties=declaration.privacy.drop_properties,
        keep_days=declaration.capacity.keep_days,
        backup=repository.place(declaration, site.bucket),
        drill_days=declaration.backup.drill_days if declaration.backup and scratch.possible(declaration) else 0,
        mail=_relay(declaration),
        alerts=tuple(health.channels(declaration)),
        collector=_collector(declaration),
        second_factor=access.second_factor == "fido2",
        password_length=profile(declaration.profile).password_length,
        reserve=load.reserve,
        edge_address=edge_host(site).address,
        eventlog_rights=tuple(log.eventlog_rights),
        eventlog_topics=tuple(
            (each["name"], each["hours"] * 3_600_000, each["bytes"]) for each in log.eventlog_topics(load)
        ),
        signature_key=_sum_of(declaration.posthog.registry.signature_key),
    )


def _relay(declaration: Declaration) -> Relay | None:
    mail = declaration.mail
    return Relay(mail.host, mail.address, mail.port, mail.encryption) if mail else None


def _collector(declaration: Declaration) -> Collector | None:
    collector = declaration.log_collector
    if collector is None:
        return None
    return Collector(collector.host, collector.address, collector.port, _sum_of(collector.ca_file))


def _sum_of(key: Path | None) -> str:
    """Return the SHA-256 of a key file's text, "" where none is declared, UNREADABLE where it is not there."""
    try:
        return hashlib.sha256(key.read_bytes().strip()).hexdigest() if key else ""
    except OSError:
        return UNREADABLE

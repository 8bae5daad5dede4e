"""Every value the roles use, computed from the declaration and the hosts: the logic that YAML does not hold.

Pure. Roles never read each other's variables; what one role needs of another (a port opened, a package installed) is
gathered here. Secrets appear only as the names of places in the vault.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hedgerow import acme, backups, forwarding, health, mail, outward, posthog_settings, repository, volumes
from hedgerow.budget import GIB, Load
from hedgerow.credentials import Credentials
from hedgerow.declaration import Declaration, resolve_sources
from hedgerow.declaration.gcp import CLIENT_HEADER
from hedgerow.firewall_values import firewall, relays
from hedgerow.hosts import Host, Site
from hedgerow.packages import further, own_kernel, packages
from hedgerow.profiles import PASSWORD_LENGTH, profile
from hedgerow.stack import Stack
from hedgerow.stores import EDGE, EVENTLOG_ADMIN, door
from hedgerow.unit_values import INSIDE

Values = dict[str, Any]
Variables = Mapping[tuple[str, str], Values]
"""(folder below the deployment, role) -> the role's variables."""

LEAST_CONNECTIONS, SPARE_CONNECTIONS = 200, 20
"""Sessions of PostgreSQL: the roles' limits together with room for people and backups; as many as ever at least."""
START, STAND_INS_START = 1200, 300
"""Seconds until all services are well. The first start migrates the databases: "5-10 minutes" (bin/deploy-hobby)."""
CLOSED_PATHS = ("/signup", "/api/signup", "/organization/billing", "/admin", "/metrics", "/_metrics")
SHARING_PATHS = ("/shared", "/shared_dashboard", "/embedded", "/exporter", "/render_query", "/external_surveys")
RECORDED = {
    "edge": ("/etc/nginx",),
    "app": ("/etc/containers", "/var/lib/containers/storage/volumes"),
    "data": (
        *("/etc/containers", "/var/lib/containers/storage/volumes"),
        *("/etc/postgresql", "/var/lib/postgresql", "/etc/valkey", "/var/lib/valkey"),
    ),
}
"""Folders of the stack, by tier: who changes something there by hand is recorded."""
RELAY_HEADERS = {"gcp": CLIENT_HEADER}
"""In which header a load balancer that reads requests says whose they are, where X-Forwarded-For ends with itself."""
LOGIN_USERS, ADMINISTRATORS = "hedgerow-ssh", "hedgerow-admins"


def server_names(declaration: Declaration, site: Site, stack: Stack) -> dict[str, tuple[str, ...]]:
    """Return the names each service's certificate from the private CA carries.

    The edge can also be reached by address, so that a deployment can be tried before its DNS name exists.
    """
    edge = edge_host(site)
    addresses = tuple(dict.fromkeys((edge.private_address, *_ip(edge.address))))
    inside = {name: name for name in ("postgres", "valkey", *stack.stores.names)}
    inside |= {door(name): name for name in stack.stores.doors}
    return {"edge": (declaration.domain, *addresses)} | {owner: (f"{name}.{INSIDE}",) for owner, name in inside.items()}


def edge_host(site: Site) -> Host:
    """Return the host that faces the users; the declaration holds just one."""
    return next(host for host in site.hosts if "edge" in host.roles)


def data_host(site: Site) -> Host:
    """Return the host of the stores; the declaration holds just one."""
    return next(host for host in site.hosts if "data" in host.roles)


def variables(declaration: Declaration, site: Site, credentials: Credentials, stack: Stack) -> Variables:
    """Return every role's variables for every host and group."""
    found: dict[tuple[str, str], Values] = {
        ("group_vars/all", "ca"): {"ca_certificate": credentials.authority, "ca_name": declaration.name},
        ("group_vars/all", "ssh"): {"ssh_groups": [LOGIN_USERS]} | _second_factor(declaration),
        ("group_vars/all", "pam"): {"pam_su_group": ADMINISTRATORS} | _passwords(declaration),
        ("group_vars/all", "updates"): {
            "updates_reboot": declaration.updates.reboot,
            "updates_reboot_time": declaration.updates.reboot_time,
        },
        ("group_vars/data", "postgres"): _postgres(site, credentials, stack) | backups.archiving(declaration),
        ("group_vars/data", "backup"): backups.values(declaration, stack.table, site.bucket),
        ("group_vars/data", "volume"): volumes.values(declaration),
        ("group_vars/data", "valkey"): _valkey(site, credentials, stack),
        ("group_vars/edge", "edge"): _edge(declaration, site, credentials, stack),
    }
    for host in site.hosts:
        found[f"host_vars/{host.name}", "base"] = _base(declaration, site, host)
        found[f"host_vars/{host.name}", "ssh"] = {"ssh_port": host.port}
        found[f"host_vars/{host.name}", "apparmor"] = {"apparmor_enabled": own_kernel(host)}
        found[f"host_vars/{host.name}", "audit"] = _audit(host)
        if "data" in host.roles:
            found[f"host_vars/{host.name}", "clickhouse"] = _clickhouse(declaration, host, credentials, stack)
            found[f"host_vars/{host.name}", "eventlog"] = _eventlog(declaration, host, credentials, stack)
            found[f"host_vars/{host.name}", "objectstore"] = _objectstore(host, credentials, stack)
        if {"app", "data"} & {*host.roles}:
            found[f"host_vars/{host.name}", "sidecars"] = _sidecars(host, credentials, stack)
            found[f"host_vars/{host.name}", "containers"] = _containers(host, stack)
            found[f"host_vars/{host.name}", "posthog"] = _posthog(declaration, site, host, stack)
        found[f"host_vars/{host.name}", "forwarding"] = _forwarding(declaration, host, credentials)
        found[f"host_vars/{host.name}", "acme"] = acme.values(declaration, host)
        found[f"host_vars/{host.name}", "health"] = health.values(declaration, host, stack.table)
        found[f"host_vars/{host.name}", "firewall"] = firewall(declaration, site, host, stack)
    return found


def _base(declaration: Declaration, site: Site, host: Host) -> Values:
    return {
        "base_hostname": host.name,
        "base_administrators": [
            {
                "name": person.name,
                "ssh_keys": list(person.ssh_keys),
                "expires": person.expires.isoformat() if person.expires else "",
                "sudo": "all" if person.sudo is None else "commands" if person.sudo else "none",
                "commands": list(person.sudo or ()),
            }
            for person in declaration.access.administrators
        ],
        "base_installer_account": host.user,
        "base_packages": packages(host, further(declaration, host)),
        "base_time_servers": list(declaration.time_servers),
        "base_own_kernel": own_kernel(host),
        "base_own_units": [own.unit for own in declaration.own_units],
        "base_hosts": {peer.name: peer.private_address for peer in site.hosts}
        | (repository.names(declaration) if "data" in host.roles else {}),
    } | _packages_by(declaration)


def _packages_by(declaration: Declaration) -> Values:
    """Return the proxy that packages come by, where one is declared."""
    proxy = outward.packages_by(declaration)
    return {} if proxy is None else {"base_packages_proxy": f"{proxy[1]}:{proxy[0]}"}


def _forwarding(declaration: Declaration, host: Host, credentials: Credentials) -> Values:
    certificate = credentials.certificates.get(forwarding.owner(host), "")
    return forwarding.values(declaration, host, credentials.collector, certificate)


def _second_factor(declaration: Declaration) -> Values:
    return {"ssh_second_factor": True} if declaration.access.second_factor == "fido2" else {}


def _passwords(declaration: Declaration) -> Values:
    """Return what a profile asks of passwords, where that is not what the role does anyhow."""
    length = profile(declaration.profile).password_length
    return {"pam_least_length": length} if length != PASSWORD_LENGTH else {}


def _audit(host: Host) -> Values:
    folders = [folder for tier in host.roles for folder in RECORDED[tier]]
    return {"audit_enabled": own_kernel(host), "audit_stack": list(dict.fromkeys(folders))}


def _postgres(site: Site, credentials: Credentials, stack: Stack) -> Values:
    limits = [role["connection_limit"] for role in stack.stores.postgres_roles]
    return {
        "postgres_listen": ["127.0.0.1", data_host(site).private_address],
        "postgres_clients": stack.stores.data_clients(data_host(site)),
        "postgres_max_connections": max(LEAST_CONNECTIONS, sum(limits) + SPARE_CONNECTIONS),
        "postgres_databases": stack.stores.postgres_databases,
        "postgres_roles": stack.stores.postgres_roles,
        "postgres_certificate": credentials.certificates["postgres"],
        "postgres_key": "{{ vault.tls.postgres }}",
    }


def _valkey(site: Site, credentials: Credentials, stack: Stack) -> Values:
    return {
        "valkey_listen": ["127.0.0.1", data_host(site).private_address],
        "valkey_users": stack.stores.valkey_users,
        "valkey_certificate": credentials.certificates["valkey"],
        "valkey_key": "{{ vault.tls.valkey }}",
    }


def _clickhouse(declaration: Declaration, host: Host, credentials: Credentials, stack: Stack) -> Values:
    if not stack.runs(host, "clickhouse"):
        return {"clickhouse_enabled": False}
    return {
        "clickhouse_enabled": True,
        "clickhouse_owner": stack.stores.clickhouse_owner,
        "clickhouse_users": stack.stores.clickhouse_users(host),
        "clickhouse_certificate": credentials.certificates["clickhouse"],
        "clickhouse_key": "{{ vault.tls.clickhouse }}",
        "clickhouse_cluster_secret": "{{ vault.posthog.clickhouse_cluster_secret }}",
    } | backups.asking_clickhouse(declaration, stack.table)


def _eventlog(declaration: Declaration, host: Host, credentials: Credentials, stack: Stack) -> Values:
    if not stack.runs(host, "kafka"):
        return {"eventlog_enabled": False}
    capacity = declaration.capacity
    load = Load(capacity.events_a_day, capacity.keep_days, capacity.reserve_gib * GIB)
    return {
        "eventlog_enabled": True,
        "eventlog_address": stack.address("kafka"),
        "eventlog_clients": stack.stores.eventlog_clients,
        "eventlog_topics": stack.stores.eventlog_topics(load),
        "eventlog_admin_name": EVENTLOG_ADMIN,
        "eventlog_admin_certificate": credentials.certificates[EVENTLOG_ADMIN],
        "eventlog_admin_key": f"{{{{ vault.tls.{EVENTLOG_ADMIN} }}}}",
        "eventlog_certificate": credentials.certificates["kafka"],
        "eventlog_key": "{{ vault.tls.kafka }}",
    }


def _objectstore(host: Host, credentials: Credentials, stack: Stack) -> Values:
    if not stack.runs(host, "seaweedfs"):
        return {"objectstore_enabled": False}
    return {
        "objectstore_enabled": True,
        "objectstore_identities": stack.stores.object_identities,
        "objectstore_certificate": credentials.certificates["seaweedfs"],
        "objectstore_key": "{{ vault.tls.seaweedfs }}",
    }


def _sidecars(host: Host, credentials: Credentials, stack: Stack) -> Values:
    """Two certificates: one that the side-car shows where it asks, one by which its door is known."""
    services: list[Values] = []
    keys: Values = {}
    for row in stack.sidecars(host):
        name, account = row["name"], stack.account(row["name"])
        owners = {name: account} if row["ways"] else {}
        owners |= {f"{name}.door": door(name)} if row["door"] else {}
        certificates = [{"name": file, "content": credentials.certificates[owner]} for file, owner in owners.items()]
        services.append({**row, "certificates": certificates})
        keys |= {file: f"{{{{ vault.tls.{owner} }}}}" for file, owner in owners.items()}
    return {"sidecars_services": services, "sidecars_keys": keys}


def _containers(host: Host, stack: Stack) -> Values:
    return {
        "containers_networks": stack.containers_networks(host),
        "containers_repositories": stack.containers_repositories(host),
        "containers_registries": stack.containers_registries(host),
        "containers_registry_ca": stack.registry.ca,
        "containers_signature_key": stack.registry.signature_key,
        "containers_limits": host.machine != "container",
    }


def _posthog(declaration: Declaration, site: Site, host: Host, stack: Stack) -> Values:
    services = stack.posthog_services(host)
    first = stack.posthog_bootstrap(declaration.owner, declaration.organization) if "app" in host.roles else {}
    return {
        "posthog_services": mail.told(services, declaration.mail),
        # What it holds and lets others do is stated to it once it is well (role eventlog), and before they start.
        "posthog_first": ["kafka"] if stack.runs(host, "kafka") else [],
        "posthog_secrets": stack.posthog_secrets(host) | mail.secrets(services, declaration.mail),
        "posthog_images": stack.posthog_images(host),
        "posthog_from_images": stack.posthog_from_images(host),
        "posthog_stand_in": site.stand_ins,
        "posthog_start_seconds": round((STAND_INS_START if site.stand_ins else START) * host.patience),
        "posthog_patience": host.patience,
        "posthog_bootstrap": first,
        "posthog_settings": posthog_settings.values(declaration) if first else {},
    }


def _edge(declaration: Declaration, site: Site, credentials: Credentials, stack: Stack) -> Values:
    closed = CLOSED_PATHS if declaration.access.public_sharing else (*CLOSED_PATHS, *SHARING_PATHS)
    browsers = stack.edge_browsers(edge_host(site))
    private = declaration.tls.certificate == "private"
    return {
        "edge_domain": declaration.domain,
        "edge_aliases": list(server_names(declaration, site, stack)["edge"][1:]) if private else [],
        "edge_certificate": credentials.certificates["edge"],
        "edge_key": "{{ vault.tls.edge }}",
        "edge_acme": acme.asked(declaration),
        "edge_interface_authorities": credentials.callers,
        "edge_interface_from": [*resolve_sources(declaration.access.interface_from, site.controller), *browsers],
        "edge_browsers": browsers,
        "edge_ingest_from": list(resolve_sources(declaration.access.ingest_from, site.controller)),
        "edge_relays": list(relays(declaration)),
        "edge_relay_header": RELAY_HEADERS.get(declaration.target.kind, "X-Forwarded-For"),
        "edge_services": stack.edge_services(edge_host(site)),
        "edge_client_certificate": credentials.certificates.get(EDGE, ""),
        "edge_client_key": f"{{{{ vault.tls.{EDGE} }}}}" if EDGE in credentials.certificates else "",
        "edge_routes": stack.edge_routes,
        "edge_default": stack.table.default,
        "edge_closed_paths": list(closed),
        "edge_refuse_below": declaration.capacity.reserve_gib * GIB,
    }


def _ip(address: str) -> tuple[str, ...]:
    return (address,) if address.replace(".", "").isdigit() else ()

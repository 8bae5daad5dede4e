"""What the table of services means for one deployment: the values that the roles receive.

Pure: the table, the hosts and the image lock in; plain values out, in the shape of the roles' argument
specifications. Secrets appear only as references into the vault, `{{ vault.postgres.posthog_web }}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from hedgerow.hosts import Host
from hedgerow.oci.references import reference
from hedgerow.services import Health, Service, Table

INSIDE = "hedgerow.internal"
NETWORK = "hedgerow-app"
CA_FILE = "/etc/hedgerow/ca.crt"
POSTGRES_PORT = 5432
VALKEY_PORT = 6379
DATA_PORTS = [POSTGRES_PORT, VALKEY_PORT]
EDGE_USER = "www-data"
STAND_INS = "/hedgerow-stand-in/"

Row = dict[str, Any]
Rows = list[Row]


def is_stand_in(reference: str) -> bool:
    """Tell whether an image is one that the lab builds, also in a mirror: copies keep the whole path."""
    return STAND_INS in reference


@dataclass(frozen=True)
class LockedImage:
    """An image as the lock has it: `reference` ends in @sha256:..., `archive` is a file on the controller or ""."""

    reference: str
    archive: str = ""


@dataclass(frozen=True)
class RegistryTrust:
    """What hosts trust of a mirror registry, as PEM: the CA of its certificate, the key of its signatures; or ""."""

    ca: str = ""
    signature_key: str = ""


@dataclass(frozen=True)
class Needs:
    """What the firewall of one host must let through for the stack, as rows of the `firewall` role."""

    inbound: Rows
    outbound: Rows
    forward: Rows


@dataclass(frozen=True)
class Stack:
    """The services of one deployment. `images` is keyed as in the table; `subnet` is the containers' own network."""

    table: Table
    domain: str
    hosts: tuple[Host, ...]
    images: Mapping[str, LockedImage]
    stand_in: bool
    registry: RegistryTrust = RegistryTrust()
    subnet: str = "10.90.0.0/24"

    @property
    def services(self) -> list[str]:
        """Names of the services, in the order of the table; none where PostHog is not deployed."""
        return [row.name for row in self.table.services]

    @property
    def wanted(self) -> dict[str, str]:
        """Every secret that the stack needs: its place in the vault -> its kind."""
        places = {f"posthog.{key}": kind for key, kind in self.table.secrets.items()}
        for row in self.table.services:
            if row.postgres:
                places[f"postgres.{_account(row)}"] = "password"
            if row.valkey:
                places[f"valkey.{_account(row)}"] = "password"
        return places

    @property
    def containers_networks(self) -> Rows:
        """The one bridge of the application tier. No name service: a container is told the names that it may know."""
        network = {"name": NETWORK, "subnet": self.subnet, "gateway": str(self._gateway), "dns": False}
        return [network] if self.table.services else []

    @property
    def containers_repositories(self) -> list[str]:
        """Repositories that images may be pulled from; none where every image comes from an archive."""
        pulled = (locked.reference for locked in self.images.values() if not locked.archive)
        return sorted({reference.partition("@")[0] for reference in pulled})

    @property
    def containers_registries(self) -> list[str]:
        """Registries that images are pulled from, as HOST or HOST:PORT."""
        return sorted({name.partition("/")[0] for name in self.containers_repositories})

    @property
    def registry_ports(self) -> list[int]:
        """TCP ports of the registries that images are pulled from."""
        pulled = (locked.reference for locked in self.images.values() if not locked.archive)
        return sorted({reference(each).port for each in pulled})

    @property
    def posthog_services(self) -> Rows:
        """One finished row for each service."""
        return [self._service(row) for row in self.table.services]

    @property
    def posthog_images(self) -> Rows:
        """Each image once, as the lock has it."""
        locked = {each.reference: each.archive for each in self.images.values()}
        return [{"reference": reference, "archive": archive} for reference, archive in locked.items()]

    @property
    def posthog_secrets(self) -> dict[str, str]:
        """Podman secret -> what it holds, as a reference into the vault."""
        return {
            _secret(row, variable): _source(row, source)
            for row in self.table.services
            for variable, source in row.secrets.items()
        }

    def posthog_bootstrap(self, email: str, organization: str) -> Row:
        """Return what the first sign-up needs: it is what closes sign-up for everybody else."""
        if not self.table.services:
            return {}
        row = self.table.service(self.table.default)
        return {
            "url": f"http://{self._address(row)}:{row.port}",
            "domain": self.domain,
            "email": email,
            "password": _vault("posthog.owner_password"),
            "organization": organization,
        }

    @property
    def edge_routes(self) -> Rows:
        """Routes of the edge, first match first."""
        return [
            {
                "name": route.name,
                "paths": list(route.paths),
                "upstream": self._upstream(route.to),
                "access": route.access,
                "strip_prefix": route.strip_prefix,
                "streaming": route.streaming,
            }
            for route in self.table.routes
        ]

    @property
    def edge_default_upstream(self) -> str:
        """Where the edge sends what no route takes; "" where no service runs."""
        if not self.table.services:
            return ""
        return self._upstream(self.table.default)

    @property
    def postgres_databases(self) -> Rows:
        """Databases, each with the one role that owns what is in it."""
        owners = {
            row.postgres.database: _account(row) for row in self.table.services if row.postgres and row.postgres.owner
        }
        return [{"name": name, "owner": owner} for name, owner in owners.items()]

    @property
    def postgres_roles(self) -> Rows:
        """One role for each service that has a database."""
        return [
            {
                "name": _account(row),
                "password": _vault(f"postgres.{_account(row)}"),
                "databases": [row.postgres.database],
                "connection_limit": row.postgres.connections,
            }
            for row in self.table.services
            if row.postgres
        ]

    @property
    def valkey_users(self) -> Rows:
        """One user for each service that uses Valkey."""
        return [
            {
                "name": _account(row),
                "password": _vault(f"valkey.{_account(row)}"),
                "rules": " ".join((*row.valkey.keys, *row.valkey.channels, *row.valkey.rules)),
            }
            for row in self.table.services
            if row.valkey
        ]

    def data_clients(self, host: Host) -> list[str]:
        """Return the networks from which a data host sees the services come.

        From its own containers the address is theirs. From another host it is that host's: what a host forwards for
        its containers leaves under the host's address.
        """
        own = [self.subnet] if "app" in host.roles else []
        others = [f"{each.private_address}/32" for each in self._playing("app") if each.name != host.name]
        return own + others

    def needs(self, host: Host) -> Needs:
        """Return what the host's firewall must let through for the stack."""
        if not self.table.services:
            return Needs([], [], [])
        inbound: Rows = []
        outbound: Rows = []
        forward: Rows = []
        if "data" in host.roles:
            why = "services reach PostgreSQL and Valkey"
            for client in self.data_clients(host):
                interface = NETWORK if client == self.subnet else ""
                inbound.append({**_tcp(DATA_PORTS, why), "from": [client], "interface": interface})
        if "app" in host.roles:
            ports = sorted({row.port for row in self.table.services if row.port})
            why = "the edge passes requests to the services; the first sign-up is made directly"
            outbound.append({**_tcp(ports, why), "to": [self.subnet], "users": ["root", EDGE_USER]})
            others = [f"{each.private_address}/32" for each in self._playing("data") if each.name != host.name]
            if others:
                why = "services reach PostgreSQL and Valkey on the data host, and nothing else"
                forward.append({**_tcp(DATA_PORTS, why), "from": [self.subnet], "to": others})
        return Needs(inbound, outbound, forward)

    @property
    def _gateway(self) -> IPv4Address:
        return IPv4Network(self.subnet)[1]

    def _playing(self, role: str) -> list[Host]:
        return [host for host in self.hosts if role in host.roles]

    def _address(self, row: Service) -> str:
        return str(IPv4Network(self.subnet)[row.ip_offset])

    def _upstream(self, name: str) -> str:
        row = self.table.service(name)
        return f"{self._address(row)}:{row.port}"

    def _service(self, row: Service) -> Row:
        data = self._playing("data")[0].private_address
        listening = {f"{each.name}.{INSIDE}": self._address(each) for each in self.table.services if each.port}
        values = {
            "domain": self.domain,
            "subnet": self.subnet,
            "gateway": str(self._gateway),
            "ca_file": CA_FILE,
        }
        environment = self.table.environment(row)
        return {
            "name": row.name,
            "image": self.images[row.image].reference,
            "command": list(row.stand_in_command if self.stand_in else row.command),
            "user": self.table.images[row.image].user,
            "environment": {name: value.format(**values) for name, value in sorted(environment.items())},
            "secrets": {name: _secret(row, name) for name in sorted(row.secrets)},
            "network": NETWORK,
            "ip": self._address(row),
            "port": row.port,
            "hosts": {f"postgres.{INSIDE}": data, f"valkey.{INSIDE}": data} | listening,
            "health": {
                "command": list(self._question(row, row.health)),
                "interval": row.health.interval,
                "retries": row.health.retries,
                "start": row.health.start,
            },
            # A container of the lab has no cgroup controllers to enforce it with; Podman refuses to start then.
            "memory": "" if any(host.machine == "container" for host in self.hosts) else row.memory,
            "tmpfs": list(row.tmpfs),
            "mounts": [CA_FILE],
            "after": list(row.after),
        }

    def _question(self, row: Service, health: Health) -> tuple[str, ...]:
        """Return the command that asks a service, inside its container, whether it is well."""
        if health.command:
            return health.stand_in_command if self.stand_in and health.stand_in_command else health.command
        # As the edge would ask: Django refuses other host names and redirects what did not come over TLS.
        headers = {"Host": self.domain, "X-Forwarded-Proto": "https"}
        url = f"http://127.0.0.1:{row.port}{health.path}"
        program = f"import urllib.request as u; u.urlopen(u.Request('{url}', headers={headers}), timeout=4)"
        return ("python3", "-c", program)


def _tcp(ports: list[int], why: str) -> Row:
    return {"proto": "tcp", "ports": ports, "why": why}


def _account(row: Service) -> str:
    """Name of a service's own role in PostgreSQL and user in Valkey."""
    return f"posthog_{row.name.replace('-', '_')}"


def _secret(row: Service, variable: str) -> str:
    return f"hedgerow-{row.name}-{variable.lower().replace('_', '-')}"


def _vault(place: str) -> str:
    return f"{{{{ vault.{place} }}}}"


def _source(row: Service, source: str) -> str:
    account = _account(row)
    if source == "postgres" and row.postgres:
        # libpq: verify-full is the one mode that also checks the name in the certificate.
        return (
            f"postgres://{account}:{_vault(f'postgres.{account}')}@postgres.{INSIDE}:{POSTGRES_PORT}"
            f"/{row.postgres.database}?sslmode=verify-full&sslrootcert={CA_FILE}"
        )
    if source == "valkey":
        return (
            f"rediss://{account}:{_vault(f'valkey.{account}')}@valkey.{INSIDE}:{VALKEY_PORT}"
            f"/0?ssl_cert_reqs=required&ssl_check_hostname=true&ssl_ca_certs={CA_FILE}"
        )
    return _vault(source)

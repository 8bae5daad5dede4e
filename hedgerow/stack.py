"""What the table of services means for one deployment: the values that the roles receive.

Pure: the table, the hosts and the image lock in; plain values out, in the shape of the roles' argument
specifications. Secrets appear only as references into the vault, `{{ vault.postgres.posthog_web }}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from hedgerow import borrowing, hops
from hedgerow.budget import LEAST_VOLUMES
from hedgerow.hosts import Host
from hedgerow.object_storage import SECRET, OutsideStore
from hedgerow.oci.references import reference
from hedgerow.service_rows import Service, Table
from hedgerow.service_rules import placeholders
from hedgerow.stores import Stores, account, vault
from hedgerow.unit_values import CA_FILE, INSIDE, question, secret, source_of

LOOPBACK = "127.0.0.1"
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
class Stack:
    """The services of one deployment. `images` is keyed as in the table."""

    table: Table
    domain: str
    hosts: tuple[Host, ...]
    images: Mapping[str, LockedImage]
    stand_in: bool
    registry: RegistryTrust = RegistryTrust()
    object_volumes: int = LEAST_VOLUMES
    outside: OutsideStore | None = None

    @property
    def services(self) -> list[str]:
        """Names of the services, in the order of the table; none where PostHog is not deployed."""
        return [row.name for row in self.table.services]

    @property
    def stores(self) -> Stores:
        """Who the services are in the stores."""
        return Stores(self.table, self.hosts)

    @property
    def wanted(self) -> dict[str, str]:
        """Every secret that the stack needs: its place in the vault -> its kind."""
        places = {f"posthog.{key}": kind for key, kind in self.table.secrets.items()}
        for row in self.table.services:
            if row.postgres:
                places[f"postgres.{account(row)}"] = "password"
            if row.valkey:
                places[f"valkey.{account(row)}"] = "password"
            if row.clickhouse:
                places[f"clickhouse.{account(row)}"] = "password"
            if row.objects and self.outside is None:
                places[f"objects.{account(row)}"] = "password"
        return places

    def containers_networks(self, host: Host) -> Rows:
        """The bridges of the services that run on a host. No name service: a container is told what it may know."""
        used = dict.fromkeys(row.network for row in self._running(host))
        return [
            {
                "name": hops.bridge(name),
                "subnet": self.table.networks[name],
                "gateway": self._gateway(name),
                "dns": False,
            }
            for name in used
        ]

    def containers_repositories(self, host: Host) -> list[str]:
        """Repositories that images may be pulled from; none where every image comes from an archive."""
        pulled = (locked.reference for locked in self._images(host) if not locked.archive)
        return sorted({reference.partition("@")[0] for reference in pulled})

    def containers_registries(self, host: Host) -> list[str]:
        """Registries that images are pulled from, as HOST or HOST:PORT."""
        return sorted({name.partition("/")[0] for name in self.containers_repositories(host)})

    def registry_ports(self, host: Host) -> list[int]:
        """TCP ports of the registries that images are pulled from."""
        pulled = (locked.reference for locked in self._images(host) if not locked.archive)
        return sorted({reference(each).port for each in pulled})

    def posthog_services(self, host: Host) -> Rows:
        """One finished row for each service that runs on a host."""
        return [self._service(row) for row in self._running(host)]

    def posthog_images(self, host: Host) -> Rows:
        """Each image that a host runs or takes files out of, once, as the lock has it."""
        locked = {each.reference: each.archive for each in self._images(host)}
        return [{"reference": reference, "archive": archive} for reference, archive in locked.items()]

    def posthog_from_images(self, host: Host) -> Rows:
        """What the services of a host need out of images, each once."""
        return borrowing.files(self._running(host), self._references)

    def posthog_secrets(self, host: Host) -> dict[str, str]:
        """Podman secret -> what it holds, as a reference into the vault."""
        return {
            secret(row, variable): vault(f"brought.{SECRET}")
            if self.outside and source == "objects"
            else source_of(row, source)
            for row in self._running(host)
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
            "password": vault("posthog.owner_password"),
            "organization": organization,
        }

    @property
    def edge_routes(self) -> Rows:
        """Routes of the edge, first match first."""
        return [
            {
                "name": route.name,
                "paths": list(route.paths),
                "to": route.to,
                "access": route.access,
                "strip_prefix": route.strip_prefix,
                "streaming": route.streaming,
                "stores": route.stores,
            }
            for route in self.table.routes
        ]

    def edge_services(self, host: Host) -> Rows:
        """Services that the edge on a host passes requests on to: where each is, and the name that it must prove."""
        return [
            {
                "name": row.name,
                "address": hops.edge_address(self.table, self.hosts, host, row),
                "port": port,
                "certificate": f"{row.name}.{INSIDE}",
            }
            for row in (hops.asked_by_edge(self.table) if self.table.services else [])
            for port in hops.entries(row)[:1]
        ]

    def sidecars(self, host: Host) -> Rows:
        """Side-cars of a host: of each its service, where it leads, and the door by which it lets others in."""
        found = []
        for row in self._running(host):
            ways = [
                {"store": hop.store, "name": f"{hop.store}.{INSIDE}", "address": hop.address, "port": hop.port}
                for hop in hops.hops(self.table, self.hosts)
                if hop.service == row.name and self.stores.by_sidecar(row, hop.store)
            ]
            door = (
                {"address": self._address(row), "port": row.door, "to": row.port, "open_to": self.stores.admitted(row)}
                if row.door
                else {}
            )
            if ways or door:
                found.append({"name": row.name, "ways": ways, "door": door})
        return found

    def account(self, name: str) -> str:
        """Return what a service is called in the stores it uses."""
        return account(self.table.service(name))

    def address(self, name: str) -> str:
        """Return where a service's container is."""
        return self._address(self.table.service(name))

    def runs(self, host: Host, name: str) -> bool:
        """Tell whether a host runs a service."""
        return name in {row.name for row in self._running(host)}

    def needs(self, host: Host) -> hops.Needs:
        """Return what the host's firewall must let through for the stack."""
        return hops.needs(self.table, self.hosts, host)

    def outside_ways(self, host: Host) -> Rows:
        """What the firewall lets through to the operator's own object storage: from the services that use it alone."""
        users = [f"{self._address(row)}/32" for row in self._running(host) if row.objects]
        if self.outside is None or not users:
            return []
        why = "services reach the declared object storage"
        rule = {"proto": "tcp", "ports": [self.outside.port], "from": users, "to": [f"{self.outside.address}/32"]}
        return [{**rule, "passed_on": False, "why": why}]

    def edge_browsers(self, host: Host) -> list[str]:
        """From where the edge sees the services come that open its pages, as networks."""
        return hops.browsers(self.table, self.hosts, host)

    @property
    def ways_out(self) -> list[str]:
        """The services that may connect to what the declaration names outside, as networks."""
        return hops.ways_out(self.table)

    def _running(self, host: Host) -> list[Service]:
        return [row for row in self.table.services if row.tier in host.roles]

    def _images(self, host: Host) -> list[LockedImage]:
        return [self.images[key] for key in dict.fromkeys(borrowing.images(self._running(host)))]

    @property
    def _references(self) -> dict[str, str]:
        return {key: image.reference for key, image in self.images.items()}

    def _gateway(self, network: str) -> str:
        return str(IPv4Network(self.table.networks[network])[1])

    def _playing(self, role: str) -> list[Host]:
        return hops.playing(self.hosts, role)

    def _address(self, row: Service) -> str:
        return hops.address(self.table, row)

    def _source(self, row: Service, source: str) -> str:
        outside = self.outside and source == "objects"
        return vault(f"brought.{SECRET}") if outside else source_of(row, source)

    def _entrance(self, name: str) -> str:
        """Return what stands for a service in the settings of one that uses it."""
        return f"{name}.{INSIDE}:{hops.entries(self.table.service(name))[0]}"

    def _known_as(self, store: str) -> str:
        """Return the name by which a service knows whom it asks; the edge has its public one."""
        return self.domain if store == hops.EDGE else f"{store}.{INSIDE}"

    def _service(self, row: Service) -> Row:
        ways = [hop for hop in hops.hops(self.table, self.hosts) if hop.service == row.name]
        values = {
            "domain": self.domain,
            "subnet": self.table.networks[row.network],
            "gateway": self._gateway(row.network),
            "ca_file": CA_FILE,
            "account": account(row),
        } | {name: self._entrance(name) for name in row.uses}
        environment = self.table.environment(row)
        return {
            "name": row.name,
            "image": self.images[row.image].reference,
            "command": [
                # Only this one: a command may have braces of its own.
                word.replace("{object_volumes}", str(self.object_volumes))
                for word in (row.stand_in_command if self.stand_in else row.command)
            ],
            "user": self.table.images[row.image].user,
            "environment": {
                name: value.format(**values)
                for name, value in sorted(environment.items())
                if placeholders(value) <= values.keys()
            },
            "secrets": {name: secret(row, name) for name in sorted(row.secrets)},
            "network": hops.bridge(row.network),
            "ip": self._address(row),
            "port": row.port,
            # A store knows itself by the name in its certificate, on its own loopback.
            "hosts": {
                self._known_as(hop.store): LOOPBACK if self.stores.by_sidecar(row, hop.store) else hop.address
                for hop in ways
            }
            | ({f"{row.name}.{INSIDE}": LOOPBACK} if row.serves else {})
            | ({self.outside.name: self.outside.address} if self.outside and row.objects else {}),
            "health": {
                "command": list(question(row, self.domain, self.stand_in)),
                "interval": row.health.interval,
                "retries": row.health.retries,
                "start": row.health.start,
            },
            # A container of the lab has no cgroup controllers to enforce it with; Podman refuses to start then.
            "memory": "" if any(host.machine == "container" for host in self.hosts) else row.memory,
            "tmpfs": list(row.tmpfs),
            "tmpfs_programs": list(row.tmpfs_programs),
            "mounts": [{"source": CA_FILE, "target": CA_FILE}]
            + [{"source": each.source, "target": each.target} for each in row.mounts]
            + borrowing.mounts(row, self._references),
            "volume": row.volume,
            "sidecar": self.stores.has_sidecar(row),
            "after": list(row.after),
        }

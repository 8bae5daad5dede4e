"""Who the services are in the stores: databases, accounts, certificates and topics, in the shape of the roles."""

from __future__ import annotations

from dataclasses import dataclass

from hedgerow import budget, hops
from hedgerow.hops import Rows
from hedgerow.hosts import Host
from hedgerow.service_rows import Service, Table

EDGE = "hedgerow_edge"
"""The account of nginx, where services ask who is there."""
EVENTLOG_ADMIN = "hedgerow_eventlog"
"""The event log's superuser: no service's account, and no service has its certificate."""


@dataclass(frozen=True)
class Stores:
    """The stores of one deployment. Passwords appear only as references into the vault."""

    table: Table
    hosts: tuple[Host, ...]

    @property
    def names(self) -> list[str]:
        """Names of the stores that run in containers; each has a certificate."""
        return [row.name for row in self.table.services if row.serves]

    @property
    def postgres_databases(self) -> Rows:
        """Databases, each with the one role that owns what is in it."""
        owners = {
            name: account(row)
            for row in self.table.services
            if row.postgres and row.postgres.owner
            for name in row.postgres.databases
        }
        return [{"name": name, "owner": owner} for name, owner in owners.items()]

    @property
    def postgres_roles(self) -> Rows:
        """One role for each service that has a database."""
        return [
            {
                "name": account(row),
                "password": vault(f"postgres.{account(row)}"),
                "databases": list(row.postgres.databases),
                "connection_limit": row.postgres.connections,
            }
            | {
                key: list(tables)
                for key, tables in (("reads", row.postgres.reads), ("writes", row.postgres.writes))
                if tables
            }
            for row in self.table.services
            if row.postgres
        ]

    @property
    def valkey_users(self) -> Rows:
        """One user for each service that uses Valkey."""
        return [
            {
                "name": account(row),
                "password": vault(f"valkey.{account(row)}"),
                "rules": " ".join((*row.valkey.keys, *row.valkey.channels, *row.valkey.rules)),
            }
            for row in self.table.services
            if row.valkey
        ]

    def clickhouse_users(self, host: Host) -> Rows:
        """One user for each service that asks ClickHouse, and from where this data host sees it come."""
        return [
            {
                "name": account(row),
                "password": vault(f"clickhouse.{account(row)}"),
                "from": hops.origins(self.table, self.hosts, host, row),
            }
            for row in self.table.services
            if row.clickhouse
        ]

    @property
    def clickhouse_owner(self) -> str:
        """The service that makes ClickHouse's tables: the one whose role owns the database in PostgreSQL too."""
        owners = [row for row in self.table.services if row.clickhouse and row.postgres and row.postgres.owner]
        return account(owners[0]) if owners else ""

    @property
    def doors(self) -> list[str]:
        """Names of the services that others come in to by a side-car's door; each has a certificate."""
        return [row.name for row in self.table.services if row.door]

    @property
    def object_identities(self) -> Rows:
        """One identity for each service that uses the object storage, and what it may do in which bucket."""
        return [
            {
                "name": account(row),
                "secret": vault(f"objects.{account(row)}"),
                "actions": [f"{action}:{bucket}" for bucket, actions in row.objects.items() for action in actions],
            }
            for row in self.table.services
            if row.objects
        ]

    @property
    def clients(self) -> list[str]:
        """Accounts that need a certificate to show."""
        services = [account(row) for row in self.table.services if self.asks_by_sidecar(row)]
        return services + [EDGE] * bool(self.doors) + [EVENTLOG_ADMIN] * ("kafka" in self.names)

    def asks_by_sidecar(self, row: Service) -> bool:
        """Tell whether a service reaches anything by a side-car."""
        return any(self.by_sidecar(row, name) for name in (*row.uses, "valkey"))

    def has_sidecar(self, row: Service) -> bool:
        """Tell whether a side-car speaks for a service, to those it asks or to those who ask it."""
        return bool(row.door) or self.asks_by_sidecar(row)

    def admitted(self, row: Service) -> list[str]:
        """Accounts that a service's door opens to."""
        edge = [EDGE] if row in hops.asked_by_edge(self.table) else []
        return edge + [account(other) for other in self.table.services if row.name in other.uses]

    @property
    def eventlog_clients(self) -> Rows:
        """What each service may do in the event log."""
        return [
            {
                "name": account(row),
                "writes": list(row.topics.writes),
                "reads": list(row.topics.reads),
                "group": row.topics.group,
                "idempotent": bool(row.topics.writes) and self.table.images[row.image].idempotent,
            }
            for row in self.table.services
            if row.topics
        ]

    def eventlog_topics(self, load: budget.Load) -> Rows:
        """Every topic that a service writes or reads, and what bounds it."""
        return [
            {
                "name": name,
                "hours": 24 * budget.eventlog_days(load),
                "bytes": budget.topic(name, load),
                "segment_bytes": budget.FACTS["eventlog_segment"].value,
            }
            for name in self.table.topics
        ]

    @property
    def eventlog_rights(self) -> list[str]:
        """What the event log's access list must say, no more and no less, one line an entry."""
        said = []
        for client in self.eventlog_clients:
            name = client["name"]
            said += [f"{name} write topic {topic}" for topic in client["writes"]]
            said += [f"{name} read topic {topic}" for topic in client["reads"]]
            said += [f"{name} read group {client['group']}*"] if client["group"] else []
            said += [f"{name} idempotent_write cluster kafka-cluster"] if client["idempotent"] else []
        return sorted(said)

    def by_certificate(self, store: str) -> bool:
        """Tell whether what is asked in a container knows its clients by certificate: a side-car shows it."""
        return store in self.doors or (store in self.names and self.table.service(store).certificates)

    def by_sidecar(self, row: Service, store: str) -> bool:
        """Tell whether a service's side-car leads to a store: the service cannot prove itself there, or verify it."""
        if store == "valkey":
            return bool(row.valkey and row.valkey.sidecar)
        return self.by_certificate(store)

    def data_clients(self, host: Host) -> list[str]:
        """Return the networks from which a data host sees the services come.

        From its own containers the address is theirs. From another host it is that host's: what a host forwards for
        its containers leaves under the host's address.
        """
        own = self.table.subnets("app") if "app" in host.roles else []
        others = [f"{each.private_address}/32" for each in hops.playing(self.hosts, "app") if each.name != host.name]
        return own + others


def account(row: Service) -> str:
    """Name of a service's own role in PostgreSQL and user in Valkey."""
    return f"posthog_{row.name.replace('-', '_')}"


def door(name: str) -> str:
    """Name of the certificate by which a service's door is known: one that a reference into the vault can spell."""
    return f"door_{name.replace('-', '_')}"


def vault(place: str) -> str:
    """Return a reference to a place in the vault."""
    return f"{{{{ vault.{place} }}}}"

"""What each host is asked about its health, by its own timer and by `status` alike, and whom it tells. Pure."""

from __future__ import annotations

from typing import Any

from hedgerow import budget, hops, mail
from hedgerow.budget import GIB, Load
from hedgerow.declaration import Declaration
from hedgerow.hosts import Host
from hedgerow.measured import LAG_SECONDS
from hedgerow.service_rows import Table
from hedgerow.stores import vault
from hedgerow.unit_values import INSIDE

Values = dict[str, Any]

PATHS = ("/var/lib/postgresql", "/var/lib/valkey", "/var/lib/containers", "/var/log/journal")
UNITS = {
    "edge": ("nginx.service", "hedgerow-pressure.service"),
    "app": (),
    "data": ("valkey-server.service",),
}
CERTIFICATES = ("/etc/hedgerow/*.crt", "/etc/hedgerow/*/*.crt", "/etc/hedgerow/*/*/*.crt")
WEBHOOK = "alerts_webhook"
"""Its name among the secrets that the operator brought."""
STORING = ("ingestion-general", "clickhouse")
"""Who takes each event out of the event log on its way to where it is kept."""
CHANNELS = ("mail", "webhook")


def question(declaration: Declaration, host: Host, table: Table) -> Values:
    """Return what roles/health/files/looking.py is asked on a host, with the limits that the answer is judged by."""
    capacity = declaration.capacity
    load = Load(capacity.events_a_day, capacity.keep_days, capacity.reserve_gib * GIB)
    makes_backups = declaration.backup is not None and "data" in host.roles
    units = [name for role in host.roles for name in UNITS[role]]
    return {
        "deployment": declaration.name,
        "host": host.name,
        "paths": list(PATHS),
        "units": [*units, *(["hedgerow-backup.timer"] if makes_backups else [])],
        "postgres": "data" in host.roles,
        "jobs": ["hedgerow-backup.service"] if makes_backups else [],
        "services": [f"hedgerow-{row.name}.service" for row in table.services if row.tier in host.roles],
        "certificates": list(CERTIFICATES),
        "sealed": {one.name: int(one.sealed.timestamp()) for one in declaration.access.administrators if one.sealed},
        "backup": makes_backups,
        "event_log": _event_log(table) if "data" in host.roles else None,
        "reserve": load.reserve,
        "a_day": budget.growth(host, table, load),
    }


def _event_log(table: Table) -> Values | None:
    """Return where the event log is and who stores what comes out of it; None where none is deployed."""
    found = next((row for row in table.services if row.name == "kafka"), None)
    if found is None:
        return None
    readers = [
        {"service": row.name, "group": row.topics.group, "topics": list(row.topics.reads)}
        for row in table.services
        if row.name in STORING and row.topics
    ]
    place = {"address": hops.address(table, found), "port": found.port, "name": f"{found.name}.{INSIDE}"}
    return {**place, "seconds": LAG_SECONDS, "readers": readers}


def channels(declaration: Declaration) -> list[str]:
    """Return the channels that are declared."""
    alerts = declaration.alerts
    declared = {"mail": bool(alerts.mail), "webhook": alerts.webhook_file is not None}
    return [name for name in CHANNELS if declared[name]]


def values(declaration: Declaration, host: Host, table: Table) -> Values:
    """Return the variables of the role `health`."""
    return {"health_question": question(declaration, host, table), "health_channels": _channels(declaration)}


def _channels(declaration: Declaration) -> Values:
    alerts, relay = declaration.alerts, declaration.mail
    found: Values = {}
    if alerts.mail and relay:
        found["mail"] = {
            "to": list(alerts.mail),
            "from": relay.sender,
            "host": relay.host,
            "address": relay.address,
            "port": relay.port,
            "encryption": relay.encryption,
            "user": relay.user,
            "password": vault(f"brought.{mail.PASSWORD}"),
        }
    if alerts.webhook_file:
        found["webhook"] = {"url": vault(f"brought.{WEBHOOK}")}
    return found


def outbound(declaration: Declaration) -> list[Values]:
    """Return the firewall's row for alerts: the declared relay. A webhook takes the way that packages come by (443)."""
    relay = declaration.mail
    if not declaration.alerts.mail or relay is None:
        return []
    return [
        {
            "proto": "tcp",
            "ports": [relay.port],
            "to": [f"{relay.address}/32"],
            "users": ["root"],
            "why": "the host sends alerts by the declared relay",
        }
    ]

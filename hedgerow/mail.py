"""Mail: what the services that send it are told, and the one way that is open to them for it.

Pure. Upstream reads its settings from the database first and from the environment where no row is there
(posthog/models/instance_setting.py); the posthog role sees to it that there is no row. Its SMTP client is Django's,
which verifies the relay's certificate against the public CAs of the image, and sends nothing where STARTTLS is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hedgerow.declaration import Mail
from hedgerow.stores import vault

Row = dict[str, Any]
Rows = list[Row]

SENDERS = ("web", "worker", "temporal-django-worker")
"""Who sends: posthog/tasks/email.py is run by the worker, a few messages by whoever answers the request, and that a
batch export failed by whoever ran it (posthog/temporal/batch_exports/batch_exports.py)."""
PASSWORD = "mail_password"  # noqa: S105 (the name of a place in the vault)
VARIABLE = "EMAIL_HOST_PASSWORD"


def told(services: Sequence[Row], mail: Mail | None) -> Rows:
    """Return the services, those that send mail with what they must know of the relay. Without one they stay."""
    return [_told(row, mail) if mail and row["name"] in SENDERS else row for row in services]


def secrets(services: Sequence[Row], mail: Mail | None) -> dict[str, str]:
    """Return the Podman secrets of those that send, each a reference into the vault."""
    place = vault(f"brought.{PASSWORD}")
    return {_secret(row): place for row in services if mail and row["name"] in SENDERS}


def forward(services: Sequence[Row], mail: Mail | None) -> Rows:
    """Return the firewall's rows: the relay and its port, from the addresses of those that send and no other."""
    sources = [f"{row['ip']}/32" for row in services if row["name"] in SENDERS]
    if not mail or not sources:
        return []
    return [
        {
            "proto": "tcp",
            "ports": [mail.port],
            "from": sources,
            "to": [f"{mail.address}/32"],
            "passed_on": False,
            "why": "the application sends mail by the declared relay",
        }
    ]


def _told(row: Row, mail: Mail) -> Row:
    known = {} if mail.host == mail.address else {mail.host: mail.address}
    return {
        **row,
        "hosts": {**row["hosts"], **known},
        "environment": dict(sorted({**row["environment"], **_environment(mail)}.items())),
        "secrets": dict(sorted({**row["secrets"], VARIABLE: _secret(row)}.items())),
    }


def _environment(mail: Mail) -> dict[str, str]:
    """Return upstream's settings (posthog/settings/dynamic_settings.py)."""
    return {
        "EMAIL_ENABLED": "true",
        "EMAIL_HOST": mail.host,
        "EMAIL_PORT": str(mail.port),
        "EMAIL_HOST_USER": mail.user,
        "EMAIL_USE_TLS": str(mail.encryption == "starttls").lower(),
        "EMAIL_USE_SSL": str(mail.encryption == "implicit").lower(),
        "EMAIL_DEFAULT_FROM": mail.sender,
    }


def _secret(row: Row) -> str:
    return f"hedgerow-{row['name']}-{VARIABLE.lower().replace('_', '-')}"

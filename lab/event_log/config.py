"""What the broker is told: redpanda.yaml and .bootstrap.yaml as the real one reads them, and users with passwords.

The real broker keeps users in itself and is told of them by `rpk security user create`. Here they may be a file:

    users:
      - {name: posthog_capture, mechanism: SCRAM-SHA-512, password: ...}

Topics and the access list come over Kafka's own protocol alone, from a superuser, as they do with the real one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path("/etc/redpanda")
USERS = Path("/run/secrets/event-log-users.yaml")
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")
LISTENER = {"name", "address", "port", "authentication_method"}
TLS = {"name", "enabled", "cert_file", "key_file", "truststore_file", "require_client_auth"}


class ConfigError(Exception):
    """The configuration cannot be stood by; the message never repeats a secret."""


@dataclass(frozen=True)
class Listener:
    """Where clients come in. Without `cert` it is plain; without `sasl` or `mtls` nobody is asked who they are.

    With `mtls` a client is who its certificate's common name says.
    """

    address: str
    port: int
    host: str
    advertised: int
    sasl: bool
    mtls: bool = False
    cert: str = ""
    key: str = ""
    truststore: str = ""
    client_certificates: bool = False


@dataclass(frozen=True)
class Config:
    """The whole configuration. `passwords` is by mechanism and name."""

    listeners: tuple[Listener, ...]
    data: str
    passwords: Mapping[tuple[str, str], str]
    superusers: frozenset[str] = frozenset()
    authorization: bool = True


def read_config(folder: Path = FOLDER, users: Path | None = None) -> Config:
    """Return the configuration. Raises ConfigError with everything that is wrong with it."""
    node = _yaml(folder / "redpanda.yaml").get("redpanda") or {}
    bootstrap = folder / ".bootstrap.yaml"
    cluster = _yaml(bootstrap) if bootstrap.exists() else {}
    known = users or Path(os.environ.get("EVENT_LOG_USERS", str(USERS)))
    people = _yaml(known) if known.exists() else {}
    wrong = [f"{known.name}: {key} is not understood" for key in sorted(people.keys() - {"users"})]
    config = Config(
        listeners=_listeners(node, bool(cluster.get("enable_sasl")), wrong),
        data=str(node.get("data_directory", "/var/lib/redpanda/data")),
        passwords=_passwords(people.get("users") or [], wrong),
        superusers=frozenset(cluster.get("superusers") or ()),
        authorization=bool(cluster.get("kafka_enable_authorization", True)),
    )
    if wrong:
        raise ConfigError("; ".join(wrong))
    return config


def _yaml(path: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        # A YAML error shows the line it is about, and there may be a password in it.
        raise ConfigError(f"{path}: {error if isinstance(error, OSError) else 'not YAML'}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: not a mapping")
    return value


def _listeners(node: Mapping[str, Any], sasl: bool, wrong: list[str]) -> tuple[Listener, ...]:
    tls = {row.get("name", ""): row for row in node.get("kafka_api_tls") or []}
    told = {row.get("name", ""): row for row in node.get("advertised_kafka_api") or []}
    found = []
    for row in node.get("kafka_api") or []:
        name = row.get("name", "")
        secure, public = tls.get(name, {}), told.get(name, row)
        wrong += [f"kafka_api {name}: {key} is not understood" for key in sorted(row.keys() - LISTENER)]
        wrong += [f"kafka_api_tls {name}: {key} is not understood" for key in sorted(secure.keys() - TLS)]
        method = row.get("authentication_method", "sasl" if sasl else "none")
        if method not in ("sasl", "mtls_identity", "none"):
            wrong.append(f"kafka_api {name}: authentication_method {method} is not spoken here")
        on = bool(secure.get("enabled"))
        if on and not (secure.get("cert_file") and secure.get("key_file")):
            wrong.append(f"kafka_api_tls {name}: needs cert_file and key_file")
        found.append(
            Listener(
                str(row.get("address", "127.0.0.1")),
                int(row.get("port", 9092)),
                str(public.get("address", "127.0.0.1")),
                int(public.get("port", row.get("port", 9092))),
                sasl=method == "sasl",
                mtls=method == "mtls_identity",
                cert=str(secure.get("cert_file", "")) if on else "",
                key=str(secure.get("key_file", "")),
                truststore=str(secure.get("truststore_file", "")),
                client_certificates=bool(secure.get("require_client_auth")),
            )
        )
    if not found:
        wrong.append("redpanda.kafka_api names no listener")
    return tuple(found)


def _passwords(rows: list[dict[str, Any]], wrong: list[str]) -> dict[tuple[str, str], str]:
    found = {}
    for row in rows:
        mechanism, name = row.get("mechanism", "SCRAM-SHA-256"), str(row.get("name", ""))
        if mechanism not in MECHANISMS:
            wrong.append(f"user {name}: the mechanism is none of {', '.join(MECHANISMS)}")
        if not name or not row.get("password"):
            wrong.append(f"user {name or '?'}: needs a name and a password")
        found[mechanism, name] = str(row.get("password", ""))
    return found

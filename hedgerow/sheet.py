"""What a verify run is told about one host: who it is, what was declared, and where we look from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from hedgerow.hosts import Host

UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Peer:
    """A host of the same deployment, as the declaration has it."""

    name: str
    private_address: str
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Relay:
    """The relay by which mail may leave; `encryption` is starttls or implicit."""

    host: str
    address: str
    port: int
    encryption: str


@dataclass(frozen=True)
class Collector:
    """Where a copy of the record goes: the name in its certificate, its address, and the sum of who vouches for it.

    `authority` is the SHA-256 of the declared file, as `_sum_of` in hedgerow/declared.py makes it.
    """

    host: str
    address: str
    port: int
    authority: str


@dataclass(frozen=True)
class Declared:
    """The facts of the declaration that checks may know. Nothing here was computed by a role.

    `interface_from` and `ingest_from` are those that reach the edge itself, beside what a load balancer lets in.
    `ca_file` is the private CA's certificate on the controller, `caller_file` where it keeps the client certificate
    that the interface asks for, or "". `tls` says whose certificate the edge shows (private, provided, acme), `edge_ca`
    is the file of CAs of an ACME server of the operator's own, or "". `posthog` is false when PostHog itself is not
    deployed, `stand_in` true when stand-in images run in its place.
    `services` are those of this host, `all_services` of the whole deployment, `hops`
    every way that those of this host are declared to need: service, store, address, port; `doors` by which services of
    this host are entered: service, port, and the accounts that may. `sidecars` are services beside which one runs.
    `outbound_services` are those of this host that may reach what `outbound_to` says, and nobody else may.
    `from_images` are files that a service of this host mounts out of an image: service, path there, path in its
    container, the image's digest ("" where the declaration does not know it: a stand-in), and "unversioned" where the
    names in it are changed. `reserve` are bytes of disk with less of which no events are taken, `keep_days` for how
    long events are kept. `signature_key` is the SHA-256 of the key that images must be signed with, "" for none.
    `second_factor` says that administrators come in with FIDO2 keys alone, `password_length` how many characters a
    password has at least. `own_units` are units that stay though no package brought them.
    `baseline_file` is where this machine keeps what it has seen of this host's packages.
    `volume` says who opens the encrypted volume of the stores (tang, tpm2), "" where none is declared.
    `backup` is the folder on the data host that backups lie in, "" where none are declared;
    a good drill of one is never older than `drill_days`; 0: none can be had there.
    `administrators` are those whose day has not come; `expiries` the day for each that has one, `sudo_scopes` the
    commands that one may run as root where that is not all of them, `sealed` the accounts for emergencies, with
    the second (since 1970) at which the key of each was sealed.
    `alerts` are the channels by which a host tells that it is not well: mail, webhook. `collector` takes its record.
    `edge_address` is where this controller finds the edge. What the event log of this host must hold:
    `eventlog_rights`, an entry of its access list each, and `eventlog_topics`: topic, ms and bytes that bound it.
    """

    name: str
    domain: str
    stand_in: bool
    posthog: bool
    administrators: tuple[str, ...]
    installer_account: str
    ssh_port: int
    ssh_from: tuple[str, ...]
    interface_from: tuple[str, ...]
    ingest_from: tuple[str, ...]
    hosts: tuple[Peer, ...]
    app_subnets: tuple[str, ...]
    services: tuple[str, ...]
    ca_file: str
    tls: str
    own_kernel: bool
    edge_ca: str = ""
    all_services: tuple[str, ...] = ()
    hops: tuple[tuple[str, str, str, int], ...] = ()
    doors: tuple[tuple[str, int, tuple[str, ...]], ...] = ()
    sidecars: tuple[str, ...] = ()
    from_images: tuple[tuple[str, str, str, str, str], ...] = ()
    outbound_to: tuple[str, ...] = ()
    outbound_services: tuple[str, ...] = ()
    public_sharing: bool = False
    discard_ip: bool = True
    mask_inputs: bool = True
    mask_text: bool = True
    drop_properties: tuple[str, ...] = ()
    reserve: int = 0
    edge_address: str = ""
    eventlog_rights: tuple[str, ...] = ()
    eventlog_topics: tuple[tuple[str, int, int], ...] = ()
    signature_key: str = ""
    caller_file: str = ""
    keep_days: int = 365
    backup: str = ""
    drill_days: int = 90
    expiries: tuple[tuple[str, str], ...] = ()
    sudo_scopes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    sealed: tuple[tuple[str, int], ...] = ()
    mail: Relay | None = None
    alerts: tuple[str, ...] = ()
    collector: Collector | None = None
    second_factor: bool = False
    password_length: int = 14
    own_units: tuple[str, ...] = ()
    volume: str = ""
    baseline_file: str = ""


@dataclass(frozen=True)
class Sheet:
    """One host's sheet. `controller` and `stranger` are addresses of ours; `stranger` may be ""."""

    host: Host
    known_hosts: Path | None
    declared: Declared
    controller: str
    stranger: str = ""


def to_json(sheet: Sheet) -> str:
    """Return the sheet as text for the child process; it holds no secret."""
    return json.dumps(asdict(sheet), default=str)


def from_json(text: str) -> Sheet:
    """Return the sheet that `to_json` wrote."""
    said = json.loads(text)
    host = said["host"]
    host["identity_file"] = Path(host["identity_file"]) if host["identity_file"] else None
    declared = said["declared"]
    declared["hosts"] = [_with_tuples(Peer, peer) for peer in declared["hosts"]]
    for rows in ("hops", "from_images", "expiries", "sealed"):
        declared[rows] = [tuple(row) for row in declared[rows]]
    declared["mail"] = Relay(**declared["mail"]) if declared["mail"] else None
    declared["collector"] = Collector(**declared["collector"]) if declared["collector"] else None
    declared["doors"] = [(service, port, tuple(accounts)) for service, port, accounts in declared["doors"]]
    declared["sudo_scopes"] = [(name, tuple(commands)) for name, commands in declared["sudo_scopes"]]
    declared["eventlog_topics"] = [tuple(topic) for topic in declared["eventlog_topics"]]
    return Sheet(
        host=_with_tuples(Host, host),
        known_hosts=Path(said["known_hosts"]) if said["known_hosts"] else None,
        declared=_with_tuples(Declared, declared),
        controller=said["controller"],
        stranger=said["stranger"],
    )


def _with_tuples(kind: Any, values: dict[str, Any]) -> Any:
    known = {field.name for field in fields(kind)}
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items() if name in known})

"""Why something on a host is not well, and what to do: from what was observed to a reason and a fix. Pure.

The standard library alone: the role `health` puts this very file on each host, where a timer judges by it, and `status`
judges by it here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hedgerow.shortening import shorten

MIB = 1 << 20
FEW_DAYS = 14
LONGEST = 160
CRASHES = 3
"""Restarts after which a service that starts counts as one that keeps ending."""


@dataclass(frozen=True)
class Unit:
    """A service as systemd has it; `health` is Podman's word for a container ("" where there is none or no answer)."""

    name: str
    active: str
    sub: str
    result: str
    restarts: int = 0
    health: str = ""
    said: str = ""


@dataclass(frozen=True)
class Observed:
    """What was seen on a host: free bytes by path, whether the edge refuses events, and the services it is to run."""

    free: Mapping[str, int]
    refusing: bool
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class Trouble:
    """Something that is not well: what, why, and what to do.

    `plain` is the reason without words of a log, which may be about a person: what may leave the host. "": all of it.
    """

    what: str
    reason: str
    fix: str
    plain: str = ""


NOT_ITS_OWN = re.compile(r"^[0-9a-f]{64}$|^\d{4}-\d\d-\d\d .* (?:container|image|volume|network) \w+ [0-9a-f]{64}")
"""Podman's words in the journal of a container's unit: its id, and its own events."""

KNOWN = (
    (
        r"No space left on device|could not (?:extend|write to) file|\bENOSPC\b|NOT_ENOUGH_SPACE",
        "the disk is full",
        "Enlarge the disk or free some on it (`df -h`), then run install again; preflight says how much is needed.",
    ),
    (
        r"ENCRYPTION_SALT_KEYS|Fernet key must be",
        "the key in ENCRYPTION_SALT_KEYS has a wrong form: it must be exactly 32 plain characters, not base64",
        "Take out what replaced the generated key (the vault, posthog.encryption_salt_keys), then run install again.",
    ),
    (
        r"OOM command not allowed",
        "Valkey has reached its limit of memory, so it refuses writes",
        "See whether the worker runs and empties the queue; else raise valkey_max_memory.",
    ),
    (
        r"out of memory|Out of memory|MemoryError|\boom-kill\b|heap out of memory|MEMORY_LIMIT_EXCEEDED",
        "it needs more memory than it is given",
        "Take a machine with more memory (preflight says how much), or raise the memory in the release's services.yml.",
    ),
    (
        r"password authentication failed|WRONGPASS|NOAUTH|AUTHENTICATION_FAILED",
        "a store does not accept its password",
        "Run install again: it gives both sides the same one. If it stays, a secret was changed by hand on the host.",
    ),
    (
        r"(?i)(?:topic|group|cluster)[ _]authorization[ _]failed",
        "the event log does not let it do what it needs",
        "Run install again: it states the rights anew. If it stays, its `topics` in services.yml lack one.",
    ),
    (
        r"(?i)certificate[ _]verify[ _]failed|certificate has expired|x509: certificate",
        "a certificate of a store is not trusted or has ended",
        "Run install again: it renews certificates in time and restarts what uses them. Then see the host's clock.",
    ),
    (
        r"the database system is (?:starting up|shutting down|in recovery)",
        "PostgreSQL is not ready yet",
        "Wait a minute. If it stays: `systemctl status 'postgresql@*'` on the data host.",
    ),
    (
        r"remaining connection slots are reserved|too many (?:connections|clients)",
        "PostgreSQL has no connection left",
        "See who holds them (pg_stat_activity), then raise postgres_max_connections.",
    ),
    (
        r"(?i)connection refused|could not connect to server|name or service not known|no route to host"
        r"|temporary failure in name resolution",
        "a store that it needs does not answer",
        "Look at the stores first: postgresql, valkey-server, hedgerow-clickhouse, hedgerow-kafka, hedgerow-seaweedfs.",
    ),
    (
        r"unapplied migration|relation \"[^\"]+\" does not exist|UNKNOWN_TABLE",
        "the database is not migrated yet",
        "hedgerow-web migrates when it starts: see that it is well, then run install again.",
    ),
    (
        r"manifest unknown|image not known|no such image|pull access denied",
        "its image is not on the host and cannot be had",
        "Run images lock and install again; without a way to a registry, images save and images load.",
    ),
    (
        r"(?i)address already in use",
        "its port is taken by another program",
        "`ss -tlnp` on the host says by which; stop it there.",
    ),
)
"""What a service's last words mean; the first that matches counts, so the cause stands before its consequences."""


def meaning(words: str) -> tuple[str, str] | None:
    """Return reason and fix for what a service or a task said last; None where they are not known."""
    return next(((reason, fix) for pattern, reason, fix in KNOWN if re.search(pattern, words)), None)


def troubles(seen: Observed, *, reserve: int, days: int | None = None) -> tuple[Trouble, ...]:
    """Return everything that is not well on a host, the disk first: it explains much of what follows."""
    return (*_disk(seen, reserve, days), *(found for unit in seen.units if (found := _unit(unit))))


def _disk(seen: Observed, reserve: int, days: int | None) -> Iterator[Trouble]:
    path, least = min(seen.free.items(), key=lambda row: row[1], default=("", reserve))
    enlarge = "Enlarge the disk or free some of it, or declare and send less (capacity in deploy.yml)."
    if seen.refusing:
        yield Trouble("disk", f"{least // MIB} MiB free at {path}: the edge refuses events (503)", enlarge)
    elif least < reserve:
        yield Trouble(
            "disk", f"{least // MIB} MiB free at {path}, less than the reserve of {reserve // MIB} MiB", enlarge
        )
    elif days is not None and days < FEW_DAYS:
        yield Trouble("disk", f"at the declared rate events are refused in {days} days", enlarge)


def _unit(unit: Unit) -> Trouble | None:
    if unit.active == "failed":
        state = f"it has failed ({unit.result})"
    elif unit.sub == "auto-restart" or (unit.restarts >= CRASHES and unit.active != "active"):
        state = f"it ends and is started again ({unit.restarts} times so far)"
    elif unit.active in ("inactive", "deactivating"):
        # It ended in peace: its last words are about its end, and explain nothing.
        return Trouble(
            unit.name, "it does not run", f"`systemctl start {unit.name}` on the host, or run install again."
        )
    elif unit.health == "unhealthy":
        state = "it runs and does not answer well"
    elif unit.active == "activating":
        state = "it has not become ready yet"
    else:
        return None
    known = meaning(f"{unit.result}\n{unit.said}")
    if known:
        return Trouble(unit.name, f"{state}: {known[0]}", known[1])
    own = [line for line in unit.said.splitlines() if line.strip() and not NOT_ITS_OWN.search(line)]
    said = shorten(own[-1] if own else "nothing", LONGEST)
    more = f"`journalctl -u {unit.name}` on the host says more."
    return Trouble(unit.name, f"{state}. It last said: {said}", more, plain=state)

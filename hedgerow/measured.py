"""What a host's numbers mean: days of disk, memory, certificates, backups, clock, restarts, and whether anybody looks.

Pure, and of the standard library alone beside `unwell`: the role `health` puts both on each host as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hedgerow.unwell import CRASHES, FEW_DAYS, Observed, Trouble, Unit, troubles

DAY, HOUR, MINUTE = 86_400, 3_600, 60
TREND_SPAN = DAY
"""Seconds that must lie between two looks before a trend is read off them: a night's backup is none."""
LEAST_MEMORY = 0.05
"""The part of memory that must be available (proc_meminfo(5), MemAvailable): our choice."""
CERTIFICATE_DAYS = 21
BACKUP_SECONDS = 30 * HOUR
CLOCK_SECONDS = 1.0
"""The offset at which records of two hosts can no longer be laid beside each other: our choice."""
LAG_SECONDS = 10 * MINUTE
"""How long an event may wait in the event log until it is stored: our choice, twice the timer's turn."""
EVENT_LOG = "hedgerow-kafka.service"
SILENT_SECONDS = 30 * MINUTE
"""After how long without a look nobody is looking: six of the timer's turns."""
INSTALL = "Run install again; if it stays, `journalctl -u hedgerow-health` on the host says more."


@dataclass(frozen=True)
class Sample:
    """What a look some time ago saw: seconds since the epoch, free bytes by path, restarts so far by service."""

    at: float
    free: Mapping[str, int]
    restarts: Mapping[str, int]


@dataclass(frozen=True)
class Watch:
    """What the timer has left: when it last looked (0: never), its samples, and each channel's last delivery.

    A channel's `error` is "" where its last message was taken; `waiting` are messages that were not yet.
    """

    at: float = 0
    samples: tuple[Sample, ...] = ()
    channels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """A host's numbers at a moment. What is None, or empty, could not be asked there, or is not there.

    `memory` is (available, total) bytes, `certificates` seconds left by file, `clock` the seconds that it is off,
    `backup` what `backup look` says, `backup_age` the newest's age in seconds, and `opened` when each account for
    emergencies that was used since its key was sealed last was. `lag` is how many events wait for each who stores them,
    and how many of them for longer than they may.
    """

    now: float
    seen: Observed
    memory: tuple[int, int] | None = None
    certificates: Mapping[str, float] = field(default_factory=dict)
    backup: Mapping[str, Any] | None = None
    backup_age: float | None = None
    clock: float | None = None
    opened: Mapping[str, float] = field(default_factory=dict)
    lag: Mapping[str, Any] | None = None
    watch: Watch = Watch()


def read(said: Mapping[str, Any]) -> Measured:
    """Return what the looking program said, as values."""
    watch = said.get("watch") or {}
    return Measured(
        now=said["now"],
        seen=Observed(said["free"], said["refusing"], tuple(Unit(*row) for row in said["units"])),
        memory=tuple(said["memory"]) if said.get("memory") else None,  # type: ignore[arg-type]
        certificates=said.get("certificates") or {},
        backup=said.get("backup"),
        backup_age=said.get("backup_age"),
        clock=said.get("clock"),
        opened=said.get("opened") or {},
        lag=said.get("lag"),
        watch=Watch(
            watch.get("at", 0), tuple(Sample(**row) for row in watch.get("samples", ())), watch.get("channels", {})
        ),
    )


def days_left(free: int, a_day: int, reserve: int) -> int | None:
    """Return for how many days there is room until events are refused; None where nothing grows without an end."""
    if a_day == 0:
        return None
    return max(0, free - reserve) // a_day


def judge(host: Measured, *, reserve: int, a_day: int) -> tuple[Trouble, ...]:
    """Return everything that is not well on a host, but for whether it is looked at: `unwatched` says that."""
    free = min(host.seen.free.values(), default=None)
    days = None if free is None else days_left(free, a_day, reserve)
    found = troubles(host.seen, reserve=reserve, days=days)
    filling = () if any(one.what == "disk" for one in found) else tuple(_trend(host, reserve))
    return (
        *found,
        *filling,
        *_restarts(host, {one.what for one in found}),
        *_memory(host),
        *_certificates(host),
        *_backup(host),
        *_clock(host),
        *_opened(host),
        *_lag(host, {one.what for one in found}),
    )


def trend(samples: Sequence[Sample], now: float, free: Mapping[str, int], reserve: int) -> int | None:
    """Return the days until the first path is down to the reserve, at the pace since the oldest sample; None: never.

    None too where the oldest is younger than a day.
    """
    oldest = min(samples, key=lambda one: one.at, default=None)
    if oldest is None or now - oldest.at < TREND_SPAN:
        return None
    paces = {path: (oldest.free[path] - left) / (now - oldest.at) for path, left in free.items() if path in oldest.free}
    days = [max(0, free[path] - reserve) / pace / DAY for path, pace in paces.items() if pace > 0]
    return int(min(days)) if days else None


def _trend(host: Measured, reserve: int) -> Iterator[Trouble]:
    days = trend(host.watch.samples, host.now, host.seen.free, reserve)
    if days is not None and days < FEW_DAYS:
        yield Trouble(
            "disk",
            f"at the pace of the last days it is full in {days} days",
            "See what grows (`du -x --max-depth=2 /var` on the host), then free some or enlarge the disk.",
        )


def _restarts(host: Measured, known: set[str]) -> Iterator[Trouble]:
    """A service that ends and comes back is well at each look, and is not well."""
    before = [one for one in host.watch.samples if host.now - one.at <= 2 * HOUR]
    first = min(before, key=lambda one: one.at, default=None)
    for unit in host.seen.units if first else ():
        then = first.restarts.get(unit.name, unit.restarts) if first else 0
        # Counted anew since it was last started by hand.
        more = unit.restarts - then if unit.restarts >= then else unit.restarts
        if more >= CRASHES and unit.name not in known:
            fix = f"`journalctl -u {unit.name}` on the host says why it ended."
            yield Trouble(unit.name, f"it was started again {more} times in the last two hours", fix)


def _memory(host: Measured) -> Iterator[Trouble]:
    if host.memory and host.memory[0] < host.memory[1] * LEAST_MEMORY:
        part = 100 * host.memory[0] // host.memory[1]
        fix = "`systemd-cgtop -m` on the host says what takes it; preflight says how much the host should have."
        yield Trouble("memory", f"{part} % of it is available", fix)


def _certificates(host: Measured) -> Iterator[Trouble]:
    """One trouble for all: they end together, since they are renewed together."""
    soon = {name: left for name, left in host.certificates.items() if left < CERTIFICATE_DAYS * DAY}
    if soon:
        name, left = min(soon.items(), key=lambda row: row[1])
        when = f"ends in {int(left // DAY)} days" if left > 0 else "has ended"
        others = f", and {len(soon) - 1} more within {CERTIFICATE_DAYS} days" if len(soon) > 1 else ""
        fix = "Run install again: it renews its own. A provided one is yours: put the new files in place first."
        yield Trouble("certificates", f"{name} {when}{others}", fix)


def _backup(host: Measured) -> Iterator[Trouble]:
    if host.backup is None:
        return
    fix = "`journalctl -u hedgerow-backup` on the host says why; then `./installer.py backup now NAME`."
    read_back = host.backup.get("read") or {}
    if host.backup.get("refused") or not host.backup.get("id"):
        yield Trouble("backup", "there is none", fix)
    elif host.backup_age is not None and host.backup_age > BACKUP_SECONDS:
        yield Trouble("backup", f"the newest is {int(host.backup_age // HOUR)} hours old", fix)
    elif host.backup.get("problems") or (read_back.get("id") == host.backup["id"] and read_back.get("problems")):
        yield Trouble("backup", "the newest is not as it was made", "Run `./installer.py backup now NAME`.")
    elif read_back.get("id") != host.backup["id"]:
        yield Trouble("backup", "the newest was never read back", "Run `./installer.py backup verify NAME`.")


def _clock(host: Measured) -> Iterator[Trouble]:
    if host.clock is not None and abs(host.clock) > CLOCK_SECONDS:
        fix = "`chronyc sources` on the host says which servers answer; declare time_servers that can be reached."
        yield Trouble("clock", f"it is off by {abs(host.clock):.1f} seconds", fix)


def _opened(host: Measured) -> Iterator[Trouble]:
    for name, at in sorted(host.opened.items()):
        when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        fix = "Learn who opened it and why. Then seal a new key: its ssh_keys and sealed in deploy.yml, and install."
        yield Trouble(f"account {name}", f"this account for emergencies was used, last at {when}", fix)


def waiting(host: Measured) -> int | None:
    """Return how many events wait to be stored; None where no event log runs, or nobody could ask it."""
    rows = (host.lag or {}).get("readers")
    return None if rows is None else sum(row["waiting"] for row in rows)


def _lag(host: Measured, known: set[str]) -> Iterator[Trouble]:
    if host.lag is None or EVENT_LOG in known:
        return
    if "readers" not in host.lag:
        reason = f"it did not say how far events are stored ({host.lag.get('refused', 'no answer')})"
        yield Trouble("event log", reason, INSTALL)
        return
    late: dict[str, list[Mapping[str, Any]]] = {}
    for row in host.lag["readers"]:
        if row["late"]:
            late.setdefault(row["service"], []).append(row)
    for service, rows in late.items():
        count, topics = sum(row["late"] for row in rows), ", ".join(row["topic"] for row in rows)
        fix = (
            f"`journalctl -u hedgerow-{service}` on the host says why. Nothing is lost while the event log keeps it,"
            " which is bounded in time and size (docs/services.md)."
        )
        reason = f"{count} events wait for {service} since more than {LAG_SECONDS // MINUTE} minutes ({topics})"
        yield Trouble("ingestion", reason, fix)


def unwatched(host: Measured) -> Iterator[Trouble]:
    """Say that nobody looks at the host, or that what is said of it does not arrive."""
    age = host.now - host.watch.at
    if not host.watch.at:
        yield Trouble("health", "the host has never looked at itself", INSTALL)
    elif age > SILENT_SECONDS:
        yield Trouble("health", f"the host last looked at itself {int(age // MINUTE)} minutes ago", INSTALL)
    for name, channel in sorted(host.watch.channels.items()):
        if channel.get("error"):
            waits = f"{channel.get('waiting', 0)} alerts wait"
            fix = (
                "`systemctl start hedgerow-alerts` on the host tries again; docs/health.md says what each error means."
            )
            yield Trouble(f"alerts by {name}", f"{channel['error']}; {waits}", fix)

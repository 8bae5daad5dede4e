"""What a deployment needs of a host: bytes on disk by store, bytes of memory by consumer, and the days that are left.

Pure. Every number is a named fact with the place it comes from; "our estimate" where nobody has published one. A budget
is a mapping from a store to its bytes: what a further store needs is one more row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hedgerow import borrowing, measured
from hedgerow.hosts import Host
from hedgerow.service_rows import Table

MIB = 1024**2
GIB = 1024**3
VOLUME = 256 * MIB
"""The size of a volume of SeaweedFS; hedgerow/services.yml, -master.volumeSizeLimitMB."""
LEAST_VOLUMES = 14
"""SeaweedFS begins a bucket with seven (weed scaffold -config=master, copy_1), and there are two buckets."""
UNITS = {"k": 1024, "m": MIB, "g": GIB}
Budget = Mapping[str, int]


@dataclass(frozen=True)
class Fact:
    """A number and where it comes from."""

    value: int
    source: str


FACTS = {
    "system": Fact(3 * GIB, "our estimate: a lab host has 1.7 GiB with its stand-ins; the rest for updates"),
    "journal": Fact(4 * GIB, "roles/journal, journal_max_use; containers and the edge write their logs there as well"),
    "images_kept": Fact(2, "our choice: an upgrade keeps the image before, to go back to"),
    "postgres": Fact(1 * GIB, "our estimate: PostHog's own tables without persons, and the catalogues"),
    "postgres_wal": Fact(1 * GIB, "roles/postgres, max_wal_size"),
    "postgres_slots": Fact(2 * GIB, "roles/postgres, max_slot_wal_keep_size"),
    "postgres_temporary": Fact(2 * GIB, "roles/postgres, temp_file_limit, for one query at its limit"),
    "postgres_event": Fact(100, "our estimate: one person of 2 KB to twenty events that are kept"),
    "valkey": Fact(3 * 512 * MIB, "roles/valkey, valkey_max_memory, thrice: the append-only file doubles, then a copy"),
    "clickhouse_event": Fact(600, "our estimate: 2 KB of JSON, compressed, with the room that merges take"),
    "clickhouse_logs_day": Fact(100 * MIB, "our estimate for the tables of the schema `system` in a day"),
    "clickhouse_logs_days": Fact(30, "roles/clickhouse, clickhouse_log_days"),
    "eventlog_days": Fact(3, "our choice: a weekend in which nobody sees that nothing reads"),
    "eventlog_event": Fact(2000, "our estimate: 2 KB of JSON in each topic that every event goes through"),
    "eventlog_trace": Fact(
        100, "our estimate: what an event leaves in each of the other topics, a person now and then"
    ),
    "eventlog_whole": Fact(512 * MIB, "our choice: the least that a topic of whole events may keep, for surges"),
    "eventlog_least": Fact(64 * MIB, "our choice: the least that another topic may keep"),
    "eventlog_segment": Fact(32 * MIB, "our choice: the file that a topic writes to, which no limit touches"),
    "objects": Fact(1 * GIB, "our estimate: exports and source maps, and volumes that are written to"),
    "objects_event": Fact(1000, "our estimate: one recording of 200 KB to two hundred events that are kept"),
    "backup_fulls": Fact(7, "roles/backup, FULL_DAYS of its program; the week before the first kept one stays too"),
    "backup_journal_day": Fact(300 * MIB, "our estimate: a piece of PostgreSQL's journal a minute, compressed"),
    "lab": Fact(512 * MIB, "our estimate: in the hours that a lab lives no store grows further; stand-ins are small"),
}
MEMORY = {
    "system": Fact(1 * GIB, "our estimate: the distribution's services, Podman, and pages of files"),
    "edge": Fact(256 * MIB, "our estimate: nginx with 4096 connections a process"),
    "postgres": Fact(1 * GIB, "roles/postgres, shared_buffers of 256 MB, and our estimate for its sessions"),
    "valkey": Fact(640 * MIB, "roles/valkey, valkey_max_memory of 512 MB, and its buffers"),
}
LAB_MEMORY = {
    "edge": Fact(512 * MIB, "our estimate"),
    "app": Fact(1536 * MIB, "our estimate: twenty stand-ins with every feature, about 50 MB each as seen"),
    "data": Fact(1 * GIB, "our estimate, for stand-ins"),
}
FLOW = ("events_plugin_ingestion", "clickhouse_events_json")
"""Topics that every event goes through, as it was captured and as it was ingested."""
WHOLE = (
    "events_plugin_ingestion_historical",
    "events_plugin_ingestion_overflow",
    "session_recording_snapshot_item_events",
    "session_recording_snapshot_item_overflow",
    "ingestion-errortracking-main",
)
"""Topics whose events are as large, but not each of them goes there."""
SOLD_AS = (2, 4, 8, 16, 32, 64, 128, 256)
"""GiB of memory that machines are sold with."""
FOUND = 0.94
"""The part of it that Linux calls its own after firmware and kernel (proc_meminfo(5), MemTotal): our estimate."""


@dataclass(frozen=True)
class Load:
    """What it is for: events in a day, days they are kept, and the bytes that stay free: with less, none are taken."""

    events_a_day: int
    keep_days: int
    reserve: int


@dataclass(frozen=True)
class Copies:
    """Backups: for how many days they are kept, and whether they leave the host, which first has them on its disk."""

    keep_days: int
    away: bool


def copies(host: Host, table: Table, load: Load, kept: Copies, *, lab: bool = False) -> int:
    """Return the bytes of all backups where they are kept: full ones as large as the stores, and the journal."""
    if "data" not in host.roles:
        return 0
    stores = disk(host, table, load, lab=lab)
    fulls = kept.keep_days // _fact("backup_fulls") + 2
    size = fulls * (stores["postgresql"] + stores.get("clickhouse", 0)) + kept.keep_days * _fact("backup_journal_day")
    return min(size, _fact("lab")) if lab else size


def making(host: Host, table: Table, load: Load, kept: Copies, *, lab: bool = False) -> int:
    """Return the bytes that a full backup takes under /var while it is made: ClickHouse's, and what is to be sent."""
    events = disk(host, table, load, lab=lab).get("clickhouse", 0)
    return events * (2 if kept.away else 1)


def disk(host: Host, table: Table, load: Load, *, lab: bool = False) -> dict[str, int]:
    """Return the bytes on disk that each store of this host is to have room for. In the lab nothing lives for long."""
    running = [row for row in table.services if row.tier in host.roles]
    images = set(borrowing.images(running))
    kept = load.events_a_day * load.keep_days if table.services else 0
    rows = {"system": _fact("system"), "journal": _fact("journal")}
    if images:
        rows["images"] = _fact("images_kept") * sum(size_of(table.images[image].size) for image in images)
    if "data" in host.roles:
        rows["postgresql"] = _fact("postgres") + kept * _fact("postgres_event")
        rows["postgresql's journal"] = _fact("postgres_wal") + _fact("postgres_slots") + _fact("postgres_temporary")
        rows["valkey"] = _fact("valkey")
    if any(row.name == "clickhouse" for row in running):
        rows["clickhouse"] = kept * _fact("clickhouse_event")
        rows["clickhouse's own tables"] = _fact("clickhouse_logs_days") * _fact("clickhouse_logs_day")
    if any(row.name == "kafka" for row in running):
        rows["event log"] = sum(topic(name, load) + _fact("eventlog_segment") for name in table.topics)
    if any(row.name == "seaweedfs" for row in running):
        rows["object storage"] = object_volumes(load) * VOLUME
    if lab:
        rows = {name: min(size, _fact("lab")) for name, size in rows.items()}
    return {**rows, "headroom": load.reserve}


ON_ROOT = ("system", "journal", "images", "backups")
"""What stays on a host's own disk where the stores have an encrypted volume."""


def apart(wanted: Budget) -> tuple[dict[str, int], dict[str, int]]:
    """Return what a host's own disk must have room for, and what an encrypted volume must."""
    own = {name: size for name, size in wanted.items() if name in ON_ROOT}
    stores = {name: size for name, size in wanted.items() if name not in ON_ROOT}
    return {**own, "headroom": wanted.get("headroom", 0)}, stores


def eventlog_days(load: Load) -> int:
    """Return for how many days the event log keeps what was stored elsewhere meanwhile."""
    return min(load.keep_days, _fact("eventlog_days"))


def topic(name: str, load: Load) -> int:
    """Return the most bytes that a topic of the event log keeps; what is older goes, read or not."""
    waiting = eventlog_days(load) * load.events_a_day
    if name in FLOW:
        return max(_fact("eventlog_whole"), waiting * _fact("eventlog_event"))
    return max(_fact("eventlog_whole" if name in WHOLE else "eventlog_least"), waiting * _fact("eventlog_trace"))


def object_volumes(load: Load) -> int:
    """Return how many volumes object storage may have: what is declared fits, and it takes no more than that."""
    needed = _fact("objects") + load.events_a_day * load.keep_days * _fact("objects_event")
    return max(LEAST_VOLUMES, -(-needed // VOLUME))


def growth(host: Host, table: Table, load: Load) -> int:
    """Return the bytes that a day of events adds on this host; 0 where nothing grows without an end."""
    running = {row.name for row in table.services if row.tier in host.roles}
    each = _fact("clickhouse_event") if "clickhouse" in running else 0
    each += _fact("objects_event") if "seaweedfs" in running else 0
    each += _fact("postgres_event") if "data" in host.roles and table.services else 0
    return each * load.events_a_day


def days_left(free: int, a_day: int, load: Load) -> int | None:
    """Return for how many days there is room until events are refused; None where nothing grows without an end."""
    return measured.days_left(free, a_day, load.reserve)


def memory(host: Host, table: Table, *, lab: bool = False) -> dict[str, int]:
    """Return the bytes of memory that each consumer of this host may take."""
    if lab:
        return {role: LAB_MEMORY[role].value for role in host.roles}
    rows = {"system": MEMORY["system"].value}
    if "edge" in host.roles:
        rows["edge"] = MEMORY["edge"].value
    if "data" in host.roles:
        rows |= {name: MEMORY[name].value for name in ("postgres", "valkey")}
    return rows | {row.name: size_of(row.memory) for row in table.services if row.tier in host.roles}


def enough_memory(found: int, needed: int) -> bool:
    """Tell whether a host that says it has `found` bytes is as large a machine as is needed.

    What the services may take are ceilings, which are not all reached at once: the few percent that firmware and kernel
    keep are no reason to refuse a machine of the right size.
    """
    return found >= needed * FOUND


def machine(needed: int) -> int:
    """Return the GiB of memory of the smallest machine that is large enough."""
    return next((size for size in SOLD_AS if size * GIB >= needed), SOLD_AS[-1])


def size_of(text: str) -> int:
    """Read a size such as 512m."""
    return int(text[:-1]) * UNITS[text[-1]]


def in_words(rows: Budget, most: int = 4) -> str:
    """Return the largest rows of a budget in GiB, for an error that explains itself."""
    ordered: Sequence[tuple[str, int]] = sorted(rows.items(), key=lambda row: -row[1])
    shown = [f"{name} {size / GIB:.1f}" for name, size in ordered[:most]]
    rest = sum(size for _name, size in ordered[most:])
    return ", ".join([*shown, f"the rest {rest / GIB:.1f}"] if rest else shown)


def _fact(name: str) -> int:
    return FACTS[name].value

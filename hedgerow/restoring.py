"""Backups of a running deployment: made, listed, read back and restored, by the program on its data host."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hedgerow import ssh
from hedgerow.errors import CallError, HedgerowError, UnreachableError
from hedgerow.flow import Work
from hedgerow.hosts import Host, Site
from hedgerow.images import table_of
from hedgerow.variables import data_host

PROGRAM = "/usr/local/lib/hedgerow/backup"
HELP = 2
"""How the program ends that was told what it does not know."""
DAY = 24 * 3600.0
LATEST = "latest"
STOPS = 6
"""How often services are told to stop. One that ended and comes back by itself starts those that it wants, and systemd
then cancels their stop; those that were stopped before it do not come back, so that each round has fewer."""
STORES = {"events": "clickhouse", "queues": "valkey"}
"""The stores that go back to a backup and to no moment: part of a Moment -> name in a manifest."""
POSTGRESQL = "%Y-%m-%d %H:%M:%S.%f+00"


class BackupError(HedgerowError):
    """A backup could not be made, or is not as it was made. Exit code 1: something that was promised does not hold."""

    exit_code = 1


@dataclass(frozen=True)
class Moment:
    """What to go back to: the backup `id`, and from there on to `at` (as PostgreSQL writes it; "": to its own end).

    ClickHouse has no journal: it goes back to the backup `events`, without what came after `at`; "": it stays as it is.
    So has Valkey: it goes back to the backup `queues`, and to no moment, for what waited then was done since.
    """

    id: str
    at: str = ""
    events: str = ""
    queues: str = ""


def demand_declared(work: Work) -> None:
    """Raise CallError where no backup is declared."""
    if work.declaration.backup is None:
        raise CallError(
            f"{work.declaration.name} declares no backup",
            "Write backup: {to: /mnt/backup} in deploy.yml and install.",
        )


def ask(work: Work, host: Host, *words: str, seconds: float = 120) -> tuple[int, dict[str, Any]]:
    """Have the program on the host do something; return its exit code and answer. Raises BackupError."""
    # ssh hands the far shell one line, so each word is quoted for it.
    line = ["sudo", "-n", shlex.join([PROGRAM, *words])]
    answer = ssh.ask(host, work.deployment.known_hosts, line, seconds=seconds)
    try:
        said = json.loads(answer.stdout.strip().rpartition("\n")[2])
    except ValueError:
        why = answer.stderr.strip()[-600:] or "it said nothing"
        if "command not found" in why:
            raise CallError(f"{host.name} has no backups yet", "Run install first.") from None
        if answer.returncode == HELP:
            raise CallError(
                f"{host.name}: its program for backups is of an older Hedgerow, which cannot {words[0]} so",
                "Run install first, with the release and the images that run there.",
            ) from None
        raise BackupError(f"{host.name}: {words[0]} gave no answer: {why}") from None
    if "refused" in said:
        raise BackupError(f"{host.name}: {said['refused']}")
    return answer.returncode, said


def make(work: Work, site: Site, say: Callable[[str], None]) -> dict[str, Any]:
    """Make a backup now, as the timer does, and return it. Raises BackupError with the unit's last words."""
    host = data_host(site)
    say(f"{host.name} makes a backup and reads it back")
    unit = "hedgerow-backup.service"
    answer = ssh.ask(host, work.deployment.known_hosts, ["sudo", "-n", "systemctl", "start", unit], seconds=DAY)
    if answer.returncode != 0:
        words = ["sudo", "-n", "journalctl", "-q", "-u", unit, "-n", "8", "-o", "cat", "--no-pager"]
        said = ssh.ask(host, work.deployment.known_hosts, words).stdout.strip()
        raise BackupError(
            f"{host.name}: the backup failed: {said or answer.stderr.strip()}",
            "See that its place is there and not full.",
        )
    return listed(work, site)["backups"][0]


def listed(work: Work, site: Site) -> dict[str, Any]:
    """Return where backups lie and every one of them, the newest first."""
    return ask(work, data_host(site), "list")[1]


def verify(work: Work, site: Site, name: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Read a backup whole ("": the newest) and return what is wrong with it."""
    say(f"reading {name or 'the newest backup'} from end to end")
    return ask(work, data_host(site), "verify", *([name] if name else []), seconds=DAY)[1]


def chosen(backups: list[dict[str, Any]], name: str, at: str, now: datetime) -> Moment:
    """Return what `--from` and `--at` mean among these backups. Pure. Raises CallError.

    Events of a moment are in the first backup after it, which is cut, or as far as the newest before it had them; those
    of a backup that was named are the ones that it has.
    """
    if not backups:
        raise CallError("there is no backup to restore", "`backup now` makes one.")
    known = {row["id"]: row for row in backups}
    if name and name not in known:
        raise CallError(f"there is no backup {name}", f"There are: {', '.join(known)}.")
    if not at:
        return end_of(known[name or next(iter(known))])
    moment = now if at == LATEST else _moment(at)
    if moment > now + timedelta(seconds=1):
        raise CallError(f"{at} has not come yet", "Say --at latest for all that was archived.")
    before = [row["id"] for row in backups if not row["problem"] and _moment(row["finished"]) <= moment]
    if name and name not in before:
        raise CallError(f"backup {name} ended after {at}", "Leave out --from, or name an earlier one.")
    if not before:
        oldest = min((row["finished"] for row in backups if not row["problem"]), default="never")
        raise CallError(f"no backup ended before {at}; the oldest ended {oldest}", "Name a later moment.")
    found = name or max(before)
    base = known[found]
    to = LATEST if at == LATEST else moment.strftime(POSTGRESQL)
    if not _events(base):
        return Moment(found, to)
    return Moment(found, to, found if name else _first_after(backups, base, moment))


def end_of(row: dict[str, Any]) -> Moment:
    """Return what a backup was made of, whole: every store that it holds, as it was when it ended. Pure."""
    return Moment(row["id"], **{part: row["id"] for part, store in STORES.items() if store in row.get("holds", {})})


def _first_after(backups: list[dict[str, Any]], base: dict[str, Any], moment: datetime) -> str:
    """Return the first backup that has all events up to a moment, or `base`, the newest before it.

    One with fewer rows of any table than `base` had is not trusted: what it lacks was deleted or lost in between.
    """
    for row in sorted(backups, key=lambda row: row["id"]):
        held = {} if row["problem"] else _events(row)
        if held and _moment(held["taken"]) >= moment:
            whole = all(held["rows"].get(table, 0) >= count for table, count in _events(base)["rows"].items())
            return str(row["id"] if whole else base["id"])
    return str(base["id"])


def _events(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a backup says of ClickHouse, nothing where it holds nothing of it."""
    found: dict[str, Any] = row.get("holds", {}).get("clickhouse", {})
    return found


def misses_events(backups: list[dict[str, Any]], moment: Moment) -> float:
    """Return for how many seconds before the moment events are not in the backup that they are taken from. Pure."""
    held = next((_events(row) for row in backups if row["id"] == moment.events), {})
    if not held or not moment.at or moment.at == LATEST:
        return 0.0
    return max(0.0, (_moment(moment.at) - _moment(held["taken"])).total_seconds())


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CallError(f"{text} is no moment", "Write it in UTC: 2026-02-01T13:30:00Z.") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def stop_writers(work: Work, site: Site, say: Callable[[str], None]) -> None:
    """Stop what writes to the stores: the services in the reverse of their order, so that nobody loses what it sent.

    The edge stays: it refuses events meanwhile, and their senders keep them. Raises UnreachableError.
    """
    rows = [row for row in table_of(work.declaration).services if row.tier == "app"]
    units = [f"hedgerow-{row.name}.service" for row in reversed(rows)]
    for host in site.hosts:
        if "app" not in host.roles or not units:
            continue
        say(f"stopping {len(units)} services on {host.name}")
        words = ["sudo", "-n", "systemctl", "stop", *units]
        for _ in range(STOPS):
            answer = ssh.ask(host, work.deployment.known_hosts, words, seconds=900)
            if answer.returncode in (0, 5):  # 5: one of them is not there yet, on a host that was never whole
                break
        else:
            raise UnreachableError(f"{host.name}: could not stop its services: {answer.stderr.strip()[-300:]}")


def clock(work: Work, site: Site) -> str:
    """Return the moment it is on the data host, as PostgreSQL writes it: all that was committed there is before it."""
    words = ["sudo", "-n", "date", "-u", "+%Y-%m-%dT%H:%M:%S.%6NZ"]
    answer = ssh.ask(data_host(site), work.deployment.known_hosts, words)
    return _moment(answer.stdout.strip()).strftime(POSTGRESQL)


def restore(work: Work, site: Site, moment: Moment, say: Callable[[str], None]) -> dict[str, Any]:
    """Put the stores back on the data host and wait until they answer. Raises BackupError."""
    host = data_host(site)
    further = ((moment.queues, "Valkey"), (moment.events, "ClickHouse"))
    others = "".join(f", {store} from {name}" for name, store in further if name)
    say(f"{host.name}: PostgreSQL from {moment.id}{f' to {moment.at}' if moment.at else ''}{others}")
    return ask(work, host, "restore", moment.id, moment.at, moment.events, moment.queues, seconds=DAY)[1]

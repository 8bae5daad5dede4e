"""Backups, asked of pgBackRest, of PostgreSQL's archiver and of what lies at their place."""

from __future__ import annotations

import json
import re
import shlex
from datetime import datetime

import pytest

from checks import timers
from checks.gathered import walk
from checks.sql import sql
from hedgerow.checking import CouldNotAsk, NotExercised

OLDEST = 30 * 3600
ENCRYPTED = "Salted__"
INFORMATION = "runuser -u postgres -- pgbackrest --stanza=hedgerow --output=json info && echo && date +%s"
TIMER = timers.QUESTION.format("hedgerow-backup")
LAST = "systemctl show -p Result --value hedgerow-backup.service"
ARCHIVED = "find {place}/postgres/archive -type f -printf '%f\\n'"
# Where backups do not lie on the host pgBackRest alone reaches them; its first answer names each file with its size.
AWAY = "runuser -u postgres -- pgbackrest --stanza=hedgerow --log-level-console=off --log-level-stderr=error"
LISTED = f"{AWAY} --output=json --recurse repo-ls"
ARCHIVED_AWAY = f"{AWAY} --recurse repo-ls archive/hedgerow | sed 's|.*/||'"
# It ends with 1 where a file went since it was listed, as what is being written does when it gets its name.
GONE = "gone"
BEGINNING = (
    f"{{{{ {AWAY} --raw --ignore-missing repo-get {{file}} || test $? -ne 1 || printf {GONE}; }}}} | head -c 8; echo"
)
MOST = 24
SEGMENT = "[0-9A-F]{24}"
DRILLED = "cat /etc/hedgerow/backup/drilled.json || test ! -e /etc/hedgerow/backup/drilled.json"
# The upper half of a cluster's identifier is the second in which it was made; a restore keeps it (xlog.c).
BEGAN = sql("select system_identifier >> 32 from pg_control_system()")
RESTORE_HOURS = 72
DAY = 86400
LOOK = "/usr/local/lib/hedgerow/backup look"
ARCHIVER = sql(
    "select json_build_object('mode', current_setting('archive_mode'), 'command', current_setting('archive_command'),"
    " 'last', last_archived_wal, 'failing', coalesce(last_failed_time > coalesce(last_archived_time, 'epoch'), false),"
    " 'waiting', (select count(*) from pg_ls_archive_statusdir() where name like '%.ready'"
    " and modification < now() - interval '10 minutes')) from pg_stat_archiver"
)


# The shell's own `read`, so that a thousand files cost no thousand processes.
READABLE = """find {place} -type f -size +0 ! -path '*/sets/*/manifest.*' -print0 | {{ count=0
while IFS= read -r -d '' file; do count=$((count + 1))
  LC_ALL=C IFS= read -r -N 8 begins <"$file" 2>/dev/null
  test "$begins" = {encrypted} || ! test -e "$file" || echo "$file"
done; echo "$count"; }}"""


def readable(place):
    """Return the question which files do not begin as encrypted ones do, and how many there are."""
    return READABLE.format(place=shlex.quote(place), encrypted=ENCRYPTED)


@pytest.fixture
def place(declared):
    """Return the folder of the backups, or say that there is none to ask about."""
    if not declared.backup:
        raise NotExercised("no backup is declared (backup in deploy.yml)")
    return declared.backup


@pytest.mark.control("backup.recent")
def test_one_is_young_and_the_next_will_come(host, finding, place, sheet):
    events = "clickhouse" in sheet.declared.services
    stores = {"postgres": "PostgreSQL", "valkey": "Valkey"} | ({"clickhouse": "ClickHouse"} if events else {})
    named = ", ".join(stores.values())
    finding.expect(f"a good backup of {named} in {OLDEST // 3600} hours, a timer that waits, and no failed run")
    said, now = finding.ask(host, INFORMATION, timeout=60).stdout.strip().rsplit("\n", 1)
    good = [row["timestamp"]["stop"] for row in json.loads(said)[0].get("backup", ()) if not row.get("error")]
    waits = timers.comes_again(finding.ask(host, TIMER).stdout)
    last = finding.ask(host, LAST).stdout.strip()
    holds = json.loads(finding.ask(host, LOOK, timeout=60, codes=(0, 1)).stdout).get("holds", [])
    age = int(now) - max(good, default=0)
    old = f"the newest is {age // 3600} hours old" if good else "there is none"
    finding.observe(
        f"{len(good)} backups, {old}; the timer {'waits' if waits else 'does not wait'}; last run {last};"
        f" the newest holds {', '.join(holds) or 'nothing'}"
    )
    assert good, f"there is no backup in {place}"
    assert age <= OLDEST, old
    assert waits, "no timer waits: nobody makes the next one"
    assert last == "success", f"the last run ended with {last}"
    lacking = [name for store, name in stores.items() if store not in holds]
    assert not lacking, f"the newest holds nothing of {' and '.join(lacking)}"


def some(files):
    """Return of files, each with its time, those that are read: strangers to pgBackRest and to us, then the newest."""
    ours = re.compile(r"(archive|backup)/hedgerow/.+|sets/[0-9]{8}T[0-9]{6}Z/[a-z]+(\.[0-9]{3,})?\.enc")
    kept = {name: time for name, time in files.items() if not re.match(r"sets/[^/]+/manifest\.", name)}
    return sorted(kept, key=lambda name: (bool(ours.fullmatch(name)), -kept[name], name))[:MOST]


def read_away(host, finding):
    """Return how many files lie there, and which of some are readable: to read each would be to restore it."""
    finding.expect(f"of {MOST} files, those first that neither pgBackRest nor we have placed, each begins as encrypted")
    told = json.loads(finding.ask(host, LISTED, timeout=120).stdout)
    files = {name: row["time"] for name, row in told.items() if row["type"] == "file" and row["size"]}
    begins = {
        name: finding.ask(host, BEGINNING.format(file=shlex.quote(name)), timeout=60).stdout.strip()
        for name in some(files)
    }
    # A file of just that word's size may say the word itself.
    went = {name for name, begin in begins.items() if begin == GONE and told[name]["size"] != len(GONE)}
    return len(files), [name for name, begin in begins.items() if begin != ENCRYPTED and name not in went]


def read_here(host, finding, place):
    """Return how many files lie in a folder of the host's, and which are readable."""
    finding.expect("every file but manifests begins as an encrypted one")
    lines = walk(host, finding, readable(place), timeout=120)
    return int(lines.pop()), lines


@pytest.mark.control("backup.encrypted")
def test_nothing_lies_readable(host, finding, place):
    """Manifests name files and hold nothing of a store; all else begins as OpenSSL's encrypted files do."""
    count, plain = read_away(host, finding) if "://" in place else read_here(host, finding, place)
    finding.observe(f"{count} files, {len(plain)} of them readable")
    if not count:
        raise CouldNotAsk(f"there is nothing in {place}")
    assert not plain, f"not encrypted: {', '.join(plain[:3])}"


def number(segment):
    """Return which piece of the journal a segment is, whatever its timeline: pieces of 16 MiB, 256 to a file's name."""
    return int(segment[8:16], 16) * 256 + int(segment[16:24], 16)


def missing(archived, start, last):
    """Return how many pieces of the journal are not there, from the newest backup's first to the last archived."""
    if not re.fullmatch(SEGMENT, start) or not re.match(SEGMENT, last):
        return 0
    there = {number(name) for name in archived if re.match(SEGMENT, name)}
    return len(set(range(number(start), number(last) + 1)) - there)


@pytest.mark.control("backup.journal-archived")
def test_the_journal_goes_along(host, finding, place):
    """What the server says that it has archived must be there: a command that only says yes loses everything.

    So must all before it, back to the newest backup: behind a hole no moment can be gone back to.
    """
    finding.expect("archiving on, by pgBackRest, nothing waiting, and all pieces since the newest backup at its place")
    told = json.loads(finding.ask(host, ARCHIVER).stdout)
    last = told["last"] or ""
    # A segment's name goes on with its sum; the history of a timeline, which a restore begins, has its name alone.
    away = "://" in place
    listing = ARCHIVED_AWAY if away else ARCHIVED.format(place=shlex.quote(place))
    archived = finding.ask(host, listing, timeout=120).stdout.splitlines() if away else walk(host, finding, listing)
    said, _ = finding.ask(host, INFORMATION, timeout=60).stdout.strip().rsplit("\n", 1)
    starts = [row["archive"]["start"] for row in json.loads(said)[0].get("backup", ()) if not row.get("error")]
    holes = missing(archived, starts[-1] if starts else "", last)
    there = bool(last) and any(name.startswith(last) for name in archived)
    finding.observe(
        f"archive_mode {told['mode']}, the last piece {'is there' if there else f'({last}) is not there'},"
        f" {told['waiting']} waiting for ten minutes, {holes} missing since the newest backup"
    )
    assert told["mode"] in ("on", "always"), "the journal is archived nowhere"
    assert "pgbackrest" in told["command"], "the journal is handed to another command"
    assert not told["failing"], "the last try to archive failed"
    assert not told["waiting"], f"{told['waiting']} pieces of the journal wait for longer than ten minutes"
    assert last, "nothing was archived yet"
    assert there, f"{last} was archived, says PostgreSQL, and is not there"
    assert not holes, f"{holes} pieces of the journal since the newest backup are not there"


@pytest.mark.control("backup.verified")
def test_the_newest_was_read_back(host, finding, place):
    finding.expect("the newest backup read whole once, as it was made, and its files there with their sizes")
    told = json.loads(finding.ask(host, LOOK, timeout=60, codes=(0, 1)).stdout)
    if "refused" in told:
        raise CouldNotAsk(told["refused"])
    read = told["read"] or {}
    finding.observe(f"newest {told['id'] or 'none'}; read whole: {read.get('id', 'never')} at {read.get('at', '-')}")
    assert told["id"], f"there is no backup in {place}"
    assert not told["problems"], "; ".join(told["problems"][:3])
    assert read.get("id") == told["id"], "the newest was never read back"
    assert not read.get("problems"), "; ".join(read["problems"][:3])


def drill_of(told, now, days, began):
    """Return why the last drills do not hold, "" where they do; raises NotExercised while the first is not due yet."""
    good, bad = told.get("good"), told.get("bad")
    if bad and (not good or bad["at"] > good["at"]):
        return f"the last drill, of {bad['at']}, found: {'; '.join(bad['problems'])}"
    if not good:
        age = int(now - began) // DAY
        if age <= days:
            raise NotExercised(f"no drill yet; the data are {age} days old, and it is due when they are {days}")
        return f"no drill yet, and the data are {age} days old"
    age = int(now - datetime.fromisoformat(good["at"]).timestamp()) // DAY
    if age > days:
        return f"the last good drill is {age} days old"
    hours = good["seconds_to_restore"] / 3600
    return f"the restore took {hours:.0f} hours" if hours > RESTORE_HOURS else ""


@pytest.mark.control("backup.drilled")
def test_one_was_restored_elsewhere(host, finding, place, declared):
    if not declared.drill_days:
        raise NotExercised("drills are for labs in this release; restore onto a host of yours now and then")
    finding.expect(
        f"a restore onto another host within {declared.drill_days} days that went well and took {RESTORE_HOURS} hours"
        " at most"
    )
    told = json.loads(finding.ask(host, DRILLED).stdout or "{}")
    began, now = finding.ask(host, f"{BEGAN} && date +%s").stdout.split()
    if good := told.get("good"):
        finding.observe(
            f"{good['at']}: backup {good['backup']} restored in {good['seconds_to_restore']:.0f} s,"
            f" {good['tables']} tables with {good['rows']} rows as they were;"
            f" the journal ended {good['lost_seconds']:.0f} s before"
        )
    why = drill_of(told, int(now), declared.drill_days, int(began))
    assert not why, why

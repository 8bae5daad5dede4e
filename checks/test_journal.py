"""The record: where the journal is written, how long it is kept, and who reads it."""

from __future__ import annotations

import json

import pytest

from checks.gathered import accounts, loaded, members
from hedgerow.checking import CouldNotAsk

WRITTEN = "ls -l /proc/$(systemctl show systemd-journald -p MainPID --value)/fd"
SETTINGS = "systemd-analyze cat-config systemd/journald.conf"
FILES = "/etc/systemd/journald.conf /etc/systemd/journald.conf.d /usr/lib/systemd/journald.conf.d"

# An account that belongs to nothing, in no group, asks for the latest record.
AS_NOBODY = "setpriv --reuid=nobody --regid=nogroup --clear-groups journalctl -q --no-pager -n 1 -o cat"
READERS = ("systemd-journal", "adm")

# What journald itself said of its limits when it last opened the record (journalctl -x, SD_MESSAGE_JOURNAL_USAGE).
LIMITS = (
    "journalctl --sync; journalctl -q --no-pager -o json -n 1"
    " MESSAGE_ID=ec387f577b844b8fa948f33cad9a75e6 JOURNAL_NAME='System Journal'"
)

ASK_AHEAD = (WRITTEN, SETTINGS, AS_NOBODY, LIMITS)

SIX_YEARS_DAYS = 2192
LEAST_BURST = 10_000
MOST_BYTES = 4 << 30
LEAST_FREE_BYTES = 1 << 30


def settings(host, finding) -> dict[str, str]:
    """Return journald's settings as systemd puts its files together; the last one counts (journald.conf(5))."""
    loaded(host, finding, "systemd-journald.service", FILES)
    lines = [line.strip() for line in finding.ask(host, SETTINGS).stdout.splitlines()]
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith(("#", ";")))


def microseconds(host, finding, span: str) -> int:
    """Return a time span of systemd's in microseconds; systemd itself reads it."""
    said = finding.ask(host, f"systemd-analyze timespan '{span}'").stdout
    for line in said.splitlines():
        label, _, value = line.partition(":")
        if label.strip() in {"μs", "µs", "us"}:
            return int(value)
    raise CouldNotAsk(f"systemd-analyze did not say how long {span} is")


@pytest.mark.control("journal.persistent")
def test_the_journal_is_written_to_disk(host, finding):
    """The files that journald has open tell where it writes, whatever its settings say."""
    finding.expect("journald writes to /var/log/journal")
    # 1 is ls's word for one entry that was gone before it was read: a client of journald's that just left.
    listed = [line for line in finding.ask(host, WRITTEN, codes=(0, 1)).stdout.splitlines() if " -> " in line]
    if not listed:
        raise CouldNotAsk("journald does not run, or has no file open that could be seen")
    opened = [line.rpartition(" -> ")[2] for line in listed if ".journal" in line]
    finding.observe(f"journald writes {', '.join(sorted(opened)) or 'no file'}")
    assert opened, "journald has no journal open"
    fleeting = [path for path in opened if not path.startswith("/var/log/journal/")]
    assert not fleeting, f"gone after a restart: {', '.join(fleeting)}"


@pytest.mark.control("journal.kept-six-years")
def test_the_journal_is_kept(host, finding):
    """The limit in time must be said; without one only the disk decides, and nobody knows for how long."""
    finding.expect(f"MaxRetentionSec of {SIX_YEARS_DAYS} days or more, SystemMaxUse stated")
    stated = settings(host, finding)
    kept, room = stated.get("MaxRetentionSec", ""), stated.get("SystemMaxUse", "")
    finding.observe(f"MaxRetentionSec={kept or '(not stated)'}, SystemMaxUse={room or '(not stated)'}")
    assert kept, "nothing states how long the record is kept"
    days = microseconds(host, finding, kept) // 86_400_000_000
    assert days >= SIX_YEARS_DAYS or days == 0, f"the record is kept for {days} days"
    assert room, "the room for the record is left to chance (10 % of the disk)"


@pytest.mark.control("journal.private")
def test_only_administrators_read_the_journal(host, finding, declared):
    """Asked as an account without rights; and the groups that may read hold nobody undeclared."""
    finding.expect("an account without rights reads nothing; the groups that read hold declared people only")
    shown = finding.ask(host, AS_NOBODY, codes=(0, 1))
    allowed = {*declared.administrators, declared.installer_account}
    software = {account.name for account in accounts(host, finding) if not account.person}
    strangers = set().union(*(members(host, finding, group) for group in READERS)) - allowed - software
    read = bool(shown.stdout.strip())
    finding.observe(
        f"an account without rights {'reads the journal' if read else 'reads nothing'};"
        f" readers beyond the declared: {', '.join(sorted(strangers)) or 'none'}"
    )
    assert not read, "everybody on the host can read the journal"
    assert not strangers, f"may read the journal: {', '.join(sorted(strangers))}"


@pytest.mark.control("journal.rate-not-lossy")
def test_bursts_are_not_dropped(host, finding):
    """journald drops what a service writes beyond its burst within the interval; 0 switches that off."""
    finding.expect(f"RateLimitIntervalSec=0, or RateLimitBurst of {LEAST_BURST} or more")
    stated = settings(host, finding)
    interval, burst = stated.get("RateLimitIntervalSec", "30s"), stated.get("RateLimitBurst", "10000")
    finding.observe(f"RateLimitIntervalSec={interval}, RateLimitBurst={burst}")
    off = microseconds(host, finding, interval) == 0 or burst == "0"
    assert off or int(burst) >= LEAST_BURST, f"of more than {burst} messages in {interval} the rest is lost"


@pytest.mark.control("journal.bounded")
def test_the_record_leaves_room(host, finding):
    """Asked of what the running journald reported; it says so each time it opens the record."""
    finding.expect("journald reports a limit of at most 4 GiB, and at least 1 GiB kept free for others")
    said = finding.ask(host, LIMITS).stdout.strip()
    if not said:
        raise CouldNotAsk("journald has not reported its limits: has it been restarted since the record began anew?")
    report = json.loads(said)
    most, kept_free = int(report["MAX_USE"]), int(report["DISK_KEEP_FREE"])
    finding.observe(f"MAX_USE {most >> 20} MiB, DISK_KEEP_FREE {kept_free >> 20} MiB")
    assert most <= MOST_BYTES, f"the record may take {most >> 20} MiB"
    assert kept_free >= LEAST_FREE_BYTES, f"the record leaves no more than {kept_free >> 20} MiB free"

"""Taking what we brought off a machine that is somebody's own: services ended, data overwritten, keys of disks erased.

The machine stays, and stays hardened: accounts, firewall and SSH as they are, the record of what people did there too.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

from hedgerow import ssh
from hedgerow.errors import UnreachableError
from hedgerow.hosts import Change, Host

PROGRAM = Path(__file__).with_name("program.py")
DATA = (
    *("/var/lib/postgresql", "/var/lib/valkey", "/var/lib/containers"),
    # One by one: what PAM was and what a guarded change would undo lie there too, and the machine stays hardened.
    *(f"/var/lib/hedgerow/{name}" for name in ("posthog", "from-images", "backup", "health")),
    *("/etc/containers/systemd", "/etc/hedgerow", "/etc/pgbackrest", "/var/lib/pgbackrest", "/var/spool/pgbackrest"),
    *("/var/log/postgresql", "/var/log/nginx", "/var/log/pgbackrest", "/var/log/valkey"),
)
"""Where PostHog's data, our keys and what services wrote about both lie, on a host of any role."""
RECORDS = ("/var/log/journal", "/var/log/audit")
"""Who did what on the host: documentation, kept for six years (45 CFR 164.316(b)(2)(i))."""
DAY = 24 * 3600.0
LIMITS = (
    "Overwriting reaches the blocks that a file has now: not copies that a copy-on-write file system, a snapshot, a"
    " journal or a flash disk's own wear levelling keeps. Where a disk leaves the house, erase the whole of it by its"
    " own command, or destroy it (NIST SP 800-88).",
    "The machines stay, hardened, and their records of who did what stay on them: /var/log/journal, /var/log/audit.",
)
"""What no wiping from within a running system can promise; each record says so."""


def wipe(host: Host, known_hosts: Path, keep: str, say: Callable[[str], None]) -> list[Change]:
    """End what is ours on a host and destroy its data; `keep` is a folder of backups that stays, "" for none.

    What could not be done has the action "failed". Raises UnreachableError.
    """
    say(f"{host.name}: ending services, overwriting data")
    asked = json.dumps({"data": DATA, "keep": keep})
    line = ["sudo", "-n", "python3", "-", shlex.quote(asked)]
    answer = ssh.ask(host, known_hosts, line, stdin=PROGRAM.read_text(encoding="utf-8"), seconds=DAY)
    try:
        rows = json.loads(answer.stdout)
    except ValueError:
        why = answer.stderr.strip()[-600:] or "it said nothing"
        raise UnreachableError(
            f"{host.name} could not be wiped: {why}", "Run destroy again once that is mended."
        ) from (None)
    kept = [Change("keep", "records", f"{host.name}:{place}", "who did what: kept for six years") for place in RECORDS]
    return [change_of(host.name, row) for row in rows] + kept


def change_of(host: str, row: dict[str, str]) -> Change:
    """Return what the program on the host says of one thing."""
    return Change(row["action"], row["kind"], f"{host}:{row['name']}", row["how"])

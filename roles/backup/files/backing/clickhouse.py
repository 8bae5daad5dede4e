"""ClickHouse's part: its own BACKUP and RESTORE, asked for over HTTPS by a user that may do that and no service has.

It writes into a folder of its volume, from which the backup is packed and encrypted. A backup goes on from the full one
of its week (`base_backup`): of that one only ClickHouse's own list of files (`.backup`) has to stay there.
"""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import ssl
import time
import urllib.parse
from pathlib import Path

from backing.base import RefusedError, command
from backing.pieces import packed, unpacked

UNIT = "hedgerow-clickhouse.service"
PASSWORD = Path("/etc/hedgerow/backup/clickhouse.pass")
AUTHORITY = "/etc/hedgerow/ca.crt"
NAME = "clickhouse"
LIST = ".backup"
PATIENCE, LONG = 120, 24 * 3600
# When a row came, the best column first: upstream's events have the first two, what it writes itself the last.
TIMES = ("inserted_at", "_timestamp", "created_at")
GONE = ("BACKUP_FAILED", "BACKUP_CANCELLED", "RESTORE_FAILED", "RESTORE_CANCELLED")
DONE = ("BACKUP_CREATED", "RESTORED")


class ClickHouse:
    """ClickHouse as this host reaches it, and the folder of its volume in which it writes backups.

    `config` is `clickhouse` of the program's configuration: address, port, name, user, database and folder.
    """

    def __init__(self, config: dict, password: str = "") -> None:
        self.config, self.password = config, password or PASSWORD.read_text().strip()
        self.database, self.folder = config["database"], Path(config["folder"])
        self.context = ssl.create_default_context(cafile=AUTHORITY)

    def ask(self, query: str, seconds: float = PATIENCE, settings: dict[str, int] | None = None) -> str:
        """Return the answer. Raises RefusedError with ClickHouse's own words."""
        place, name = (self.config["address"], self.config["port"]), self.config["name"]
        connection = http.client.HTTPSConnection(name, place[1], timeout=seconds)
        headers = {"X-ClickHouse-User": self.config["user"], "X-ClickHouse-Key": self.password}
        try:
            # Its name is known to the services alone; to this host it is at an address, with that name to prove.
            plain = socket.create_connection(place, timeout=seconds)
            connection.sock = self.context.wrap_socket(plain, server_hostname=name)
            words = urllib.parse.urlencode({"wait_end_of_query": 1, **(settings or {})})
            connection.request("POST", f"/?{words}", query.encode(), headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise RefusedError(f"ClickHouse does not answer ({error})") from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise RefusedError(f"ClickHouse refused `{' '.join(query.split()[:2])}`: {text.strip()[:600]}")
        return text.strip()

    def rows(self, query: str) -> list[dict]:
        return [json.loads(line) for line in self.ask(f"{query} FORMAT JSONEachRow").splitlines()]

    def done(self, query: str) -> None:
        """Have it back up or restore, and wait for however long that takes. Raises RefusedError."""
        number = self.ask(f"{query} ASYNC").split("\t")[0]
        while True:
            told = self.rows(f"SELECT status, error FROM system.backups WHERE id = '{number}'")  # noqa: S608 - its own names
            if not told or told[0]["status"] in GONE:
                why = told[0]["error"][:600] if told else "it does not know of it any more: was it restarted?"
                raise RefusedError(f"ClickHouse: `{' '.join(query.split()[:3])}` failed: {why}")
            if told[0]["status"] in DONE:
                return
            time.sleep(0.5)

    def clock(self) -> str:
        """Return the moment it is there: what it took in before is in a backup that begins now."""
        return self.ask("SELECT formatDateTime(now64(6, 'UTC'), '%Y-%m-%dT%H:%i:%S.%fZ')")

    def tables(self) -> dict[str, int]:
        """Return the rows of each table that keeps some."""
        query = f"SELECT name, total_rows FROM system.tables WHERE database = '{self.database}'"  # noqa: S608 - its own names
        kept = f"{query} AND engine LIKE '%MergeTree' AND name NOT LIKE '.inner%'"
        return {row["name"]: int(row["total_rows"]) for row in self.rows(kept)}

    def back_up(self, name: str, base: str, into: Path) -> dict:
        """Make a backup, going on from `base` where ClickHouse still has its list; return what it holds."""
        base = base if base and (self.folder / base / LIST).is_file() else ""
        self.tidy(base)
        taken = self.clock()
        more = f" SETTINGS base_backup = File('{base}')" if base else ""
        self.done(f"BACKUP DATABASE {self.database} TO File('{name}'){more}")
        held = {"kind": "incr" if base else "full", "base": base, "taken": taken, "rows": self.tables()}
        packed(self.folder / name, into, NAME)
        self.tidy(base or name)
        return held

    def tidy(self, base: str) -> None:
        """Leave of all that is in its folder the list of files of `base`."""
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            for each in path.iterdir() if path.name == base else ():
                if each.name != LIST:
                    shutil.rmtree(each) if each.is_dir() else each.unlink()
            if path.name != base:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def started(self) -> None:
        """Have it run, and wait until it answers. Raises RefusedError."""
        command("systemctl", "start", UNIT)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.ask("SELECT 1")
            except RefusedError:
                if time.monotonic() > end:
                    raise
                time.sleep(1)
            else:
                return

    def put_back(self, name: str, base: str, sets: Path) -> None:
        """Have it be as the backup `name` has it. Raises RefusedError; then its database may be gone: restore again."""
        self.started()
        self.tidy("")
        owner = self.folder.parent.stat()
        for each in filter(None, (base, name)):
            folder = self.folder / each
            command("install", "-d", "-m", "700", "-o", str(owner.st_uid), "-g", str(owner.st_gid), str(self.folder))
            command("install", "-d", "-m", "700", "-o", str(owner.st_uid), "-g", str(owner.st_gid), str(folder))
            unpacked(sorted((sets / each).glob(f"{NAME}.*.enc")), folder)
        self.ask(f"DROP DATABASE IF EXISTS {self.database} SYNC", LONG)
        # What waits in the event log may come in while tables are filled: they need not be empty.
        self.done(f"RESTORE DATABASE {self.database} FROM File('{name}') SETTINGS allow_non_empty_tables = true")
        self.tidy(base or name)

    def cut(self, at: str) -> dict[str, int]:
        """Delete what came after a moment (UTC) from every table that knows when its rows came; return how much."""
        times = ", ".join(f"'{name}'" for name in TIMES)
        query = f"SELECT table, groupArray(name) AS names FROM system.columns WHERE database = '{self.database}'"  # noqa: S608 - its own names
        found = self.rows(f"{query} AND name IN ({times}) AND type LIKE '%DateTime%' GROUP BY table")
        gone = {}
        for row in found:
            if row["table"] not in self.tables():
                continue
            ordered = [name for name in TIMES if name in row["names"]]
            columns = ", ".join(f"toDateTime64({name}, 6, 'UTC')" for name in ordered)
            later = f"coalesce({columns}) > toDateTime64('{at[:26]}', 6, 'UTC')"
            table = f"{self.database}.`{row['table']}`"
            if count := int(self.ask(f"SELECT count() FROM {table} WHERE {later}", LONG)):  # noqa: S608 - its own names
                self.ask(f"ALTER TABLE {table} DELETE WHERE {later}", LONG, {"mutations_sync": 2})
                gone[row["table"]] = count
        return gone

    def counted(self) -> dict[str, list]:
        """Return rows and a sum of each table as a reader sees them, whatever was merged meanwhile.

        The sum is over the columns that a table is sorted by: they name a row, and are read without the rest.
        """
        kept = self.tables()
        query = f"SELECT name, engine, sorting_key FROM system.tables WHERE database = '{self.database}'"  # noqa: S608 - its own names
        found = {}
        for row in self.rows(query):
            if row["name"] in kept:
                plain = row["engine"].removeprefix("Replicated") == "MergeTree"
                table = f"{self.database}.`{row['name']}`{'' if plain else ' FINAL'}"
                sum_ = f"sum(cityHash64({row['sorting_key']}))" if row["sorting_key"] else "0"
                rows, sum_ = self.ask(f"SELECT count(), {sum_} FROM {table}", LONG).split("\t")  # noqa: S608 - its own names
                found[f"clickhouse {self.database}.{row['name']}"] = [int(rows), sum_]
        return found

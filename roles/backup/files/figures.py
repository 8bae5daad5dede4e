#!/usr/bin/python3 -I
"""Counts and sums what PostgreSQL and ClickHouse hold, so that a restore can be held against it; answers are JSON.

  figures count         the rows and the sum of each table, now
  figures before        keep that, for a backup that is about to begin
  figures after         count again, and lay both beside the newest backup, under its manifest's key
  figures recorded ID   what was laid beside that backup; refused where it was changed

A server is not still while it is copied. So it is counted before and after: a table that is the same both times was so
in between, and must be found so again, to the row. Of one that moved the two counts are kept, and no sum.
"""

from __future__ import annotations

import hmac
import json
import re
import subprocess
import sys
from pathlib import Path

# Told to look nowhere else (-I). What Python would keep compiled is a file that nobody placed.
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
from backing.base import RefusedError, sealed, write  # noqa: E402 - found by the path above
from backing.clickhouse import ClickHouse  # noqa: E402
from backing.places import Place  # noqa: E402

CONFIG = Path("/etc/hedgerow/backup/config.json")
KEY = Path("/etc/hedgerow/backup/manifest.key")
KEPT = Path("/var/lib/hedgerow/backup/figures.json")
PROGRAM = "/usr/local/lib/hedgerow/backup"
ID = re.compile(r"[0-9]{8}T[0-9]{6}Z")
FIGURES, SEAL = "manifest.figures.json", "manifest.figures.mac"
# A row's text depends on these; a person may have set others for the database.
SETTINGS = (
    "idle_session_timeout=0",
    "statement_timeout=0",
    "datestyle=ISO",
    "intervalstyle=postgres",
    "timezone=UTC",
    "extra_float_digits=1",
    "bytea_output=hex",
)
DATABASES = "select datname from pg_database where datallowconn and not datistemplate order by 1"
# The order of rows does not matter to a sum. Unlogged and temporary tables are in no backup; a partitioned table's rows
# are counted in its parts.
TABLES = r"""
select format('select json_build_array(%L, count(*), coalesce(sum(hashtextextended((t.*)::text, 0)), 0)::text)'
  ' from only %I.%I t', n.nspname || '.' || c.relname, n.nspname, c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence = 'p' and n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname not like 'pg\_toast%' order by 1
"""


def psql(database: str, query: str) -> list[str]:
    """Return the lines of PostgreSQL's answers. Raises RefusedError."""
    options = "PGOPTIONS=" + " ".join(f"-c {setting}" for setting in SETTINGS)
    words = ("runuser", "-u", "postgres", "--", "env", options, "psql", "-XAtqd", database, "-v", "ON_ERROR_STOP=1")
    done = subprocess.run([*words, "-f", "-"], input=query, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RefusedError(f"{database}: {done.stderr.strip()[-600:] or 'psql said nothing'}")
    return done.stdout.splitlines()


def counted() -> dict[str, list]:
    """Return rows and sum of each table, by "database schema.table", each database as it was at one moment.

    ClickHouse's tables, each at a moment of its own, by "clickhouse database.table".
    """
    found = {}
    for database in psql("postgres", DATABASES):
        # In one snapshot the list and what is counted agree: no table of the list can be gone.
        query = f"begin isolation level repeatable read read only;{TABLES}\\gexec\ncommit;"
        for line in psql(database, query):
            table, rows, sum_ = json.loads(line)
            found[f"{database} {table}"] = [rows, sum_]
    clickhouse = json.loads(CONFIG.read_text())["clickhouse"]
    return found | (ClickHouse(clickhouse).counted() if clickhouse else {})


def joined(before: dict[str, list], after: dict[str, list]) -> dict[str, dict]:
    """Return what a restore must find: of tables that stood still rows and sum, of others what they were between."""
    still = {table: row for table, row in after.items() if before.get(table) == row}
    moved = {
        table: [(before.get(table) or [0])[0], (after.get(table) or [0])[0]]
        for table in {*before, *after}
        if table not in still
    }
    return {"still": still, "moved": moved}


def newest() -> str:
    """Return the newest backup. Raises RefusedError."""
    done = subprocess.run([PROGRAM, "list"], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["backups"] if done.returncode == 0 else []
    if not found:
        raise RefusedError("there is no backup to lay figures beside")
    return str(found[0]["id"])


def after(place: Place) -> dict:
    """Lay the figures beside the newest backup. Raises RefusedError."""
    before = json.loads(KEPT.read_text())
    name = newest()
    figures = {"backup": name, **joined(before, counted())}
    text = json.dumps(figures, sort_keys=True)
    place.shelf.write(f"sets/{name}/{FIGURES}", text.encode())
    place.shelf.write(f"sets/{name}/{SEAL}", f"{sealed(text, place.key)}\n".encode())
    KEPT.unlink()
    return {"backup": name, "still": len(figures["still"]), "moved": len(figures["moved"])}


def recorded(place: Place, name: str) -> dict:
    """Return the figures that lie beside a backup. Raises RefusedError where they are not what was written."""
    try:
        if not ID.fullmatch(name):
            raise RefusedError(f"{name} names no backup")
        text, seal = (place.shelf.read(f"sets/{name}/{each}").decode().strip() for each in (FIGURES, SEAL))
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"backup {name} has no figures to hold a restore against ({error})") from error
    found = json.loads(text) if hmac.compare_digest(sealed(text, place.key), seal) else {}
    if found.get("backup") != name:
        raise RefusedError(f"backup {name}: its figures were changed, or are another backup's")
    return found


def told(words: list[str], place: Place) -> dict | None:
    """Do what the words say and return the answer; None where they say nothing that is known."""
    match words:
        case ["count"]:
            answer = {"tables": counted()}
        case ["before"]:
            write(KEPT, json.dumps(counted()))
            answer = {}
        case ["after"]:
            answer = after(place)
        case ["recorded", name]:
            answer = recorded(place, name)
        case _:
            answer = None
    return answer


def main(words: list[str]) -> int:
    place = Place(json.loads(CONFIG.read_text())["to"], KEY.read_bytes().strip())
    KEPT.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        answer = told(words, place)
    except (RefusedError, OSError, ValueError) as refused:
        print(json.dumps({"refused": str(refused)}))
        print(f"hedgerow-figures: {refused}", file=sys.stderr)
        return 1
    if answer is None:
        print(__doc__, file=sys.stderr)
        return 2
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

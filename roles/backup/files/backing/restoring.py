"""Putting back what a backup holds, once all of it is known to be as it was made."""

from __future__ import annotations

import shutil

from backing import host_files, postgres, valkey
from backing.base import STATE, RefusedError, write
from backing.clickhouse import ClickHouse
from backing.places import Place
from backing.postgres import ask


def restore(place: Place, config: dict, name: str, at: str, events: str, queues: str) -> dict:
    """Put back what a backup holds. Nothing is touched unless all that will be read is as it was made.

    ClickHouse comes from the backup `events`, Valkey from `queues`; "" leaves either as it is.
    """
    for each in dict.fromkeys(filter(None, (name, events, queues))):
        if problems := place.problems(each, onwards=bool(at) and each == name):
            raise RefusedError(f"backup {each} is not as it was made; nothing was touched: {'; '.join(problems[:5])}")
    held = place.manifest(events)["holds"].get("clickhouse") if events else None
    if events and not (held and config["clickhouse"]):
        raise RefusedError(f"backup {events} holds nothing of ClickHouse, or it does not run here; nothing was touched")
    if queues and "valkey" not in place.manifest(queues)["holds"]:
        raise RefusedError(f"backup {queues} holds nothing of Valkey; nothing was touched")
    holds = place.manifest(name)["holds"]
    # Fetched before anything is touched, where they are not on this host: what was read may not be there twice.
    wanted = {(name, "host")} if "host" in holds else set()
    wanted |= {(each, "clickhouse") for each in (held["base"], events) if each} if held else set()
    wanted |= {(queues, valkey.NAME)} if queues else set()
    parts = [path for path in place.shelf.files("sets") if part(path) in wanted]
    here = place.shelf.at_hand(parts, STATE / "fetched") / "sets"
    files = host_files.opened(here / name / host_files.FILE) if "host" in holds else {}
    # A moment is found by the first commit after it: this is one, for a server that had nothing to do since.
    ask("select pg_current_xact_id()")
    write(STATE / "restoring", name + "\n")
    postgres.put_back(name, holds["postgres"]["label"], at, config["postgres_version"])
    host_files.put_back(files)
    answer = {"id": name, "at": at, "databases": postgres.sizes(), "files": sorted(files)}
    if queues:
        pieces = sorted((here / queues).glob(f"{valkey.NAME}.*.enc"))
        answer["valkey"] = {"from": queues, **valkey.put_back(pieces)}
    if held:
        store = ClickHouse(config["clickhouse"])
        store.put_back(events, held["base"], here)
        gone = store.cut(at) if at and at != "latest" else {}
        answer["events"] = {"from": events, "rows": store.tables(), "deleted": gone}
    (STATE / "restoring").unlink()
    shutil.rmtree(STATE / "fetched", ignore_errors=True)
    return answer


def part(path: str) -> tuple[str, str]:
    """Return of which backup and of what an encrypted file of ours is: `sets/ID/valkey.000.enc`."""
    _, name, file = path.split("/", 2)
    return name, file.partition(".")[0] if file.endswith(".enc") else ""

#!/usr/bin/python
"""How long ClickHouse keeps events: a TTL on the tables that hold them, as declared."""

from __future__ import annotations

import json
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_clickhouse_retention
short_description: Holds the tables of events in ClickHouse to the declared retention
description:
  - Asks from inside the web service's container, whose user owns the tables; no other account of ClickHouse may change
    them. Upstream has no setting for how long events are kept, and its table of events (posthog/models/event/sql.py)
    has no TTL.
  - A table holds events when it keeps data and has the columns event, properties and timestamp. One with a TTL of
    upstream's own is left alone.
  - Does not begin to delete what is there already, unless it is told that it may.
options:
  container: {description: The web service's container., type: str, required: true}
  days: {description: How long an event is kept by its own time., type: int, required: true}
  may_delete: {description: Whether events may go that are there already and are older., type: bool, default: false}
author: Hedgerow
"""

EXAMPLES = r"""
- name: Retention | Keep events as long as declared
  hedgerow_clickhouse_retention: {container: hedgerow-web, days: 365}
"""

RETURN = r"""
tables:
  description: The tables that were changed, or would be.
  type: list
  returned: always
"""
# Told on standard input. The way, the user and the password are the service's own (posthog/settings/data_stores.py).
INSIDE = """
import http.client, json, os, ssl, urllib.parse
told = os.environ
link = http.client.HTTPSConnection(
    told["CLICKHOUSE_HOST"].partition(":")[0], 8443, timeout=60,
    context=ssl.create_default_context(cafile=told["CLICKHOUSE_CA"]))
names = {{"X-ClickHouse-User": told["CLICKHOUSE_USER"], "X-ClickHouse-Key": told["CLICKHOUSE_PASSWORD"]}}
place = "/?" + urllib.parse.urlencode({{
    "database": told["CLICKHOUSE_DATABASE"], "default_format": "JSONCompactEachRow",
    "output_format_json_quote_64bit_integers": "0"}})
answers = []
for statement in json.loads({said!r}):
    link.request("POST", place, statement.encode(), names)
    answer = link.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        raise SystemExit(text[:400])
    answers.append([json.loads(line) for line in text.splitlines() if line])
print(json.dumps(answers))
"""
TABLES = """
SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name IN
(SELECT table FROM system.columns WHERE database = currentDatabase() AND name IN ('event', 'properties', 'timestamp')
GROUP BY table HAVING count() = 3) ORDER BY name
"""
TTL = re.compile(r" TTL (.+?)(?: SETTINGS .*)?$", re.DOTALL)
OURS = re.compile(r"toDate\(timestamp\) \+ toIntervalDay\((\d+)\)")


class RefusedError(Exception):
    """What was not done, and why."""


def wrong(tables: list[list[str]], days: int) -> list[str]:
    """Return the tables that keep events for ever, or for another time that we once set."""
    found = []
    for name, engine in tables:
        ttl = TTL.search(engine)
        ours = OURS.fullmatch(ttl[1].strip()) if ttl else None
        if not ttl or (ours and int(ours[1]) != days):
            found.append(name)
    return found


def older(name: str, days: int) -> str:
    """Return the question how many events a table has that its retention would delete."""
    # S608: the name is a table's, quoted, and the days are a number.
    return f"SELECT count() FROM {quoted(name)} WHERE toDate(timestamp) + toIntervalDay({days}) <= now()"  # noqa: S608


def keep(name: str, days: int) -> str:
    """Return the statement that sets a table's retention."""
    return f"ALTER TABLE {quoted(name)} MODIFY TTL toDate(timestamp) + toIntervalDay({days})"


def quoted(name: str) -> str:
    """Return a table's name as ClickHouse reads any name."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def ask(module: AnsibleModule, *statements: str) -> list[list[Any]]:
    """Return the rows that each statement gives. Raises RefusedError."""
    program = INSIDE.format(said=json.dumps(statements))
    line = ["podman", "exec", "--interactive", module.params["container"], "python3", "-"]
    code, said, complaint = module.run_command(line, data=program)
    if code != 0:
        raise RefusedError(f"ClickHouse, asked from {module.params['container']}: {complaint.strip()[-500:]}")
    return json.loads(said)


def held(module: AnsibleModule) -> list[str]:
    """Bring every table to the declared retention and return those that were not. Raises RefusedError."""
    days = module.params["days"]
    tables = ask(module, TABLES)[0]
    if not tables:
        raise RefusedError("there is no table of events in ClickHouse; has PostHog made its tables?")
    names = wrong(tables, days)
    if not names:
        return []
    lost = sum(rows[0][0] for rows in ask(module, *(older(name, days) for name in names)))
    if lost and not module.params["may_delete"]:
        raise RefusedError(
            f"{lost} events are older than capacity.keep_days ({days} days) and would be deleted. Declare more days,"
            " or say capacity.delete_older: true and have a copy of them first."
        )
    if not module.check_mode:
        ask(module, *(keep(name, days) for name in names))
    return names


def there(module: AnsibleModule) -> bool:
    """Say whether the service has a container yet."""
    podman = module.get_bin_path("podman")
    return (
        podman is not None and module.run_command([podman, "container", "exists", module.params["container"]])[0] == 0
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "container": {"type": "str", "required": True},
            "days": {"type": "int", "required": True},
            "may_delete": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if module.check_mode and not there(module):
        # Before a first converge the service is only promised, and so is Podman.
        module.exit_json(changed=True, tables=["those that PostHog makes"])
    try:
        names = held(module)
    except RefusedError as error:
        module.fail_json(msg=str(error), tables=[])
    module.exit_json(changed=bool(names), tables=names)


if __name__ == "__main__":
    main()

"""Features that are off by default: events delivered, exceptions grouped, work asked for, pages drawn."""

from __future__ import annotations

import json
import shlex
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hedgerow import proof
from hedgerow.smoke.client import Client
from tests.conftest import Lab
from tests.lab.receiver import ADDRESS, PORT, receiving

pytestmark = pytest.mark.lab

EGRESS = "containers.no-egress"
DESTINATION = (
    "insert into posthog_hogfunction (id, team_id, name, type, enabled, inputs, filters)"
    " select '{id}', id, 'Test', 'destination', true, '{{\"url\": {{\"value\": \"{url}\"}}}}',"
    ' \'{{"events": [{{"id": "{event}"}}]}}\' from posthog_team'
)
ISSUES = "select string_agg(name || ': ' || description, ',') from posthog_errortrackingissue"
POLLERS = "select string_agg(queue, ',') from task_queue_pollers where last_access > now() - interval '1 minute'"
# In the browser's container: what a page of the edge's, another place, and nobody's token are answered.
DRAW = """
import http.client, json, os
right = os.environ["TOKEN"]
for url, token in (("https://{domain}/_health", right), ("https://{other}/", right), ("https://{domain}/", "wrong")):
    asked = http.client.HTTPConnection("127.0.0.1", 3000, timeout=60)
    body, headers = json.dumps({{"url": url}}), {{"content-type": "application/json"}}
    asked.request("POST", "/screenshot?token=" + token, body, headers)
    answer = asked.getresponse()
    print(answer.status, answer.headers["content-type"])
"""
# In cymbal's container: a symbol set as web would keep it, and what cymbal makes of an exception that needs it.
RESOLVE = """
import http.client, json, os
from stand_in.objects import Objects, place
Objects(place(os.environ, "OBJECT_STORAGE_", "/etc/hedgerow/ca.crt")).put("symbolsets/{ref}", b'{{"pay": "checkout"}}')
error = {{"type": "{ref}", "value": "third", "stacktrace": {{"frames": [{{"function": "pay", "chunk_id": "{ref}"}}]}}}}
row = {{"uuid": "u", "team_id": {team}, "properties": json.dumps({{"$exception_list": [error]}})}}
asked = http.client.HTTPConnection("127.0.0.1", 3302, timeout=60)
asked.request("POST", "/process", json.dumps([row]))
[made] = json.loads(asked.getresponse().read())
print(json.loads(made["properties"])["$exception_list"][0]["stacktrace"]["frames"][0]["resolved_name"])
"""


# In web's container, by its user, who owns the tables: the properties of an event, once ClickHouse has it.
STORED = """
import http.client, os, ssl
told = os.environ
context = ssl.create_default_context(cafile=told["CLICKHOUSE_CA"])
link = http.client.HTTPSConnection(told["CLICKHOUSE_HOST"], 8443, timeout=30, context=context)
names = {{"X-ClickHouse-User": told["CLICKHOUSE_USER"], "X-ClickHouse-Key": told["CLICKHOUSE_PASSWORD"]}}
link.request("POST", "/", "SELECT properties FROM posthog.events WHERE event = '{event}' FORMAT TSVRaw", names)
answer = link.getresponse()
text = answer.read().decode()
assert answer.status == 200, text
print(text)
"""


def postgres(lab: Lab, statement: str, database: str = "posthog") -> str:
    command = f"cd / && sudo -u postgres psql -At -v ON_ERROR_STOP=1 {database} -c {shlex.quote(statement)}"
    answer = lab.run(lab.host, command)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def capture(lab: Lab, event: str, properties: dict[str, Any]) -> None:
    """Send one event, as an SDK would."""
    sheet = proof.smoke_sheet(lab.work, lab.site)
    token = postgres(lab, "select api_token from posthog_team limit 1")
    client = Client(sheet.domain, sheet.address, sheet.port, sheet.ca_file)
    body = {"api_key": token, "event": event, "distinct_id": "jane", "properties": properties}
    answer = client.ask("POST", "/i/v0/e/", body)
    assert answer.status == 200, answer.words()


def stored_properties(lab: Lab, event: str) -> str:
    """Return the properties of an event as ClickHouse has them; "" where it has it not yet."""
    program = STORED.format(event=event)
    return lab.run(lab.host, f"podman exec hedgerow-web python3 -c {shlex.quote(program)}").stdout.strip()


def until(found: Callable[[], Any], seconds: float = 30) -> Any:
    """Return the first answer that is one."""
    end = time.monotonic() + seconds
    while not (answer := found()) and time.monotonic() < end:
        time.sleep(0.5)
    return answer


def test_an_event_is_delivered_to_the_declared_destination_and_nobody_else_gets_there(lab: Lab, tmp_path: Path) -> None:
    event, one = f"ordered {uuid.uuid4().hex[:8]}", uuid.uuid4()
    url = f"https://{ADDRESS}:{PORT}/in"
    postgres(lab, DESTINATION.format(id=one, url=url, event=event))
    with receiving(lab.deployment, tmp_path) as came:
        capture(lab, event, {"page": "/"})
        capture(lab, f"{event} not", {})
        assert until(lambda: came), lab.run(lab.host, "journalctl -qu hedgerow-plugins -n 20 -o cat").stdout
        assert [each["event"]["event"] for each in came] == [event]
        [found] = lab.verify([EGRESS])
        assert found.status == "pass", found.observed
        assert f"hedgerow-plugins: tcp {ADDRESS}:{PORT} open, as declared" in found.observed
        ways = "nft insert rule inet hedgerow forward ip saddr 10.90.0.12 ip daddr {} accept"
        assert lab.run(lab.host, ways.format(ADDRESS)).returncode == 0
        try:
            [found] = lab.verify([EGRESS])
        finally:
            assert lab.run(lab.host, "systemctl reload nftables.service").returncode == 0
        assert found.status == "fail", "capture reached what is declared for plugins"
        assert f"hedgerow-capture: tcp {ADDRESS}:{PORT}" in found.observed
    swept = until(lambda: postgres(lab, "select count(*) from cyclotron_jobs", "cyclotron") == "0")
    assert swept, "the janitor leaves what is done"


def test_what_is_declared_is_taken_out_before_an_event_is_stored(lab: Lab) -> None:
    names = lab.work.declaration.privacy.drop_properties
    assert names == ("diagnosis", "form.birthday")
    event = f"visited {uuid.uuid4().hex[:8]}"
    form, person = {"birthday": "1970-01-01", "shoe_size": 42}, {"diagnosis": "flu", "plan": "pro"}
    capture(lab, event, {"diagnosis": "flu", "page": "/", "form": form, "$set": person, "$set_once": None})
    stored = json.loads(until(lambda: stored_properties(lab, event)))
    assert "flu" not in json.dumps(stored)
    assert (stored["diagnosis"], stored["form"]) == (None, {"birthday": None, "shoe_size": 42})
    assert (stored["page"], stored["$set"]) == ("/", {"diagnosis": None, "plan": "pro"})
    person_of = "select properties->>'plan' from posthog_person where properties ? 'plan' limit 1"
    assert until(lambda: postgres(lab, person_of)) == "pro"
    assert postgres(lab, "select count(*) from posthog_person where properties->>'diagnosis' is not null") == "0"


def test_exceptions_come_to_one_issue(lab: Lab) -> None:
    name = f"Error{uuid.uuid4().hex[:8]}"
    trace = {"frames": [{"function": "pay", "chunk_id": name}]}
    for value in ("first", "second"):
        error = {"type": name, "value": value, "stacktrace": trace}
        capture(lab, "$exception", {"$exception_list": [error]})
    assert until(lambda: name in postgres(lab, ISSUES))
    assert postgres(lab, ISSUES).count(name) == 1
    known = "select count(*) from posthog_errortrackingsymbolset where ref = '{}' and storage_ptr is null"
    assert postgres(lab, known.format(name)) == "1", "that there are no symbols is remembered"
    there = "update posthog_errortrackingsymbolset set storage_ptr = 'symbolsets/' || ref where ref = '{}'"
    postgres(lab, there.format(name))
    program = RESOLVE.format(ref=name, team=postgres(lab, "select id from posthog_team limit 1"))
    answer = lab.run(lab.host, f"podman exec hedgerow-cymbal python3 -c {shlex.quote(program)}")
    assert answer.stdout.strip() == "checkout", answer.stderr


def test_the_worker_asks_the_workflow_engine_for_work(lab: Lab) -> None:
    assert until(lambda: "batch-exports-task-queue" in postgres(lab, POLLERS, "temporal"))
    owners = (
        "select datname || ' ' || pg_get_userbyid(datdba) from pg_database where datname like 'temporal%' order by 1"
    )
    assert postgres(lab, owners).splitlines() == [
        "temporal posthog_temporal",
        "temporal_visibility posthog_temporal",
    ]


def test_the_browser_draws_pages_of_the_edge_alone_for_who_has_its_token(lab: Lab) -> None:
    domain = lab.work.declaration.domain
    program = DRAW.format(domain=domain, other=f"{ADDRESS}:{PORT}")
    answer = lab.run(lab.host, f"podman exec hedgerow-browserless python3 -c {shlex.quote(program)}")
    assert answer.returncode == 0, answer.stderr
    page, elsewhere, stranger = answer.stdout.splitlines()
    assert page == "200 image/png"
    assert elsewhere.startswith("502")
    assert stranger.startswith("401")
    sheet = proof.smoke_sheet(lab.work, lab.site)
    exporter = Client(sheet.domain, sheet.address, sheet.port, sheet.ca_file).ask("GET", "/exporter?token=x")
    assert exporter.status == 403, json.dumps(exporter.words())

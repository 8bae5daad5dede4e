# What is done to a project's events before they are written: the transformations that are on, in the order in which
# they run, as the database has them; and what those of the given template that come first make of events that this
# question invents. The service of destinations tries them, one after the other (upstream's nodejs/src/cdp/cdp-api.ts):
# of such an event nothing is stored or sent; that service's log tells that it was asked.
# Arguments: the web service's container, which has the way to both; the template; a list of events' properties as JSON.
import json
import subprocess
import sys

container, template, events = sys.argv[1:4]
TEAMS = "select id, name from posthog_team order by id"
FUNCTIONS = (
    "select team_id, id::text, name, template_id, inputs, filters from posthog_hogfunction"
    " where enabled and not deleted and type = 'transformation'"
    " order by team_id, execution_order nulls last, created_at"
)
PROGRAM = f"""
import json, os, urllib.request, psycopg
template, events = {template!r}, json.loads({events!r})
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
secret = {{"X-Internal-Api-Secret": os.environ.get("INTERNAL_API_SECRET", "")}}
def ask(path, value=None):
    body = None if value is None else json.dumps(value).encode()
    headers = {{"Content-Type": "application/json", **secret}}
    request = urllib.request.Request(os.environ["CDP_API_URL"] + path, data=body, headers=headers)
    with opener.open(request, timeout=10) as answer:
        return json.loads(answer.read())
def tried(path, properties):
    event = dict(uuid="00000000-0000-4000-8000-000000000000", event="$pageview", distinct_id="hedgerow",
                 timestamp="2026-01-01T00:00:00Z", elements_chain="", url="", properties=properties)
    return (ask(path + "/invocations", dict(globals=dict(event=event)))["result"] or event)["properties"]
readonly = "-c default_transaction_read_only=on"
with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=5, options=readonly) as db:
    teams, rows = db.execute({TEAMS!r}).fetchall(), db.execute({FUNCTIONS!r}).fetchall()
found = []
for team, name in teams:
    own = [dict(zip(("id", "name", "template", "inputs", "filters"), row[1:])) for row in rows if row[0] == team]
    made, unanswered = list(events), ""
    for each in own:
        if each["template"] != template:
            break
        path = f"/api/projects/{{team}}/hog_functions/{{each['id']}}"
        try:
            each["state"] = ask(path + "/status").get("state")
            made = [tried(path, properties) for properties in made]
        except (OSError, ValueError, KeyError, TypeError) as error:
            unanswered = str(error) or type(error).__name__
    found.append(dict(name=name, functions=own, made=made, unanswered=unanswered))
print(json.dumps(found))
"""
asked = subprocess.run(
    ["podman", "exec", "--interactive", container, "python3", "-"],
    input=PROGRAM,
    capture_output=True,
    text=True,
    check=False,
)
if asked.returncode != 0:
    sys.exit(asked.stderr[-500:] or f"podman exec ended with {asked.returncode}")
print(json.dumps(json.loads(asked.stdout)))

"""Events through the edge, as a server of a customer's sends them, and what ClickHouse has of them afterwards."""

from __future__ import annotations

import json
import time
import uuid
from datetime import UTC, datetime

from hedgerow import proof
from hedgerow.smoke import steps
from tests.conftest import Lab

BATCH = 500
PATIENCE = 180
VOLUME = "/var/lib/containers/storage/volumes/hedgerow-clickhouse/_data"
ASK = """python3 -I - <<'EOF'
import json, sys
sys.path.insert(0, "/usr/local/lib/hedgerow"); sys.dont_write_bytecode = True
from backing.clickhouse import ClickHouse
store = ClickHouse(json.load(open("/etc/hedgerow/backup/config.json"))["clickhouse"])
rows = store.rows("SELECT event, uniqExact(uuid) AS n FROM posthog.events WHERE event LIKE 'kept %' GROUP BY event")
print(json.dumps({row["event"].removeprefix("kept "): int(row["n"]) for row in rows}))
EOF"""


def send(lab: Lab, what: str, count: int) -> None:
    """Send events that are called `kept WHAT`, and wait until ClickHouse has them all."""
    sheet = proof.smoke_sheet(lab.work, lab.site)
    trip = steps.journey(sheet, "kept")
    session, _ = steps.sign_in(trip, True)  # type: ignore[arg-type]  # the page it needs is only a precondition
    project, _ = steps.project(trip, session)
    steps.sign_out(trip, session)
    before = stored(lab).get(what, 0)
    for begin in range(0, count, BATCH):
        batch = [
            {
                "event": f"kept {what}",
                "uuid": str(uuid.uuid4()),
                "distinct_id": f"who-{number % 50}",
                "timestamp": datetime.now(UTC).isoformat(),
                "properties": {"number": number},
            }
            for number in range(begin, min(begin + BATCH, count))
        ]
        answer = trip.alone().ask("POST", "/batch/", {"api_key": project.token, "batch": batch}, seconds=60)
        assert answer.status == 200, answer.words()
    end = time.monotonic() + PATIENCE
    while (there := stored(lab).get(what, 0) - before) != count:
        assert time.monotonic() < end, f"{there} of {count} events came to ClickHouse"
        time.sleep(1)


def stored(lab: Lab) -> dict[str, int]:
    """Return how many events of each kind ClickHouse has now."""
    done = lab.run(lab.host, ASK)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def stop_services(lab: Lab) -> None:
    """Stop what runs, but not the host's look at itself: one that is ended halfway counts as failed until the next."""
    running = "systemctl list-units --plain --no-legend 'hedgerow-*.service' | cut -d' ' -f1 | grep -v health"
    lab.run(lab.host, f"systemctl stop $({running})")

"""A session recording: sent as the browser SDK sends one, and played back out of object storage.

Upstream's names: rust/capture/src/events/recordings.rs for what goes in, posthog/session_recordings for what comes out.
The session has no page: two rrweb events, of which the second carries the name of this run.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from urllib.parse import urlencode

from hedgerow.smoke.steps import LABEL, SLOWEST_POLL, Journey, Key, NotTriedError, Project, StepFailedError, read

HOPS = (
    "edge, replay-capture, event log, ingestion-sessionreplay, object storage; object storage, recording-api, web, edge"
)
META, CUSTOM = 4, 5


@dataclass(frozen=True)
class Recording:
    """One recorded session."""

    session: str
    sent: float


def record(trip: Journey, project: Project) -> tuple[Recording, str]:
    """A recording is taken in."""
    known = trip.client.ask("GET", f"/api/projects/{project.id}/")
    value = known.json() if known.status == 200 else {}
    if isinstance(value, dict) and value.get("session_recording_opt_in") is False:
        raise NotTriedError("this project does not record sessions (session_recording_opt_in)")
    session, who, now = str(uuid.uuid4()), f"hedgerow-smoke-{trip.name}", int(time.time() * 1000)
    items = [
        {"type": META, "data": {"href": f"https://{trip.sheet.domain}/", "width": 1, "height": 1}, "timestamp": now},
        {"type": CUSTOM, "data": {"tag": LABEL, "payload": {"run": trip.name}}, "timestamp": now + 1},
    ]
    properties = {
        "token": project.token,
        "distinct_id": who,
        "$session_id": session,
        "$window_id": session,
        "$snapshot_source": "web",
        "$snapshot_data": items,
        "$lib": "web",
    }
    event = {"event": "$snapshot", "token": project.token, "distinct_id": who, "properties": properties}
    answer = trip.alone().ask("POST", "/s/", [event])
    if answer.status != 200:
        raise StepFailedError(f"POST /s/: {answer.words()}")
    return Recording(session, time.monotonic()), f"POST /s/: {answer.status}"


def play(trip: Journey, key: Key, recording: Recording) -> tuple[bool, str]:
    """What was recorded comes back as it went in, before the time is up."""
    reader, pause, base = trip.alone(), 0.2, f"session_recordings/{recording.session}/snapshots/"
    while True:
        answer = read(reader, key, f"{base}?{urlencode({'blob_v2': 'true'})}")
        if answer.status not in (200, 404):
            raise StepFailedError(f"GET {base}: {answer.words()}")
        sources = answer.json()["sources"] if answer.status == 200 else []
        if sources:
            break
        if time.monotonic() - recording.sent > trip.sheet.timeout:
            raise StepFailedError(f"nobody knows the recording after {time.monotonic() - recording.sent:.0f} s")
        time.sleep(pause)
        pause = min(pause * 2, SLOWEST_POLL)
    wanted = {
        "source": sources[0]["source"],
        "start_blob_key": sources[0]["blob_key"],
        "end_blob_key": sources[-1]["blob_key"],
    }
    answer = read(reader, key, f"{base}?{urlencode(wanted)}")
    if answer.status != 200:
        raise StepFailedError(f"GET {base} of {wanted['source']}: {answer.words()}")
    lines = [json.loads(line) for line in answer.body.decode().splitlines() if line]
    runs = [event["data"]["payload"]["run"] for _, event in lines if event["type"] == CUSTOM]
    if set(runs) != {trip.name}:
        raise StepFailedError(f"what was played is not what was recorded: {len(lines)} lines")
    return True, f"{len(lines)} lines after {time.monotonic() - recording.sent:.1f} s; its way: {HOPS}"

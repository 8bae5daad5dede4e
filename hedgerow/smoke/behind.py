"""Steps that go by services of their own behind the edge: who somebody is, and what a page's SDK asks first."""

from __future__ import annotations

from urllib.parse import urlencode

from hedgerow.smoke.steps import Journey, Key, Project, StepFailedError, patiently

NOBODYS = "phc_hedgerow_smoke_nobody"


def person(trip: Journey, key: Key, _ids: tuple[str, ...]) -> tuple[bool, str]:
    """Whoever the events were sent of is somebody: web asks the persons service, which asks PostgreSQL."""
    who = f"hedgerow-smoke-{trip.name}"
    asked = f"persons/?{urlencode({'distinct_id': who})}"
    took = patiently(trip, key, asked, lambda rows: "" if any(who in row["distinct_ids"] for row in rows) else "nobody")
    return True, f"found after {took:.1f} s"


def remote_config(trip: Journey, found: Project) -> tuple[bool, str]:
    """A page's SDK is told what it may do in this project, and nothing about one that nobody has."""
    page = trip.alone()
    answer = page.ask("GET", f"/array/{found.token}/config")
    value = answer.json() if answer.status == 200 else None
    if not isinstance(value, dict) or "sessionRecording" not in value:
        raise StepFailedError(f"GET /array/TOKEN/config: {answer.words()}")
    other = page.ask("GET", f"/array/{NOBODYS}/config")
    if other.status not in (400, 401, 404):
        raise StepFailedError(f"GET /array/TOKEN/config of nobody's token: {other.words()}")
    return True, f"200; {other.status} for a token that is nobody's"

"""The browser's steps: what a visit of a page must have brought about, judged like the steps of the Python SDK."""

from __future__ import annotations

import time

from hedgerow.smoke.browser.devtools import BrowserError
from hedgerow.smoke.browser.visit import CONFIG, SITE, Exchange, Told, Visit, visit
from hedgerow.smoke.send import EVENT
from hedgerow.smoke.steps import SLOWEST_POLL, Journey, Key, NotTriedError, Project, StepFailedError, arrived, read

EVENTS = ("/e", "/i/v0/e", "/batch", "/capture")
FLAGS, REPLAY = "/flags", "/s"
SERVICES = {FLAGS: "feature-flags", REPLAY: "replay-capture"}
IDENTIFY = "$identify"
PREFLIGHT = {
    "Origin": SITE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}


def preflight(trip: Journey, _page: object) -> tuple[bool, str]:
    """Pages of other sites may send: what a browser asks before some of the SDK's requests is answered with yes."""
    asked = []
    for path in ("/e", *(path for path, service in SERVICES.items() if service in trip.sheet.services)):
        answer = trip.alone().ask("OPTIONS", f"{path}/", headers=PREFLIGHT)
        origin = answer.headers.get("access-control-allow-origin", "")
        headers = answer.headers.get("access-control-allow-headers", "").lower()
        if not 200 <= answer.status < 300 or origin not in (SITE, "*") or "content-type" not in (headers or "*"):
            raise StepFailedError(f"OPTIONS {path}/: {answer.status}, origin {origin or 'none'}, {headers or 'none'}")
        asked.append(f"OPTIONS {path}/: {answer.status}")
    return True, ", ".join(asked)


def go(trip: Journey, project: Project) -> tuple[Visit, str]:
    """A page with the official SDK sends events over TLS that the browser itself has verified."""
    sheet = trip.sheet
    if sheet.browser_sdk is None:
        raise NotTriedError("no browser was asked for (--browser)")
    told = Told(
        host=trip.client.origin,
        token=project.token,
        run=trip.name,
        event=EVENT,
        stranger=f"hedgerow-browser-{trip.name}",
        known=f"hedgerow-browser-{trip.name}-known",
    )
    try:
        seen = visit(told, sheet.browser_sdk, sheet.domain, sheet.address, sheet.ca_file)
    except (BrowserError, OSError) as error:
        raise StepFailedError(str(error)) from None
    if bad := _bad(seen.at(*EVENTS)):
        raise StepFailedError(bad)
    if len(_ids(seen, EVENT)) != 2 or len(_ids(seen, IDENTIFY)) != 1:
        raise StepFailedError(f"the SDK sent {', '.join(each['event'] for each in seen.page['sent']) or 'nothing'}")
    spoken = sorted({each.tls for each in seen.exchanges if each.tls})
    return seen, f"posthog-js {seen.page.get('version', '')}, {len(seen.exchanges)} requests over {', '.join(spoken)}"


def events_arrive(trip: Journey, key: Key, seen: Visit) -> tuple[bool, str]:
    """What the page captured comes out of the API, and the identification too."""
    began = time.monotonic()
    rows = [row for row in seen.page["sent"] if row["event"] in (EVENT, IDENTIFY)]
    for event, person in dict.fromkeys((row["event"], row["person"]) for row in rows):
        ids = {row["id"] for row in rows if (row["event"], row["person"]) == (event, person)}
        arrived(trip, key, {"event": event, "distinct_id": person}, ids)
    return True, f"all {len(rows)}, {IDENTIFY} among them, after {time.monotonic() - began:.1f} s"


def config(_trip: Journey, seen: Visit) -> tuple[bool, str]:
    """The SDK was told what it may do in this project; without that it records nobody, and says nothing of it."""
    if bad := _bad(seen.below(CONFIG)):
        raise StepFailedError(bad)
    if "sessionRecording" not in seen.config:
        raise StepFailedError(f"{_words(seen.below(CONFIG))}, but what came says nothing of sessionRecording")
    return True, _words(seen.below(CONFIG))


def flags(trip: Journey, seen: Visit) -> tuple[bool, str]:
    """The SDK was told which feature flags are on."""
    _needs(trip, FLAGS)
    if bad := _bad(seen.at(FLAGS)):
        raise StepFailedError(bad)
    told = seen.page["flags"]
    if told is None or told["failed"]:
        raise StepFailedError(f"{_words(seen.at(FLAGS))}, but the SDK took no flags from it")
    return True, f"{_words(seen.at(FLAGS))}; on: {', '.join(told['names']) or 'none'}"


def replay(trip: Journey, key: Key, seen: Visit, _config: bool) -> tuple[bool, str]:
    """A recording of the visit went out, was taken in, and is known to the API."""
    _needs(trip, REPLAY)
    if not seen.config["sessionRecording"]:
        # A project that records nobody is a setting of the project and no fault.
        raise NotTriedError("this project does not record sessions (session_recording_opt_in)")
    if not seen.page["records"]:
        raise StepFailedError("the project records sessions, but the SDK did not begin to")
    if bad := _bad(seen.at(REPLAY)):
        raise StepFailedError(bad)
    began, pause, path = time.monotonic(), 0.1, f"session_recordings/{seen.page['session']}/"
    while (answer := read(trip.alone(), key, path)).status == 404:
        if time.monotonic() - began > trip.sheet.timeout:
            raise StepFailedError(f"{_words(seen.at(REPLAY))}, but the API does not know it in time")
        time.sleep(pause)
        pause = min(pause * 2, SLOWEST_POLL)
    if answer.status != 200:
        raise StepFailedError(f"GET {path}: {answer.words()}")
    return True, f"{_words(seen.at(REPLAY))}; the API knows the session after {time.monotonic() - began:.1f} s"


def _needs(trip: Journey, path: str) -> None:
    service = SERVICES[path]
    if service not in trip.sheet.services:
        raise NotTriedError(f"there is no service {service} in this deployment")


def _ids(seen: Visit, event: str) -> list[str]:
    return [row["id"] for row in seen.page.get("sent", []) if row["event"] == event]


def _bad(exchanges: list[Exchange]) -> str:
    """Say which requests were not answered with success; that there was none is as bad."""
    if not exchanges:
        return "the SDK asked for nothing of the kind"
    return "; ".join(each.words() for each in exchanges if each.failure or not 200 <= each.status < 300)


def _words(exchanges: list[Exchange]) -> str:
    return ", ".join(dict.fromkeys(each.words() for each in exchanges))

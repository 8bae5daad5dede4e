"""The smoke test: an event goes in at the edge with PostHog's own SDK, and comes out of the API again.

It goes the way its users go: verified TLS, the public name, a person's session, a project's token, the official SDK,
a personal API key that may read this one project and is deleted in the end. It also tries what must not work: plain
HTTP, and an address that is on no allow-list. Where sessions are recorded it records one without a page, and plays it.
It leaves that recording and events called "hedgerow smoke", without a person profile, and nothing else; a key that a
killed run left behind is removed by the next one. With a browser it also leaves the person that the page identified
(hedgerow-browser-RUN-known) and, where the project records sessions, a recording of it.

What it asks is PostHog's own API, read in upstream's source (posthog/api/authentication.py, personal_api_key.py,
event.py, posthog/settings/web.py and rust/capture, snapshots of 2025 and 2026) and in its API reference: listing events
needs the scope `query:read`, and is deprecated there in favour of HogQL queries but kept. Run so far against the
stand-in only; a real PostHog was not to be had where this was written.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from hedgerow.smoke import behind, recording, steps
from hedgerow.smoke.browser import steps as in_browser
from hedgerow.smoke.client import RefusedError, UntrustedError
from hedgerow.smoke.steady import Steady
from hedgerow.smoke.steps import Journey, NotTriedError, StepFailedError
from hedgerow.smoke.values import FAILED, NOT_TRIED, OK, SmokeReport, SmokeSheet, Step

__all__ = ["SmokeReport", "SmokeSheet", "Steady", "Step", "run"]
MEANWHILE = "events sent meanwhile are found"

Say = Callable[[str], None]


class _Run:
    """The steps as they are taken. A step that needs what an earlier one did not give is not tried."""

    def __init__(self, say: Say, trip: Journey) -> None:
        self.say = say
        self.trip = trip
        self.steps: list[Step] = []

    def take(self, name: str, step: Callable[..., tuple[Any, str]], *needs: Any) -> Any:
        """Take one step and return what it gives, or None where it did not work."""
        self.say(f"smoke: {name}")
        began = time.monotonic()
        given, status, detail = None, NOT_TRIED, "an earlier step it needs did not work"
        if all(need is not None for need in needs):
            try:
                given, detail = step(self.trip, *needs)
                status = OK
            except NotTriedError as reason:
                detail = str(reason)
            except StepFailedError as error:
                status, detail = FAILED, str(error)
            except RefusedError as error:
                status, detail = FAILED, f"no answer: {error}"
            except UntrustedError as error:
                status, detail = FAILED, f"the certificate does not hold: {error}"
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                status, detail = FAILED, f"an answer in an unknown shape: {type(error).__name__} {error}"
        self.steps.append(Step(name, status, detail, round(time.monotonic() - began, 3)))
        return given


def run(sheet: SmokeSheet, say: Say = lambda _: None, meanwhile: Steady | None = None) -> SmokeReport:
    """Take every step and report. Raises nothing for what the deployment does wrong: that is what steps are for.

    `meanwhile` are events that have been sent since before: their sending ends here, and each is looked for.
    """
    trip = steps.journey(sheet, uuid.uuid4().hex[:12])
    taken = _Run(say, trip)
    page = taken.take("page over verified TLS", steps.page)
    taken.take("health", steps.health, page)
    taken.take("plain HTTP is redirected or refused", steps.plain, page)
    taken.take("the API refuses whoever is not signed in", steps.unknown, page)
    session = taken.take("sign in", steps.sign_in, page)
    key = None
    try:
        project = taken.take("project token", steps.project, session)
        key = taken.take("personal API key", steps.make_key, project)
        ids = taken.take("official SDK sends events", steps.send, project)
        taken.take("events are read back", steps.read_back, key, ids)
        if meanwhile is not None:
            taken.take(MEANWHILE, meanwhile.look, key)
        taken.take("a person is known by the events", behind.person, key, ids)
        taken.take("a page's SDK gets its remote config", behind.remote_config, project)
        if sheet.replays:
            recorded = taken.take("a session recording is taken in", recording.record, project)
            taken.take("the recording is played back", recording.play, key, recorded)
        if sheet.browser_sdk:
            visit = taken.take("browser SDK sends events", in_browser.go, project)
            taken.take("browser events are read back", in_browser.events_arrive, key, visit)
            config = taken.take("browser SDK gets its remote config", in_browser.config, visit)
            taken.take("browser SDK is told the feature flags", in_browser.flags, visit)
            taken.take("browser SDK records the session", in_browser.replay, key, visit, config)
            taken.take("pages of other sites may send", in_browser.preflight, page)
    finally:
        # Also when somebody interrupts: the key must not outlive the run.
        taken.take("personal API key is deleted", steps.drop_key, key)
        taken.take("sign out", steps.sign_out, session)
    taken.take("a stranger is refused: interface", steps.stranger_at_interface, page)
    taken.take("a stranger is refused: capture", steps.stranger_at_capture, page)
    return SmokeReport(tuple(taken.steps), stand_in=bool(page and "x-hedgerow-stand-in" in page.headers))

"""Events that keep coming while a deployment is worked on, and the search for every one of them afterwards.

They are sent one after the other from a process of its own, `python -m hedgerow.smoke.steady`: it ends with whoever
began it, also where that one is killed. What to send comes by standard input, the project's token with it. An event
counts as sent once the edge has acknowledged it (200). What is refused or not answered is sent again under the same id,
as PostHog's SDKs do with no answer, 408, 429 and 5xx; any other 4xx they drop, so one such answer is an event lost.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from hedgerow.smoke import steps
from hedgerow.smoke.client import Client, RefusedError, UntrustedError
from hedgerow.smoke.send import EVENT, REPOSITORY
from hedgerow.smoke.steps import Journey, Key, NotTriedError, StepFailedError
from hedgerow.smoke.values import SmokeSheet

PAUSE, LONGEST_PAUSE, SECONDS = 0.25, 4.0, 10.0
"""Between two events; at most before a refused one is sent again; until an answer must have come."""
ENDING_SECONDS = 60.0
AT_ONCE = 400
"""How many are looked for by one question: the API gives a thousand at most, duplicates among them."""
AROUND = timedelta(seconds=5)


@dataclass(frozen=True)
class Route:
    """Where events go, and in whose name: `run` tells those of one run from all others."""

    domain: str
    address: str
    port: int
    ca_file: str
    token: str
    run: str

    @property
    def who(self) -> str:
        """The distinct id that the events bear."""
        return f"hedgerow-steady-{self.run}"


@dataclass(frozen=True)
class Tally:
    """What became of the events: `sent` were acknowledged, `found` of them came out again (None: nobody looked).

    `refused` tries were not acknowledged and made again, the longest wait for an acknowledgement took `longest_wait`
    seconds; `dropped` were answered so that an SDK would not send them again. `said` is the last refusal.
    """

    sent: int = 0
    refused: int = 0
    dropped: int = 0
    longest_wait: float = 0.0
    found: int | None = None
    said: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it under its published names."""
        return asdict(self)

    def words(self) -> str:
        """Say it in a line."""
        found = "not looked for" if self.found is None else f"{self.found} found"
        again = f"{self.refused} refused and sent again, the longest wait {self.longest_wait:.0f} s"
        return f"{self.sent} sent, {found}; {again}" + (f"; {self.dropped} dropped" if self.dropped else "")


class Steady:
    """Events on their way. `why` says why none are, where that is so; `tally` is complete once it was looked for."""

    def __init__(self, route: Route | None, why: str = "") -> None:
        self.why = why
        self.tally = Tally()
        self.sent: tuple[tuple[str, datetime], ...] = ()
        self._route = route
        self._sender: subprocess.Popen[str] | None = None
        if route is not None:
            # A session of its own: Ctrl-C at our terminal is for us to answer.
            self._sender = subprocess.Popen(
                [sys.executable, "-m", "hedgerow.smoke.steady"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            )
            assert self._sender.stdin is not None
            self._sender.stdin.write(json.dumps(asdict(route)) + "\n")
            self._sender.stdin.flush()

    def stop(self) -> None:
        """Send no more; know what was sent. May be done twice."""
        sender, self._sender = self._sender, None
        if sender is None:
            return
        try:
            out, err = sender.communicate(timeout=ENDING_SECONDS)
            said = json.loads(out)
        except (subprocess.TimeoutExpired, ValueError):
            sender.kill()
            _, err = sender.communicate()
            self.why = f"what sent them ended badly: {err.strip().rpartition(chr(10))[2] or 'it said nothing'}"
            return
        self.sent = tuple((name, datetime.fromtimestamp(at, UTC)) for name, at in said["ids"])
        self.tally = Tally(**said["tally"])

    def look(self, trip: Journey, key: Key) -> tuple[Tally, str]:
        """End the sending, and find every event that was acknowledged. A step of the smoke test."""
        self.stop()
        if self.why or self._route is None:
            raise NotTriedError(self.why)
        lost: list[str] = []
        for first in range(0, len(self.sent), AT_ONCE):
            lost += _missing(trip, key, self._route.who, self.sent[first : first + AT_ONCE])
        self.tally = replace(self.tally, found=self.tally.sent - len(lost))
        if not self.sent:
            raise StepFailedError(f"the edge took none: {self.tally.said or 'it had no time to'}")
        if lost or self.tally.dropped:
            raise StepFailedError(f"{self.tally.words()}; lost: {', '.join(lost[:5]) or self.tally.said}")
        return self.tally, self.tally.words()


def begin(sheet: SmokeSheet) -> Steady:
    """Begin to send. Where nobody can sign in to learn the project's token, `why` of what is returned says so."""
    try:
        return Steady(route(sheet))
    except (StepFailedError, RefusedError, UntrustedError) as error:
        return Steady(None, f"before it began, the deployment was not well: {error}")


def route(sheet: SmokeSheet) -> Route:
    """Sign in to learn the project's token. Raises StepFailedError, RefusedError and UntrustedError."""
    run = uuid.uuid4().hex[:12]
    trip = steps.journey(sheet, run)
    page, _ = steps.page(trip)
    session, _ = steps.sign_in(trip, page)
    project, _ = steps.project(trip, session)
    steps.sign_out(trip, session)
    return Route(
        sheet.domain, sheet.address, sheet.port, str(sheet.ca_file) if sheet.ca_file else "", project.token, run
    )


def _missing(trip: Journey, key: Key, who: str, rows: tuple[tuple[str, datetime], ...]) -> list[str]:
    """Return the ids that do not come out in the time an event may take."""
    wanted = {name for name, _ in rows}
    span = {"after": (rows[0][1] - AROUND).isoformat(), "before": (rows[-1][1] + AROUND).isoformat()}
    asked = f"events/?{urlencode({'event': EVENT, 'distinct_id': who, **span, 'limit': 1000})}"
    left = set(wanted)

    def lacking(found: list[dict[str, Any]]) -> str:
        left.clear()
        left.update(wanted - {row["id"] for row in found})
        return f"{len(left)} of {len(wanted)} are not there" if left else ""

    try:
        steps.patiently(trip, key, asked, lacking)
    except StepFailedError:
        if left == wanted:
            raise  # not one of them: the question failed, or all are lost, and its words say which
    return sorted(left)


def main() -> None:
    """Send until standard input ends; print what was sent."""
    route = Route(**json.loads(sys.stdin.readline()))
    print(json.dumps(_send(route)))


def _send(route: Route) -> dict[str, Any]:
    client = Client(route.domain, route.address, route.port, Path(route.ca_file) if route.ca_file else None)
    ids: list[tuple[str, float]] = []
    tally, waiting, pause = Tally(), None, PAUSE
    while True:
        if waiting is None:
            waiting, pause = (str(uuid.uuid4()), time.time()), PAUSE
        status, said = _post(client, {"api_key": route.token, "batch": [_event(route, *waiting)]})
        if status == 200:
            ids.append(waiting)
            waited = round(max(tally.longest_wait, time.time() - waiting[1]), 1)
            tally, waiting = replace(tally, sent=len(ids), longest_wait=waited), None
        elif 400 <= status < 500 and status not in (408, 429):
            tally, waiting = replace(tally, dropped=tally.dropped + 1, said=said), None
        else:
            tally = replace(tally, refused=tally.refused + 1, said=said)
        if _told_to_stop(pause):
            return {"ids": ids, "tally": asdict(tally)}
        pause = min(pause * 2, LONGEST_PAUSE) if waiting else PAUSE


def _post(client: Client, value: object) -> tuple[int, str]:
    """Return the answer's status and words; 0 where none came."""
    try:
        answer = client.ask("POST", "/batch/", value, seconds=SECONDS)
    except (RefusedError, UntrustedError) as error:
        return 0, str(error)
    return answer.status, answer.words()


def _event(route: Route, name: str, at: float) -> dict[str, Any]:
    return {
        "uuid": name,
        "event": EVENT,
        "distinct_id": route.who,
        "timestamp": datetime.fromtimestamp(at, UTC).isoformat(),
        "properties": {"hedgerow_run": route.run, "$process_person_profile": False},
    }


def _told_to_stop(seconds: float) -> bool:
    """Wait, and say whether standard input has ended meanwhile."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])


if __name__ == "__main__":
    main()

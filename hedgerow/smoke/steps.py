"""The steps: each asks one thing of the deployment, and returns what it found and a line about it.

A step raises StepFailedError with what it saw instead, NotTriedError where it cannot be tried here; RefusedError and
UntrustedError come from the client.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from hedgerow.smoke.client import Answer, Client, RefusedError
from hedgerow.smoke.code import code, seconds_to_next
from hedgerow.smoke.send import EVENT, Parcel
from hedgerow.smoke.send import send as send_parcel
from hedgerow.smoke.values import SmokeSheet

LABEL = "hedgerow smoke"
LEFT_BEHIND = timedelta(minutes=15)
SCOPES = ["query:read", "person:read"]
RECORDING_SCOPES = ["session_recording:read"]
STRANGER_SECONDS = 5.0
SLOWEST_POLL = 2.0


class StepFailedError(Exception):
    """What a step saw instead of what it should have."""


class NotTriedError(Exception):
    """Why a step cannot be tried here."""


@dataclass(frozen=True)
class Journey:
    """What all steps share: the client keeps the session; `name` tells this run's events from any other's."""

    sheet: SmokeSheet
    client: Client
    name: str

    def alone(self) -> Client:
        """Return a client without the session."""
        return replace(self.client, cookies={})


def journey(sheet: SmokeSheet, name: str) -> Journey:
    """Return a journey that begins with a client nobody has signed in with."""
    client = Client(sheet.domain, sheet.address, sheet.port, sheet.ca_file, sheet.certificate)
    return Journey(sheet, client, name)


@dataclass(frozen=True)
class Project:
    """The project that events go to."""

    id: int
    token: str = field(repr=False)


@dataclass(frozen=True)
class Key:
    """A personal API key: `id` deletes it, `value` uses it, on one project."""

    id: str
    project: int
    value: str = field(repr=False)


def page(trip: Journey) -> tuple[Answer, str]:
    """The sign-in page comes, over TLS whose certificate holds for the public name."""
    answer = trip.client.ask("GET", "/login")
    if answer.status != 200 or "text/html" not in answer.headers.get("content-type", ""):
        raise StepFailedError(f"GET /login: {answer.words()}")
    stand_in = ", the lab's stand-in and not PostHog" if "x-hedgerow-stand-in" in answer.headers else ""
    return answer, f"{answer.tls}, certificate valid for {trip.client.domain}{stand_in}"


def health(trip: Journey, _page: Answer) -> tuple[bool, str]:
    """The application calls itself well."""
    answer = trip.client.ask("GET", "/_health")
    if answer.status != 200:
        raise StepFailedError(f"GET /_health: {answer.words()}")
    return True, "GET /_health: 200"


def plain(trip: Journey, _page: Answer) -> tuple[bool, str]:
    """Without TLS there is a redirect to https, a refusal or nothing, for people and for events."""
    seen = []
    for method, path in (("GET", "/login"), ("POST", "/batch/")):
        try:
            answer = trip.client.ask_plainly(method, path, trip.sheet.plain_port)
        except RefusedError:
            seen.append(f"{method} {path}: no connection")
            continue
        target = answer.headers.get("location", "")
        secure = 300 <= answer.status < 400 and target.startswith(f"{trip.client.origin}/")
        if not (secure or 400 <= answer.status < 500):
            raise StepFailedError(f"{method} http://{trip.client.domain}{path}: {answer.status} {target}".strip())
        seen.append(f"{method} {path}: {answer.status}")
    return True, ", ".join(seen)


def unknown(trip: Journey, _page: Answer) -> tuple[bool, str]:
    """Nobody reads a project without a session or a key."""
    answer = trip.client.ask("GET", "/api/projects/@current/")
    if answer.status not in (401, 403):
        raise StepFailedError(f"GET /api/projects/@current/ without a session: {answer.status}")
    return True, f"GET /api/projects/@current/: {answer.words()}"


def sign_in(trip: Journey, _page: Answer) -> tuple[bool, str]:
    """A session for the account on the sheet."""
    who = trip.sheet.email
    answer = change(trip.client, "POST", "/api/login/", {"email": who, "password": trip.sheet.password})
    with_code = answer.status == 401 and _code_of(answer) == "2fa_required"
    if with_code:
        answer = _give_code(trip)
    if answer.status != 200 or "sessionid" not in trip.client.cookies:
        raise StepFailedError(f"POST /api/login/: {answer.words()}")
    return True, f"as {who}{', with a second factor' if with_code else ''}"


def _give_code(trip: Journey) -> Answer:
    """Give the code that the password alone did not do for. One is taken once only: after a used one, the next."""
    if trip.sheet.second_factor is None:
        raise StepFailedError(f"{trip.sheet.email} has a second factor, and nobody gave its seed to this smoke test")
    seed = trip.sheet.second_factor()
    if not seed:
        raise StepFailedError(f"{trip.sheet.email} has a second factor that Hedgerow did not set up")
    answer = change(trip.client, "POST", "/api/login/token/", {"token": code(seed, time.time())})
    if _code_of(answer) == "2fa_invalid":
        time.sleep(seconds_to_next(time.time()))
        answer = change(trip.client, "POST", "/api/login/token/", {"token": code(seed, time.time())})
    return answer


def _code_of(answer: Answer) -> str:
    value = answer.json() if answer.status >= 400 else None
    return str(value.get("code", "")) if isinstance(value, dict) else ""


def project(trip: Journey, _session: bool) -> tuple[Project, str]:
    """The project and its token."""
    answer = trip.client.ask("GET", "/api/projects/@current/")
    value = answer.json() if answer.status == 200 else None
    if not isinstance(value, dict) or not value.get("api_token"):
        raise StepFailedError(f"GET /api/projects/@current/: {answer.words()}")
    return Project(value["id"], value["api_token"]), f"project {value['id']}, {value.get('name', '')}"


def make_key(trip: Journey, found: Project) -> tuple[Key, str]:
    """A personal API key that may read this project's events and nothing else."""
    removed = _sweep(trip.client)
    scopes = [*SCOPES, *(RECORDING_SCOPES if trip.sheet.browser_sdk or trip.sheet.replays else ())]
    wanted = {"label": LABEL, "scopes": scopes, "scoped_teams": [found.id], "scoped_organizations": []}
    answer = change(trip.client, "POST", "/api/personal_api_keys/", wanted)
    value = answer.json()
    if answer.status != 201 or not value.get("value"):
        raise StepFailedError(f"POST /api/personal_api_keys/: {answer.words()}")
    swept = f"; removed {removed} that an earlier run left behind" if removed else ""
    return Key(value["id"], found.id, value["value"]), f"may {', '.join(scopes)} of project {found.id}{swept}"


def send(trip: Journey, found: Project) -> tuple[tuple[str, ...], str]:
    """Events go in with the official SDK."""
    sheet = trip.sheet
    parcel = Parcel(sheet.domain, sheet.address, sheet.port, found.token, trip.name, sheet.events)
    receipt = send_parcel(parcel, sheet.ca_file)
    if receipt.complaints or len(receipt.ids) != sheet.events:
        raise StepFailedError("; ".join(dict.fromkeys(receipt.complaints)) or f"only {len(receipt.ids)} were sent")
    return receipt.ids, f"1 alone and {sheet.events - 1} in one compressed batch"


def read_back(trip: Journey, key: Key, ids: tuple[str, ...]) -> tuple[bool, str]:
    """Every event that was sent comes out of the API, whole, before the time is up."""
    query = {"event": EVENT, "distinct_id": f"hedgerow-smoke-{trip.name}"}
    return True, f"all {len(ids)} after {arrived(trip, key, query, set(ids)):.1f} s"


def arrived(trip: Journey, key: Key, query: Mapping[str, object], ids: set[str]) -> float:
    """Wait until the API gives out just these events; return after how many seconds. Raises StepFailedError."""
    after = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    asked = f"events/?{urlencode({**query, 'after': after, 'limit': len(ids) + 1})}"

    def missing(rows: list[dict[str, Any]]) -> str:
        found = {row["id"] for row in rows}
        return "" if found == ids else f"{len(found & ids)} of {len(ids)}"

    return patiently(trip, key, asked, missing)


def patiently(trip: Journey, key: Key, asked: str, missing: Callable[[list[dict[str, Any]]], str]) -> float:
    """Ask the project's API until nothing is missing in what it lists; return after how many seconds.

    `missing` says in words what is, "" for nothing. Raises StepFailedError after the time, or at another answer.
    """
    began, pause, reader = time.monotonic(), 0.1, trip.alone()
    while True:
        answer = read(reader, key, asked)
        value = answer.json() if answer.status == 200 else None
        if not isinstance(value, dict):
            raise StepFailedError(f"GET /api/projects/{key.project}/{asked.partition('?')[0]}: {answer.words()}")
        words, took = missing(value["results"]), time.monotonic() - began
        if not words:
            return took
        if took > trip.sheet.timeout:
            raise StepFailedError(f"{words} after {took:.0f} s")
        time.sleep(pause)
        pause = min(pause * 2, SLOWEST_POLL)


def drop_key(trip: Journey, key: Key) -> tuple[bool, str]:
    """The key is gone, and opens nothing any more."""
    answer = change(trip.client, "DELETE", f"/api/personal_api_keys/{key.id}/")
    if answer.status != 204:
        raise StepFailedError(f"DELETE /api/personal_api_keys/: {answer.words()}; delete the key {LABEL!r} by hand")
    after = read(trip.alone(), key, "events/")
    if after.status not in (401, 403):
        raise StepFailedError(f"the deleted key still reads: {after.status}")
    return True, f"and answers {after.status} now"


def sign_out(trip: Journey, _session: bool) -> tuple[bool, str]:
    """The session ends."""
    answer = change(trip.client, "POST", "/logout")
    if answer.status >= 400:
        raise StepFailedError(f"POST /logout: {answer.words()}")
    return True, f"POST /logout: {answer.status}"


def stranger_at_interface(trip: Journey, _page: Answer) -> tuple[bool, str]:
    """From an address that is on no allow-list the sign-in page does not come."""
    return _knock(trip, "GET", "/login", None) if trip.sheet.interface_restricted else _open()


def stranger_at_capture(trip: Journey, _page: Answer) -> tuple[bool, str]:
    """From an address that is on no allow-list nothing is taken in; the token is nobody's, should it pass."""
    value = {"api_key": "phc_nobody", "event": EVENT, "distinct_id": "nobody"}
    return _knock(trip, "POST", "/batch/", value) if trip.sheet.ingest_restricted else _open()


def _open() -> tuple[bool, str]:
    raise NotTriedError("open to any address by declaration")


def _knock(trip: Journey, method: str, path: str, value: object) -> tuple[bool, str]:
    """Ask from the stranger's address. Any answer but the edge's own refusal is the application's."""
    stranger = trip.sheet.stranger
    if not stranger:
        raise NotTriedError("this machine has no address that is on no allow-list")
    asked = f"{method} {path} from {stranger}"
    try:
        answer = trip.alone().ask(method, path, value, source=stranger, seconds=STRANGER_SECONDS)
    except RefusedError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRNOTAVAIL:
            raise NotTriedError(f"{stranger} is not an address of this machine") from None
        # Silence is a refusal only while others are answered: if we are not either, this raises again.
        trip.alone().ask("GET", "/login")
        return True, f"{asked}: {error}"
    if answer.status not in (403, 404):
        raise StepFailedError(f"{asked}: {answer.words()}")
    return True, f"{asked}: {answer.status}"


def read(reader: Client, key: Key, path: str) -> Answer:
    """Read something of the key's project."""
    where = f"/api/projects/{key.project}/{path}"
    return reader.ask("GET", where, headers={"Authorization": f"Bearer {key.value}"})


def change(client: Client, method: str, path: str, value: object = None) -> Answer:
    """Ask for a change as the person signed in: Django wants its token and a referer of its own."""
    headers = {"Referer": f"{client.origin}/", "X-CSRFToken": client.cookies.get("posthog_csrftoken", "")}
    return client.ask(method, path, value, headers)


def _sweep(client: Client) -> int:
    """Delete keys that killed runs left behind; a run at the same time keeps its own."""
    answer = client.ask("GET", "/api/personal_api_keys/")
    rows = answer.json() if answer.status == 200 else []
    old = datetime.now(UTC) - LEFT_BEHIND
    left = [row for row in rows if row["label"] == LABEL and datetime.fromisoformat(row["created_at"]) < old]
    return sum(change(client, "DELETE", f"/api/personal_api_keys/{row['id']}/").status == 204 for row in left)

"""Inviting somebody into PostHog, as its owner, over the API that its own page for members uses."""

from __future__ import annotations

from dataclasses import dataclass, field

from hedgerow.errors import CallError, UnreachableError
from hedgerow.people import LEVELS
from hedgerow.smoke import SmokeSheet, steps
from hedgerow.smoke.client import Answer, Client, RefusedError, UntrustedError

INVITES = "/api/organizations/@current/invites/"
VALID_DAYS = 3  # upstream's posthog/constants.py, INVITE_DAYS_VALIDITY
OFFERED = {name: level for level, name in LEVELS.items() if name != "owner"}


@dataclass(frozen=True)
class Invitation:
    """An invitation; whoever has the link first is who was invited. `mailed` says that PostHog sends it itself."""

    email: str
    level: str
    mailed: bool
    link: str = field(repr=False)


def invite(sheet: SmokeSheet, email: str, level: str, *, by_mail: bool) -> Invitation:
    """Invite somebody. Raises CallError with PostHog's own words where it refuses, and UnreachableError."""
    trip = steps.journey(sheet, "invitation")
    try:
        steps.sign_in(trip, steps.page(trip)[0])
        answer = _ask(trip.client, email, level, by_mail=by_mail)
        steps.sign_out(trip, True)
    except (RefusedError, UntrustedError, steps.StepFailedError) as error:
        raise UnreachableError(
            f"PostHog could not be asked: {error}", "Run smoke: it says what does not work."
        ) from None
    said = answer.json()
    if answer.status != 201 or not isinstance(said, dict) or not said.get("id"):
        raise CallError(f"PostHog did not invite {email}: {answer.words()}", "Nothing was changed.")
    return Invitation(email, level, by_mail, f"{trip.client.origin}/signup/{said['id']}")


def _ask(client: Client, email: str, level: str, *, by_mail: bool) -> Answer:
    organization = client.ask("GET", "/api/organizations/@current/").json()
    if not isinstance(organization, dict) or organization.get("enforce_2fa") is not True:
        raise CallError("PostHog does not demand a second factor of everybody", "Run install first, which sees to it.")
    wanted = {"target_email": email, "level": OFFERED[level], "send_email": by_mail}
    return steps.change(client, "POST", INVITES, wanted)

"""Invitations: made by a member, answered once by whoever has the link (posthog/api/organization_invite, signup)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Protocol

from stand_in import accounts
from stand_in.asgi import Reply, Request, as_json
from stand_in.guard import denied, fault, invalid
from stand_in.records import Row

if TYPE_CHECKING:
    from stand_in.api import Api

VALID_DAYS = 3  # INVITE_DAYS_VALIDITY
LEVELS = (1, 8, 15)  # OrganizationMembership.Level
NO_SUCH = "The provided invite ID is not valid."
EXPIRED = "This invite has expired. Please ask your admin for a new one."


class Kept(Protocol):
    """What is asked of the tables."""

    def is_member(self, organization: object, email: str) -> bool:
        """Say whether somebody of this address belongs to the organisation."""

    def invite(self, row: Row) -> Row:
        """Keep an invitation, the only one of its address, and return it."""

    def invitation(self, which: uuid.UUID) -> Row | None:
        """Return an invitation, with `expired` and the organisation's name."""

    def join(self, invitation: Row, password: str, first_name: str) -> bool:
        """Make a member of whoever answers and use up the invitation; say whether the address was free."""


class Invitations:
    """Handlers beside those of `Api`, which says who asks."""

    def __init__(self, api: Api, kept: Kept) -> None:
        self.api = api
        self.kept = kept

    def create(self, request: Request, which: str) -> Reply:
        """POST /api/organizations/@current/invites."""
        caller = self.api.caller(request, "organization_member:write")
        if isinstance(caller, Reply):
            return caller
        organization = caller.person["current_organization_id"]
        if which not in ("@current", str(organization)):
            return fault(404, "invalid_request", "not_found", "Not found.")
        given = _fields(request)
        if why := self._fault(given, caller.person):
            return why
        email, level = given["target_email"], given.get("level", 1)
        local, _, domain = email.partition("@")
        row = {
            "organization_id": organization,
            "target_email": f"{local}@{domain.lower()}",
            "first_name": str(given.get("first_name") or ""),
            "level": level,
            "created_by_id": caller.person["id"],
        }
        made = self.kept.invite(row)
        shown = {key: str(made[key]) if key == "id" else made[key] for key in ("id", "target_email", "level")}
        return as_json(201, {**shown, "emailing_attempt_made": False, "is_expired": False, "stand_in": True})

    def _fault(self, given: dict[str, Any], inviter: Row) -> Reply | None:
        email, level = given.get("target_email"), given.get("level", 1)
        if not isinstance(email, str) or "@" not in email:
            return invalid("required", "This field is required.", "target_email")
        if level not in LEVELS:
            return invalid("invalid_choice", f'"{level}" is not a valid choice.', "level")
        if level > inviter["level"]:
            return denied("You cannot invite a user with a higher permission level than your own.")
        if self.kept.is_member(inviter["current_organization_id"], email):
            return invalid("invalid_input", "A user with this email address already belongs to the organization.")
        return None

    def look(self, request: Request, which: str) -> Reply:
        """GET /api/signup/ID: whom an invitation is for."""
        found = self._valid(which)
        if isinstance(found, Reply):
            return found
        shown = {"id": str(found["id"]), "target_email": found["target_email"], "first_name": found["first_name"]}
        return as_json(200, {**shown, "organization_name": found["organization_name"]})

    def accept(self, request: Request, which: str) -> Reply:
        """POST /api/signup/ID: an account for whoever was invited, and a session."""
        given = _fields(request)
        for name in ("first_name", "password"):
            if not isinstance(given.get(name), str) or not given[name]:
                return invalid("required", "This field is required.", name)
        if len(given["password"]) < accounts.SHORTEST_PASSWORD:
            detail = f"This password is too short. It must contain at least {accounts.SHORTEST_PASSWORD} characters."
            return invalid("password_too_short", detail, "password")
        found = self._valid(which)
        if isinstance(found, Reply):
            return found
        email = found["target_email"]
        if not self.kept.join(found, accounts.hide_password(given["password"]), given["first_name"]):
            detail = f"There already exists an account with email address {email}. Please log in instead."
            return invalid("invalid_input", detail)
        person = self.api.store.person(email)
        assert person is not None
        return self.api.begin(person, as_json(201, {"email": email, "redirect_url": "/"}))

    def _valid(self, which: str) -> Row | Reply:
        try:
            found = self.kept.invitation(uuid.UUID(which))
        except ValueError:
            found = None
        if found is None:
            return invalid("invalid_input", NO_SUCH)
        return invalid("expired", EXPIRED) if found["expired"] else found


def _fields(request: Request) -> dict[str, Any]:
    try:
        return request.fields()
    except ValueError:
        return {}

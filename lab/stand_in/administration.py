"""What an administrator sets: the organisation, its projects, and one's own second factor (posthog/api)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from stand_in import second_factor
from stand_in.asgi import Reply, Request, as_json
from stand_in.guard import SESSION, denied, fault, invalid
from stand_in.records import Row

if TYPE_CHECKING:
    from stand_in.api import Api, Caller

ADMINISTRATOR = 8  # OrganizationMembership.Level
ORGANIZATION = ("enforce_2fa", "allow_publicly_shared_resources", "is_ai_data_processing_approved")
NULLABLE = ("enforce_2fa", "is_ai_data_processing_approved")
PROJECT = ("anonymize_ips", "session_recording_opt_in")
MASKING = {"maskAllInputs": bool, "maskTextSelector": str, "blockSelector": str}


class Administration:
    """Handlers beside those of `Api`, which says who asks."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.store = api.store

    def organization(self, request: Request, which: str) -> Reply:
        """GET and PATCH /api/organizations/@current: what is read-only upstream is passed over here too."""
        caller = self._caller(request, "organization")
        if isinstance(caller, Reply):
            return caller
        if which not in ("@current", str(caller.person["current_organization_id"])):
            return fault(404, "invalid_request", "not_found", "Not found.")
        if request.method == "PATCH":
            changes = chosen(request, ORGANIZATION)
            if why := switch_fault(changes, NULLABLE):
                return why
            self.store.change_organization(caller.person["current_organization_id"], changes)
            caller.person.update(changes)
        return as_json(200, organization(caller.person))

    def change_project(self, request: Request, which: str) -> Reply:
        """PATCH /api/projects/@current or by number."""
        caller = self._caller(request, "project")
        if isinstance(caller, Reply):
            return caller
        if self.api.team_fault(caller, which):
            return fault(404, "invalid_request", "not_found", "Not found.")
        switches = chosen(request, PROJECT)
        masking = chosen(request, ("session_recording_masking_config",))
        if why := switch_fault(switches, ()) or masking_fault(masking):
            return why
        self.store.change_project(caller.team, switches | masking)
        caller.person.update(switches | masking)
        return as_json(200, project(caller.person))

    def projects(self, request: Request) -> Reply:
        """GET /api/projects: the one there is."""
        caller = self.api.caller(request, "project:read")
        if isinstance(caller, Reply):
            return caller
        return as_json(200, {"count": 1, "next": None, "previous": None, "results": [project(caller.person)]})

    def start_second_factor(self, request: Request) -> Reply:
        """GET /api/users/@me/two_factor_start_setup: a seed, which the session remembers."""
        caller = self.api.caller(request)
        if isinstance(caller, Reply):
            return caller
        seed = second_factor.new_seed()
        self.store.propose_seed(self.api.session_of(request), seed)
        return as_json(200, {"success": True, "secret": second_factor.shown(seed)})

    def accept_second_factor(self, request: Request) -> Reply:
        """POST /api/users/@me/two_factor_validate: the first code shows that the seed has arrived."""
        caller = self.api.caller(request)
        if isinstance(caller, Reply):
            return caller
        seed, given = caller.person["proposed_seed"], _fields(request).get("token")
        if not seed or second_factor.step_of(seed, given, time.time()) is None:
            return invalid("token_invalid", "Token is not valid")
        self.store.accept_seed(caller.person["id"], self.api.session_of(request), seed)
        return as_json(200, {"success": True})

    def give_code(self, request: Request) -> Reply:
        """POST /api/login/token: the second half of a sign-in."""
        half = request.cookies.get(SESSION) and self.store.person_half_in(self.api.session_of(request))
        if not half:
            return denied("CSRF Failed or no sign-in begun.")
        step = second_factor.step_of(
            half["totp_seed"] or "", _fields(request).get("token"), time.time(), half["last_t"]
        )
        # The row is compared once more as it is written: two at once with one code are one too many.
        if step is None or not self.store.take_step(half["id"], step):
            return invalid("2fa_invalid", "Invalid authentication code")
        self.store.close_session(self.api.session_of(request))
        return self.api.begin(half, as_json(200, {"success": True}), verified=True)

    def _caller(self, request: Request, thing: str) -> Caller | Reply:
        """Return who asks; changes are for administrators."""
        change = request.method == "PATCH"
        caller = self.api.caller(request, f"{thing}:{'write' if change else 'read'}")
        if change and not isinstance(caller, Reply) and caller.person["level"] < ADMINISTRATOR:
            return denied("Your organization access level is insufficient.")
        return caller


def organization(row: Row) -> dict[str, Any]:
    """Return an organisation as the API shows it; it does not show session_cookie_age."""
    return {
        "id": str(row["current_organization_id"]),
        "name": row["organization_name"],
        "membership_level": row["level"],
        "plugins_access_level": row["plugins_access_level"],
        **{name: row[name] for name in ORGANIZATION},
        "stand_in": True,
    }


def project(row: Row) -> dict[str, Any]:
    """Return a project as the API shows it."""
    return {
        "id": row["current_team_id"],
        "uuid": str(row["team_uuid"]),
        "organization": str(row["current_organization_id"]),
        "name": row["team_name"],
        "api_token": row["api_token"],
        "timezone": "UTC",
        **{name: row[name] for name in (*PROJECT, "session_recording_masking_config")},
        "stand_in": True,
    }


def chosen(request: Request, names: tuple[str, ...]) -> dict[str, Any]:
    """Return those fields of a request that have one of the names."""
    given = _fields(request)
    return {name: given[name] for name in names if name in given}


def switch_fault(changes: dict[str, Any], nullable: tuple[str, ...]) -> Reply | None:
    """Refuse what is neither on nor off."""
    for name, value in changes.items():
        if value is None and name not in nullable:
            return invalid("null", "This field may not be null.", name)
        if value is not None and not isinstance(value, bool):
            return invalid("invalid", "Must be a valid boolean.", name)
    return None


def masking_fault(changes: dict[str, Any]) -> Reply | None:
    """Refuse a masking that upstream would not know (validate_session_recording_masking_config)."""
    for name, value in changes.items():
        if value is None:
            continue
        if not isinstance(value, dict):
            return invalid("invalid_input", "Must provide a dictionary or None.", name)
        if unknown := value.keys() - MASKING.keys():
            detail = f"Must provide a dictionary with only known keys: {', '.join(MASKING)}; not {sorted(unknown)[0]}."
            return invalid("invalid_input", detail, name)
        for key, kind in MASKING.items():
            if key in value and not isinstance(value[key], kind):
                word = "boolean" if kind is bool else "string"
                return invalid("invalid_input", f"{key} must be a {word}.", name)
    return None


def _fields(request: Request) -> dict[str, Any]:
    try:
        return request.fields()
    except ValueError:
        return {}

"""What administrators set, and the second factor: the handlers over the tables of test_api."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from stand_in import second_factor
from stand_in.administration import Administration
from stand_in.api import Api
from stand_in.asgi import Reply

from tests.unit.stand_in_app.test_api import (  # noqa: F401 - fixtures are found by their names here
    JANE,
    api,
    ask,
    cheap,
    jane,
    said,
    signed_in,
)

NOW = 1_800_000_015.0
SEED = b"12345678901234567890".hex()  # RFC 6238, appendix B


@pytest.fixture
def administration(api: Api, monkeypatch: pytest.MonkeyPatch) -> Administration:  # noqa: F811
    monkeypatch.setattr("stand_in.administration.time.time", lambda: NOW)
    return Administration(api)


def seed_of(reply: Reply) -> str:
    return base64.b32decode(said(reply)["secret"]).hex()


def enrol(administration: Administration, headers: dict[str, str]) -> str:
    seed = seed_of(administration.start_second_factor(ask("GET", **headers)))
    given = {"token": second_factor.code(seed, int(NOW) // 30)}
    assert administration.accept_second_factor(ask("POST", given, **headers)).status == 200
    return seed


@pytest.mark.parametrize(("at", "digits"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
def test_codes_are_those_of_the_standard(at: int, digits: str) -> None:
    assert second_factor.code(SEED, at // 30) == digits


@pytest.mark.parametrize(
    ("away", "last", "taken"),
    [(0, -1, True), (-1, -1, True), (1, -1, True), (2, -1, False), (-2, -1, False), (0, 0, False), (1, 0, True)],
)
def test_a_code_is_taken_once_and_half_a_minute_around(away: int, last: int, taken: bool) -> None:
    step = int(NOW) // 30
    given = second_factor.code(SEED, step + away)
    found = second_factor.step_of(SEED, given, NOW, last if last < 0 else step + last)
    assert found == (step + away if taken else None)


@pytest.mark.parametrize(
    ("value", "status", "attribute"),
    [
        ({"enforce_2fa": None}, 200, None),
        ({"allow_publicly_shared_resources": False}, 200, None),
        ({"allow_publicly_shared_resources": None}, 400, "allow_publicly_shared_resources"),
        ({"is_ai_data_processing_approved": "no"}, 400, "is_ai_data_processing_approved"),
    ],
)
def test_the_organisation_takes_switches(
    administration: Administration,
    jane: dict[str, str],  # noqa: F811
    value: Any,
    status: int,
    attribute: str | None,
) -> None:
    reply = administration.organization(ask("PATCH", value, **jane), "@current")
    assert (reply.status, said(reply).get("attr")) == (status, attribute)
    if status == 200:
        assert said(reply).items() >= value.items()


def test_what_is_read_only_stays(administration: Administration, jane: dict[str, str]) -> None:  # noqa: F811
    changes = {"plugins_access_level": 0, "session_cookie_age": 1}
    shown = said(administration.organization(ask("PATCH", changes, **jane), "@current"))
    assert shown["plugins_access_level"] == 9
    assert "session_cookie_age" not in shown


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ({"anonymize_ips": True}, 200),
        ({"anonymize_ips": None}, 400),
        ({"session_recording_masking_config": {"maskAllInputs": True, "maskTextSelector": "*"}}, 200),
        ({"session_recording_masking_config": None}, 200),
        ({"session_recording_masking_config": {"maskAllInputs": "yes"}}, 400),
        ({"session_recording_masking_config": {"maskEverything": True}}, 400),
        ({"session_recording_masking_config": "all"}, 400),
    ],
)
def test_a_project_takes_what_upstream_takes(
    administration: Administration,
    jane: dict[str, str],  # noqa: F811
    value: Any,
    status: int,
) -> None:
    reply = administration.change_project(ask("PATCH", value, **jane), "7")
    assert reply.status == status
    if status == 200:
        assert said(administration.projects(ask("GET", **jane)))["results"][0].items() >= value.items()


def test_who_may_not(api: Api, administration: Administration, jane: dict[str, str]) -> None:  # noqa: F811
    """Nobody, somebody without the page's token, another organisation, and a member without rights."""
    change = {"enforce_2fa": False}
    stranger = administration.organization(ask("PATCH", change), "@current")
    assert (stranger.status, said(stranger)["code"]) == (401, "not_authenticated")
    forged = administration.organization(ask("PATCH", change, cookie=jane["cookie"]), "@current")
    assert (forged.status, said(forged)["code"]) == (403, "permission_denied")
    assert administration.organization(ask("GET", **jane), "another").status == 404
    api.store.people[JANE["email"]]["level"] = 1  # type: ignore[attr-defined]  # the tables of test_api
    for reply in (
        administration.organization(ask("PATCH", change, **jane), "@current"),
        administration.change_project(ask("PATCH", {"anonymize_ips": False}, **jane), "7"),
    ):
        assert (reply.status, said(reply)["detail"]) == (403, "Your organization access level is insufficient.")
    assert administration.organization(ask("GET", **jane), "@current").status == 200


def test_a_demanded_factor_leaves_nothing_but_setting_one_up(
    api: Api,  # noqa: F811
    administration: Administration,
    jane: dict[str, str],  # noqa: F811
) -> None:
    administration.organization(ask("PATCH", {"enforce_2fa": True}, **jane), "@current")
    refused = api.keys(ask("GET", path="/api/personal_api_keys/", **jane))
    assert (refused.status, said(refused)["code"]) == (403, "two_factor_setup_required")
    assert api.me(ask("GET", path="/api/users/@me/", **jane)).status == 200
    start, validate = "/api/users/@me/two_factor_start_setup/", "/api/users/@me/two_factor_validate/"
    seed = seed_of(administration.start_second_factor(ask("GET", path=start, **jane)))
    wrong = administration.accept_second_factor(ask("POST", {"token": "000000"}, path=validate, **jane))
    assert (wrong.status, said(wrong)["code"]) == (400, "token_invalid")
    right = {"token": second_factor.code(seed, int(NOW) // 30)}
    assert administration.accept_second_factor(ask("POST", right, path=validate, **jane)).status == 200
    assert api.keys(ask("GET", path="/api/personal_api_keys/", **jane)).status == 200


def test_the_password_opens_half_a_door(
    api: Api,  # noqa: F811
    administration: Administration,
    jane: dict[str, str],  # noqa: F811
) -> None:
    seed = enrol(administration, jane)
    begun = api.sign_in(ask("POST", JANE))
    assert (begun.status, said(begun)["code"]) == (401, "2fa_required")
    half = signed_in(begun)
    assert api.me(ask("GET", **half)).status == 401
    code = {"token": second_factor.code(seed, int(NOW) // 30)}
    wrong = administration.give_code(ask("POST", {"token": "1"}, **half))
    assert (wrong.status, said(wrong)["code"]) == (400, "2fa_invalid")
    whole = administration.give_code(ask("POST", code, **half))
    assert whole.status == 200
    assert api.me(ask("GET", **signed_in(whole))).status == 200
    assert administration.give_code(ask("POST", code, **half)).status == 403, "the half session has ended"
    again = signed_in(api.sign_in(ask("POST", JANE)))
    assert said(administration.give_code(ask("POST", code, **again)))["code"] == "2fa_invalid", "a code is taken once"


def test_a_session_from_before_the_factor_must_give_it(
    api: Api,  # noqa: F811
    administration: Administration,
    jane: dict[str, str],  # noqa: F811
) -> None:
    older = signed_in(api.sign_in(ask("POST", JANE)))
    enrol(administration, jane)
    administration.organization(ask("PATCH", {"enforce_2fa": True}, **jane), "@current")
    refused = api.keys(ask("GET", path="/api/personal_api_keys", **older))
    assert (refused.status, said(refused)["code"]) == (403, "two_factor_verification_required")

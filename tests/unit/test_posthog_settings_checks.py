"""The checks of PostHog's own settings, each seen to pass and to fail, with its words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from checks import test_posthog_settings as checks
from hedgerow.checking import Finder
from tests.unit.test_verify import sheet_of
from tests.unit.told import Told, outcome

SHEET = sheet_of()
DECLARED = replace(SHEET.declared, posthog=True, services=("web",))
ORGANIZATION = {
    "name": "acme", "enforce_2fa": True, "allow_publicly_shared_resources": False, "session_cookie_age": 28800,
    "plugins_access_level": 0, "is_ai_data_processing_approved": False,
}  # fmt: skip
MASKED = {"maskAllInputs": True, "maskTextSelector": "*", "blockSelector": "img"}
PROJECT = {"name": "Default project", "anonymize_ips": True, "session_recording_masking_config": MASKED}
KEY = {"label": "smoke", "scopes": ["query:read"], "user_id": 1, "days": 90}
HARDENED = {
    "organizations": [ORGANIZATION],
    "projects": [PROJECT],
    "keys": [KEY],
    "people": [{"id": 1, "factor": True}, {"id": 2, "factor": False}],
}
A_TEAM, AN_ORGANIZATION = "projects", "organizations"


def organization(**other: object) -> dict[str, object]:
    return {AN_ORGANIZATION: [ORGANIZATION, {**ORGANIZATION, "name": "second", **other}]}


def project(**other: object) -> dict[str, object]:
    return {A_TEAM: [PROJECT, {**PROJECT, "name": "second", **other}]}


FACTOR, SHARING, SESSIONS = (
    checks.test_a_password_is_not_enough,
    checks.test_nothing_is_shared_with_the_public,
    checks.test_no_organisation_has_longer_sessions,
)
PLUGINS, AI, ADDRESSES = (
    checks.test_no_plugins,
    checks.test_nobody_agreed_to_ai_providers,
    checks.test_no_addresses_are_kept,
)
MASKING, KEYS = checks.test_recordings_show_as_little_as_declared, checks.test_no_key_does_everything_or_lasts
DECLARATION = (SHARING, ADDRESSES, MASKING)
CASES = [
    *((check, {}, "pass", "") for check in (FACTOR, SHARING, SESSIONS, PLUGINS, AI, ADDRESSES, MASKING, KEYS)),
    (FACTOR, organization(enforce_2fa=None), "fail", "not demanded in second"),
    (FACTOR, {"people": [{"id": 1, "factor": False}, {"id": 2, "factor": True}]}, "fail", "the owner has none"),
    (FACTOR, {"organizations": None}, "error", "no organisation yet"),
    (SHARING, organization(allow_publicly_shared_resources=True), "fail", "allowed in second"),
    (SESSIONS, organization(session_cookie_age=28801), "fail", "second: 28801"),
    (SESSIONS, organization(session_cookie_age=None), "fail", "no age of its own"),
    (SESSIONS, organization(session_cookie_age=60), "pass", ""),
    (PLUGINS, organization(plugins_access_level=3), "fail", "second: level 3"),
    (AI, organization(is_ai_data_processing_approved=True), "fail", "agreed to by second"),
    (AI, organization(is_ai_data_processing_approved=None), "pass", ""),
    (ADDRESSES, project(anonymize_ips=False), "fail", "kept by second"),
    (ADDRESSES, {"projects": None}, "error", "no project yet"),
    (MASKING, project(session_recording_masking_config=None), "fail", "second: unset"),
    (MASKING, project(session_recording_masking_config={"maskAllInputs": True}), "fail", "second: {'maskAllInputs'"),
    (KEYS, {"keys": None}, "pass", ""),
    (KEYS, {"keys": [{**KEY, "scopes": ["*"]}]}, "fail", "may do everything: smoke (user 1)"),
    (KEYS, {"keys": [{**KEY, "scopes": None}]}, "fail", "may do everything"),
    (KEYS, {"keys": [{**KEY, "days": 91}]}, "fail", "too old: smoke (user 1, 91 days)"),
]


@pytest.mark.parametrize(("check", "found", "status", "reason"), CASES)
def test_what_the_database_says_decides(check, found, status, reason):
    def ask(host, finding):
        settings = json.loads(finding.ask(host, checks.question(SHEET)).stdout)
        check(finding, *([DECLARED] if check in DECLARATION else []), settings)

    seen, why = outcome(ask, {"posthog_organization": json.dumps({**HARDENED, **found})})
    assert (seen, reason in why) == (status, True), why


@pytest.mark.parametrize(
    ("check", "declared"),
    [
        (SHARING, {"public_sharing": True}),
        (ADDRESSES, {"discard_ip": False}),
        (MASKING, {"mask_inputs": False, "mask_text": False}),
    ],
)
def test_what_is_declared_open_is_not_exercised(check, declared):
    def ask(_host, finding):
        check(finding, replace(DECLARED, **declared), HARDENED)

    assert outcome(ask, {})[0] == "not-exercised"


def test_masking_is_asked_for_as_far_as_it_is_declared():
    def ask(_host, finding):
        finding.asked("told")
        inputs = {"projects": [{**PROJECT, "session_recording_masking_config": {"maskAllInputs": True}}]}
        MASKING(finding, replace(DECLARED, mask_text=False), HARDENED | inputs)

    assert outcome(ask, {})[0] == "pass"


@pytest.mark.parametrize(("roles", "way"), [(("edge", "app", "data"), "psql"), (("edge", "app"), "podman")])
def test_the_question_goes_to_where_the_database_is(roles, way):
    sheet = replace(SHEET, host=replace(SHEET.host, roles=roles))
    host, finder = Told({way: json.dumps(HARDENED)}), Finder()
    assert json.loads(finder.ask(host, checks.question(sheet)).stdout) == HARDENED

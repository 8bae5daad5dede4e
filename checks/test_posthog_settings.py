"""PostHog's own settings, as they are in its database now: whoever set them, and over whichever way."""

from __future__ import annotations

import json

import pytest

from checks import inside
from checks.on_host import program
from checks.sql import sql
from checks.started import ENVIRONMENT, MAIL, applications
from hedgerow.checking import CouldNotAsk, NotExercised

DATABASE = "posthog"
WORKING_DAY = 8 * 3600
KEY_DAYS = 90
INSTANCE_MAIL = "constance:posthog:EMAIL_"
# Columns by upstream's names (posthog/models). One question and one row, for all checks; text, which every driver gives
# the same. Without a quotation mark, so that the report shows it as it was asked.
QUESTION = (
    "select to_json(found)::text from (select"
    " (select json_agg(o) from (select name, enforce_2fa, allow_publicly_shared_resources, session_cookie_age,"
    " plugins_access_level, is_ai_data_processing_approved from posthog_organization) o) as organizations,"
    " (select json_agg(t) from (select name, anonymize_ips, session_recording_masking_config from posthog_team) t)"
    " as projects,"
    " (select json_agg(k) from (select label, scopes, user_id, extract(day from now() - created_at) as days"
    " from posthog_personalapikey) k) as keys,"
    " (select json_agg(p) from (select u.id, exists (select from otp_totp_totpdevice d where d.user_id = u.id"
    " and d.confirmed) as factor from posthog_user u order by u.id) p) as people,"
    # Names alone: one of the values is the relay's password.
    " (select json_agg(i.key) from posthog_instancesetting i) as instance) found"
)


def question(sheet):
    """Return the command that reads the settings: of the database where it is here, or else through the web service."""
    if "data" in sheet.host.roles:
        return sql(QUESTION, DATABASE)
    return program("through_web", "hedgerow-web", QUESTION)


SLOW = True  # the trial
ASK_AHEAD = (question, ENVIRONMENT, inside.trial)


@pytest.fixture
def settings(finding, host, sheet, declared):
    """Return what the tables hold. Raises NotExercised where PostHog is not deployed."""
    if not declared.posthog or not declared.services:
        raise NotExercised("PostHog is not deployed on this host")
    return json.loads(finding.ask(host, question(sheet)).stdout)


def organizations(finding, settings, column):
    """Return every organisation's name and its value of a column."""
    found = {each["name"]: each[column] for each in settings["organizations"] or ()}
    finding.observe(", ".join(f"{name}: {value}" for name, value in found.items()) or "no organisation")
    if not found:
        raise CouldNotAsk("there is no organisation yet")
    return found


def projects(settings, column):
    """Return every project's name and its value of a column."""
    found = {each["name"]: each[column] for each in settings["projects"] or ()}
    if not found:
        raise CouldNotAsk("there is no project yet")
    return found


@pytest.mark.control("posthog.second-factor-enforced")
def test_a_password_is_not_enough(finding, settings):
    """Somebody without a factor can do nothing but set one up; so the first of all must have one."""
    finding.expect("enforce_2fa true in every organisation, and a confirmed second factor of the first user")
    found = organizations(finding, settings, "enforce_2fa")
    people = settings["people"] or ()
    having = [each["id"] for each in people if each["factor"]]
    finding.observe(f"enforce_2fa {', '.join(map(str, found.values()))}; {len(having)} of {len(people)} have a factor")
    assert all(found.values()), f"not demanded in {', '.join(name for name, value in found.items() if not value)}"
    assert people and people[0]["factor"], "the owner has none: whoever knows the password sets up her own"


@pytest.mark.control("posthog.public-sharing-off")
def test_nothing_is_shared_with_the_public(finding, declared, settings):
    """Beside the edge, which answers 404 under every path of sharing: upstream heeds it where a licence is there."""
    if declared.public_sharing:
        raise NotExercised("access.public_sharing is declared")
    finding.expect("allow_publicly_shared_resources false in every organisation")
    found = organizations(finding, settings, "allow_publicly_shared_resources")
    assert not any(found.values()), f"allowed in {', '.join(name for name, value in found.items() if value)}"


@pytest.mark.control("posthog.sessions-end")
def test_no_organisation_has_longer_sessions(finding, settings):
    """An organisation's own age goes before the instance's, whichever is longer."""
    finding.expect(f"session_cookie_age of 1 to {WORKING_DAY} s in every organisation")
    for name, age in organizations(finding, settings, "session_cookie_age").items():
        assert age is not None and 0 < age <= WORKING_DAY, f"{name}: {age or 'no age of its own'}"


@pytest.mark.control("posthog.plugins-limited")
def test_no_plugins(finding, settings):
    finding.expect("plugins_access_level 0 (none) in every organisation")
    for name, level in organizations(finding, settings, "plugins_access_level").items():
        assert level == 0, f"{name}: level {level}"


@pytest.mark.control("posthog.ai-off")
def test_nobody_agreed_to_ai_providers(finding, settings):
    finding.expect("is_ai_data_processing_approved false or unset in every organisation")
    found = organizations(finding, settings, "is_ai_data_processing_approved")
    assert not any(found.values()), f"agreed to by {', '.join(name for name, value in found.items() if value)}"


@pytest.mark.control("posthog.ip-discarded")
def test_no_addresses_are_kept(finding, declared, settings):
    if not declared.discard_ip:
        raise NotExercised("privacy.discard_ip is declared off")
    finding.expect("anonymize_ips true in every project")
    found = projects(settings, "anonymize_ips")
    finding.observe(", ".join(f"{name}: {value}" for name, value in found.items()))
    assert all(found.values()), f"kept by {', '.join(name for name, value in found.items() if not value)}"


@pytest.mark.control("posthog.recordings-masked")
def test_recordings_show_as_little_as_declared(finding, declared, settings):
    """What is unset upstream is left to the SDK in each page; so it must be set."""
    if not (declared.mask_inputs or declared.mask_text):
        raise NotExercised("privacy.mask_inputs and privacy.mask_text are declared off")
    wanted = {"maskAllInputs": True} if declared.mask_inputs else {}
    wanted |= {"maskTextSelector": "*", "blockSelector": "img"} if declared.mask_text else {}
    finding.expect(f"{wanted} in every project")
    found = projects(settings, "session_recording_masking_config")
    finding.observe("; ".join(f"{name}: {value}" for name, value in found.items()))
    for name, masking in found.items():
        assert wanted.items() <= (masking or {}).items(), f"{name}: {masking or 'unset'}"


@pytest.mark.control("posthog.keys-scoped")
def test_no_key_does_everything_or_lasts(finding, settings):
    """No scopes at all is how a key of before there were scopes says "everything"."""
    finding.expect(f"every key with scopes, none of them *, and none older than {KEY_DAYS} days")
    keys = settings["keys"] or ()
    wide = [f"{key['label']} (user {key['user_id']})" for key in keys if not key["scopes"] or "*" in key["scopes"]]
    old = [f"{key['label']} (user {key['user_id']}, {key['days']} days)" for key in keys if key["days"] > KEY_DAYS]
    finding.observe(f"{len(keys)} keys: may do everything {wide or 'none'}, too old {old or 'none'}")
    assert not wide, f"may do everything: {', '.join(wide)}"
    assert not old, f"too old: {', '.join(old)}"


@pytest.mark.control("posthog.mail-relay")
def test_mail_goes_by_the_declared_relay_or_not_at_all(finding, host, sheet, declared, settings):
    """The instance's own settings win over the environment, so none of them may be there; the way is tried as well."""
    relay = declared.mail
    wanted = {"EMAIL_ENABLED": "false"}
    if relay:
        implicit = relay.encryption == "implicit"
        wanted = {"EMAIL_ENABLED": "true", "EMAIL_HOST": relay.host, "EMAIL_PORT": str(relay.port)}
        wanted |= {"EMAIL_USE_SSL": str(implicit).lower(), "EMAIL_USE_TLS": str(not implicit).lower()}
    finding.expect(f"{wanted}, no EMAIL_ setting of the instance's own, and no way to a mail port but the relay's")
    own = [key for key in settings["instance"] or () if key.startswith(INSTANCE_MAIL)]
    started = json.loads(finding.ask(host, ENVIRONMENT).stdout)
    told = {name: {key: each[key] for key in MAIL if each.get(key)} for name, each in applications(started).items()}
    answer = json.loads(finding.ask(host, inside.trial(sheet)).stdout)
    ports = tuple(f":{port}" for port in (*inside.MAIL_PORTS, *([relay.port] if relay else ())))
    ways = {way: how for way, how in (answer["seen"] | answer["between"]).items() if way.endswith(ports)}
    declared_ways = inside.to_the_relay(declared)
    reached = [f"{way} {how}" for way, how in ways.items() if how != "silent" and way not in declared_ways]
    finding.observe(
        "; ".join(f"{name}: {each}" for name, each in told.items())
        + f"; of the instance's own: {own or 'none'}; {len(ways)} ways to mail ports tried, open: {reached or 'none'}"
    )
    assert not own, f"settings of the instance's own: {', '.join(own)}"
    for name, each in told.items():
        assert wanted.items() <= each.items(), f"{name} is told {each or 'nothing, and upstream sends then'}"
    assert not reached, f"a way for mail that nobody declared: {', '.join(reached)}"
    if not ways:
        raise CouldNotAsk("no way to a mail port was tried")

"""PostHog's services: what they say of themselves, and what they were really started with."""

from __future__ import annotations

import json

import pytest

from checks import inside
from checks.on_host import program
from checks.sql import sql
from checks.started import ENVIRONMENT, FORCED_FLAGS, applications, stored
from hedgerow.checking import CouldNotAsk, NotExercised

SESSIONS = sql(
    "select coalesce(json_agg(json_build_object('user', usename, 'tls', ssl, 'version', version)), '[]')"
    " from pg_stat_activity join pg_stat_ssl using (pid) where client_addr is not null"
)

SLOW = True  # the trial
ASK_AHEAD = (inside.trial, inside.INSPECT, ENVIRONMENT, stored)

# Upstream's compose passes on ANTHROPIC_API_KEY and OPENAI_API_KEY; posthog/settings and ee/settings.py know more of
# the kind: AI, Azure, Salesforce (SF_), Vercel, Google, Slack, Mailgun, GitHub.
THIRD_PARTIES = (
    *("_API_KEY", "SENTRY_DSN", "_INFERENCE_CREDENTIAL", "_CONSUMER_SECRET", "SF_PASSWORD", "SF_SECURITY_TOKEN"),
    *("_INTEGRATION_SECRET", "_OAUTH2_SECRET", "_CLIENT_SECRET", "_SIGNING_SECRET", "_WEBHOOK_SECRET"),
)

DATABASES = ("postgres", "postgresql", "psql")
CACHES = ("redis", "rediss", "valkey", "valkeys")
WEB, WEB_PORT = "web", 8000
LONG_ENOUGH = 32
# Not ours to choose: the relay's own.
BROUGHT = ("EMAIL_HOST_PASSWORD",)
WORKING_DAY = 8 * 3600


@pytest.fixture
def services(declared):
    """Return the names of the declared services. Raises NotExercised where PostHog is not deployed."""
    if not declared.posthog or not declared.services:
        raise NotExercised("PostHog is not deployed on this host")
    return declared.services


@pytest.fixture
def started_with(finding, host, services):
    """Return what every running container was started with, without its secrets."""
    found = dict(sorted(json.loads(finding.ask(host, ENVIRONMENT).stdout).items()))
    finding.observe(f"{', '.join(found) or 'no container'} looked at")
    if not found:
        raise CouldNotAsk("no container runs")
    return found


@pytest.fixture
def web(finding, host, services):
    """Return where the application answers behind the edge. Raises CouldNotAsk where it does not run."""
    found = {each.service: each for each in inside.containers(finding.ask(host, inside.INSPECT).stdout)}
    finding.observe(f"containers of {', '.join(sorted(found)) or 'nothing'}")
    if WEB not in services or WEB not in found or not found[WEB].addresses:
        raise CouldNotAsk(f"{WEB} does not run")
    return f"http://{found[WEB].addresses[0]}:{WEB_PORT}"


@pytest.fixture
def heard(finding, host, sheet, services):
    """Return what each store said to a client without TLS in each container's place, by port."""
    answer = json.loads(finding.ask(host, inside.trial(sheet)).stdout)
    found: dict[int, dict[str, str]] = {}
    for way, words in answer["said"].items():
        found.setdefault(int(way.rpartition(":")[2]), {})[way] = " ".join(words.split())
    return found


def urls_of(started_with, schemes):
    """Return every URL of a kind of store that a service was given, without user and password."""
    found = {
        f"{name} {variable}": url
        for name, each in started_with.items()
        for variable, url in each["urls"].items()
        if url["scheme"] in schemes
    }
    if not found:
        raise CouldNotAsk(f"no address of a store in {', '.join(started_with)}")
    return found


def first_of(heard, port):
    """Return the first thing a store said on a port. Raises CouldNotAsk where it was not reached."""
    if port not in heard:
        raise CouldNotAsk(f"no container reached a store on port {port}")
    return next(iter(heard[port].values()))


@pytest.mark.control("posthog.healthy")
def test_every_service_is_well(finding, host, services):
    finding.expect(f"{', '.join(services)} running and healthy")
    found = {each.service: each for each in inside.containers(finding.ask(host, inside.INSPECT).stdout)}
    states = {
        name: (found[name].described["State"].get("Health") or {}).get("Status", "") or "never asked"
        if name in found and found[name].pid
        else "not running"
        for name in services
    }
    finding.observe(", ".join(f"{name} {state}" for name, state in states.items()))
    assert set(states.values()) == {"healthy"}, ", ".join(f"{n} is {s}" for n, s in states.items() if s != "healthy")


@pytest.mark.control("posthog.no-published-defaults")
def test_no_key_that_everybody_knows(finding, host, sheet, started_with):
    """Values are compared on the host; names and lengths alone come back. Event log and edge keep no password."""
    finding.expect(f"no secret that upstream publishes, and each of {LONG_ENOUGH} characters or more")
    defaults = [f"{name}: {variable}" for name, each in started_with.items() for variable in each["defaults"]]
    lengths = {f"{name}: {key}": n for name, each in started_with.items() for key, n in each["lengths"].items()}
    ours = {where: length for where, length in lengths.items() if not where.endswith(BROUGHT)}
    short = [f"{where} has {length}" for where, length in ours.items() if length < LONG_ENOUGH]
    kept = {"compared": 0, "known": []}
    if "data" in sheet.host.roles:
        kept = json.loads(finding.ask(host, stored(sheet)).stdout)
    defaults += kept["known"]
    finding.observe(
        f"{len(lengths)} secrets, the URLs and {kept['compared']} accounts of stores: published {defaults or 'none'},"
        f" too short {short or 'none'}"
    )
    if not lengths and not kept["compared"]:
        raise CouldNotAsk("no running container has a secret, and no store an account")
    assert not defaults, f"a published default: {', '.join(defaults)}"
    assert not short, f"fewer than {LONG_ENOUGH} characters: {', '.join(short)}"


@pytest.mark.control("posthog.sign-up-closed")
def test_the_application_takes_nobody_new(finding, host, declared, web):
    """Asked behind the edge: it is the second of two doors, and must hold alone."""
    finding.expect("an owner exists, can_create_org false, and 403 to an attempt")
    answer = json.loads(finding.ask(host, program("sign_up", web, declared.domain)).stdout)
    finding.observe(", ".join(f"{key} {value}" for key, value in answer.items()))
    if answer["preflight"] != 200:
        raise CouldNotAsk(f"/_preflight answers {answer['preflight']}")
    assert answer["initiated"], "nobody owns it yet: whoever signs up first does"
    assert not answer["can_create_org"], "it lets anybody make an organisation"
    assert not answer["demo"], "it runs as a demo, where everybody may sign up"
    assert answer["sign_up"] == 403, f"an attempt to sign up got {answer['sign_up']}"


@pytest.mark.control("posthog.telemetry-off")
def test_nothing_is_reported_home(finding, started_with):
    finding.expect("OPT_OUT_CAPTURE true in every container of the application")
    told = {name: each.get("OPT_OUT_CAPTURE", "unset") for name, each in applications(started_with).items()}
    finding.observe(", ".join(f"{name}: OPT_OUT_CAPTURE {value}" for name, value in told.items()))
    assert all(value.lower() in ("true", "1", "yes") for value in told.values()), "usage is reported to the vendor"


@pytest.mark.control("posthog.previews-off")
def test_no_unreleased_feature_is_on(finding, host, declared, web, started_with):
    """Two ways turn one on: the vendor's flags, which each browser fetches with the key on the page, or a setting."""
    finding.expect(f"no key of the vendor's on the sign-in page, and {FORCED_FLAGS} empty in every container")
    forced = {name: each.get(FORCED_FLAGS, "") for name, each in applications(started_with).items()}
    page = json.loads(finding.ask(host, program("sign_in_page", web, declared.domain)).stdout)
    finding.observe(f"flags forced: {', '.join(sorted({*forced.values()} - {''})) or 'none'}")
    finding.observe(f"the page leads browsers to {page['host'] or 'its own place'}" if page["client"] else "no key")
    if not page["ours"]:
        raise CouldNotAsk("/login is not the application's page: it has no POSTHOG_APP_CONTEXT")
    assert not page["client"], f"each browser asks {page['host']} which features are on, and says who asks"
    assert not any(forced.values()), "features are forced on that upstream has not released"


@pytest.mark.control("posthog.no-third-parties")
def test_no_service_holds_a_key_to_somebody_elses(finding, started_with):
    """Features that send data to another company need that company's key: without one they cannot."""
    finding.expect("no API key of another company and no error reporter in what any container was started with")
    held = [
        f"{name}: {variable}"
        for name, each in started_with.items()
        for variable in (*each["lengths"], *each["urls"])
        if variable.endswith(THIRD_PARTIES)
    ]
    finding.observe(f"{', '.join(started_with)}: {', '.join(held) or 'no such key'}")
    assert not held, f"a way to another company: {', '.join(held)}"


@pytest.mark.control("posthog.sessions-short")
def test_a_sign_in_ends_with_the_day(finding, started_with):
    """The age counts from the sign-in: PostHog has no clock for idleness."""
    finding.expect(f"SESSION_COOKIE_AGE of {WORKING_DAY} s at most, cookies over TLS only")
    told = applications(started_with)
    finding.observe("; ".join(f"{name}: {each}" for name, each in told.items()))
    for name, each in told.items():
        age = each.get("SESSION_COOKIE_AGE", "")
        assert age.isdigit() and 0 < int(age) <= WORKING_DAY, f"{name}: a session lasts {age or '1209600'} s"
        assert each.get("SECURE_COOKIES", "true").lower() == "true", f"{name}: cookies travel without TLS"
        assert each.get("DISABLE_SECURE_SSL_REDIRECT", "false").lower() == "false", f"{name}: plain HTTP is served"


@pytest.mark.control("posthog.database-over-tls")
def test_the_database_is_reached_by_tls_alone(finding, host, here, started_with, heard):
    """What the services were told, what the server says to a plain client from where they are, and who is there now."""
    finding.expect("sslmode=verify-full in every URL, a plain client turned away, every session over TLS")
    urls, said = urls_of(started_with, DATABASES), first_of(heard, 5432)
    trusting = [where for where, url in urls.items() if "sslmode=verify-full" not in url["query"]]
    served = [way for way, words in heard[5432].items() if "no encryption" not in words]
    sessions = json.loads(finding.ask(host, SESSIONS).stdout) if "data" in here.roles else []
    plain = [each["user"] for each in sessions if not each["tls"]]
    versions = ", ".join(sorted({each["version"] or "plain" for each in sessions})) or "asked on the data host"
    finding.observe(f"{len(urls)} URLs; {len(sessions)} sessions ({versions}); to a plain client: {said}")
    assert not trusting, f"the server is not verified: {', '.join(trusting)}"
    assert not served, f"a plain connection gets through: {', '.join(served)}"
    assert not plain, f"a session without TLS: {', '.join(plain)}"


@pytest.mark.control("posthog.cache-over-tls")
def test_the_cache_is_reached_by_tls_alone(finding, started_with, heard):
    """A plain URL leads to the service's own loopback, where its side-car listens: it does not leave the container."""
    finding.expect("rediss in every URL, or a side-car's place; verification never off; no answer to a plain client")
    urls, said = urls_of(started_with, CACHES), first_of(heard, 6379)
    plain = [where for where, url in urls.items() if url["scheme"] not in ("rediss", "valkeys") and not url["own"]]
    trusting = [where for where, url in urls.items() if "cert_reqs=none" in url["query"].lower()]
    served = [way for way, words in heard[6379].items() if words[:1] in ("+", "-", "$")]
    finding.observe(f"{', '.join(urls)}; to a plain client: {said}")
    assert not plain, f"without TLS: {', '.join(plain)}"
    assert not trusting, f"the server is not verified: {', '.join(trusting)}"
    assert not served, f"a plain connection gets through: {', '.join(served)}"

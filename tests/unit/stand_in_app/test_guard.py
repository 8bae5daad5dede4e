"""Hosts, schemes, changes from elsewhere, and the cookies."""

from __future__ import annotations

import pytest
from stand_in.asgi import Request
from stand_in.guard import CSRF, client_of, cookie, csrf_fault, refusal
from stand_in.settings import Settings, SettingsError, read_settings

HOST = "analytics.acme.example"
SETTINGS = Settings(redis_url="", site_url=f"https://{HOST}", allowed_hosts=(HOST,), behind_proxy=True)
SECURE = {"host": HOST, "x-forwarded-proto": "https"}

ASKED = [
    (SECURE, None),
    ({**SECURE, "host": f"{HOST}:443"}, None),
    ({**SECURE, "host": HOST.upper()}, None),
    ({**SECURE, "host": "192.0.2.7"}, 400),
    ({**SECURE, "host": f"{HOST}.elsewhere.example"}, 400),
    ({**SECURE, "x-forwarded-host": "elsewhere.example"}, 400),
    ({"x-forwarded-proto": "https"}, 400),
    ({"host": HOST}, 301),
    ({"host": HOST, "x-forwarded-proto": "http"}, 301),
]


@pytest.mark.parametrize(("headers", "status"), ASKED)
def test_only_the_declared_host_over_https_is_answered(headers: dict[str, str], status: int | None) -> None:
    refused = refusal(Request("GET", "/login", headers=headers), SETTINGS)
    assert (refused.status if refused else None) == status


def test_without_a_proxy_nobody_is_believed_about_https() -> None:
    alone = Settings(redis_url="", allowed_hosts=("*",))
    refused = refusal(Request("GET", "/login", headers=SECURE), alone)
    assert refused is not None
    assert refused.headers == (("location", f"https://{HOST}/login"),)


def test_the_client_is_whom_the_proxy_saw_itself() -> None:
    headers = {"x-forwarded-for": "192.0.2.66, 198.51.100.7"}
    request = Request("GET", "/", headers=headers, peer="10.90.0.1")
    assert client_of(request, SETTINGS) == "198.51.100.7"
    assert client_of(request, Settings(redis_url="")) == "10.90.0.1"


OWN = {**SECURE, "cookie": f"{CSRF}=secret", "referer": f"https://{HOST}/login"}
CHANGES = [
    (OWN, "secret", ""),
    ({**OWN, "origin": f"https://{HOST}"}, "secret", ""),
    ({**OWN, "origin": "https://elsewhere.example"}, "secret", "Origin checking failed"),
    ({**SECURE, "cookie": f"{CSRF}=secret"}, "secret", "no Referer"),
    ({**OWN, "referer": f"http://{HOST}/login"}, "secret", "does not match"),
    ({**OWN, "referer": "https://elsewhere.example/"}, "secret", "does not match"),
    ({**OWN, "cookie": ""}, "secret", "cookie not set"),
    (OWN, "", "token missing"),
    (OWN, "guess", "incorrect"),
]


@pytest.mark.parametrize(("headers", "given", "fault"), CHANGES)
def test_a_change_comes_from_our_own_page_or_not_at_all(headers: dict[str, str], given: str, fault: str) -> None:
    said = csrf_fault(Request("POST", "/logout", headers=headers), SETTINGS, "secret", given)
    assert said == fault if not fault else fault in said


def test_nothing_is_equal_to_no_secret() -> None:
    assert csrf_fault(Request("POST", "/logout", headers=OWN), SETTINGS, "", "secret")


def test_a_cookie_is_for_https_this_site_and_no_script() -> None:
    _, header = cookie("sessionid", "value", 28800, SETTINGS)
    assert set(header.split("; ")) == {
        "sessionid=value",
        "Path=/",
        "Max-Age=28800",
        "SameSite=Lax",
        "Secure",
        "HttpOnly",
    }


WHOLE = {
    "SITE_URL": f"https://{HOST}/",
    "SECRET_KEY": "k" * 50,
    "DATABASE_URL": "postgres://web:secret@postgres.hedgerow.internal/posthog?sslmode=verify-full",
    "REDIS_URL": "rediss://web:secret@valkey.hedgerow.internal:6379/",
}


def test_the_environment_has_upstreams_defaults() -> None:
    settings = read_settings("web", WHOLE)
    assert (settings.allowed_hosts, settings.behind_proxy, settings.https_only) == (("*",), False, True)
    assert (settings.session_seconds, settings.opted_out) == (14 * 24 * 3600, False)
    assert settings.address == "0.0.0.0:8000"


REFUSED = [
    ({"SECRET_KEY": "short"}, "SECRET_KEY has fewer than 50"),
    ({"DATABASE_URL": ""}, "DATABASE_URL is not set"),
    ({"DATABASE_URL": "postgres://web:secret@host/posthog"}, "sslmode is not verify-full"),
    ({"DATABASE_URL": "postgres://web:secret@host/posthog?sslmode=require"}, "sslmode is not verify-full"),
    ({"REDIS_URL": "redis://web:secret@host/"}, "not rediss"),
    ({"REDIS_URL": "rediss://host/"}, "no user and password"),
    ({"REDIS_URL": "rediss://web:secret@host/?ssl_cert_reqs=none"}, "ssl_cert_reqs is not required"),
    ({"REDIS_URL": "rediss://web:secret@host/?ssl_check_hostname=false"}, "ssl_check_hostname is not true"),
]


@pytest.mark.parametrize(("changed", "words"), REFUSED)
def test_it_does_not_start_unprotected_and_tells_no_secret(changed: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as error:
        read_settings("web", {**WHOLE, **changed})
    assert "web:secret" not in str(error.value)

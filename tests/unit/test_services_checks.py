"""The check of what services may do, and the bounds that it goes by."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from checks import test_services as services
from hedgerow.deployment import REPOSITORY
from tests.unit.told import DECLARED, outcome

NGINX = "→ Overall exposure level for nginx.service: 2.6 OK"


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        (NGINX, "pass", ""),
        (f"{NGINX}\n→ Overall exposure level for hedgerow-web.service: 9.5 UNSAFE", "pass", ""),
        (NGINX.replace("2.6", "3.1"), "fail", "nginx.service 3.1 (at most 3)"),
        ("→ Overall exposure level for hedgerow-evil.service: 1.0 OK", "fail", "no bound is stated"),
        ("→ Overall exposure level for postgresql@17-main.service: 5.0 MEDIUM", "fail", "postgresql@17-main"),
        ("", "error", "tells of no service"),
        (f"Id=hedgerow-web.service\nLoadState=loaded\n\n{NGINX}", "error", "says nothing of hedgerow-web.service"),
        (f"Id=hedgerow-gone.service\nLoadState=not-found\n\n{NGINX}", "pass", ""),
    ],
)
def test_what_the_check_says(said: str, status: str, words: str) -> None:
    declared = replace(DECLARED, services=("web",))
    found = outcome(services.test_services_may_do_no_more_than_they_need, {"systemd-analyze": said}, declared)
    assert (found[0], words in found[1]) == (status, True), found


@pytest.mark.parametrize(
    ("unit", "pattern"),
    [
        ("hedgerow-sidecar-web.service", "hedgerow-sidecar-*.service"),
        ("hedgerow-web.service", "containers"),
        ("hedgerow-guard-ssh.service", "hedgerow-guard*.service"),
        ("postgresql@16-main.service", "postgresql@*.service"),
        ("hedgerow-worker.service", None),
    ],
)
def test_the_first_bound_that_matches_counts(unit: str, pattern: str | None) -> None:
    bound = services.bound_of(unit, ("web",), services.bounds())
    assert (bound.units if bound else None) == pattern


def test_every_bound_says_why() -> None:
    assert all(bound.why and 0 < bound.most < 10 for bound in services.bounds())


def test_every_service_that_a_role_brings_has_a_bound() -> None:
    """One without would fail on every host from the day on which it comes."""
    tasks = "".join(path.read_text() for path in sorted((REPOSITORY / "roles").glob("*/tasks/*.yml")))
    brought = set(re.findall(r"/etc/systemd/system/(hedgerow-[a-z-]+\.service)\b", tasks))
    assert brought >= {"hedgerow-backup.service", "hedgerow-var-tmp.service"}
    assert {unit for unit in brought if services.bound_of(unit, (), services.bounds()) is None} == set()

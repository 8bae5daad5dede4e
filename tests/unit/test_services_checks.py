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


def told(*rows: tuple[str, str, str], packaged: str = "/usr/lib/systemd/system/ssh.service") -> str:
    """Return what a host says of its units: name, file, and what it was generated from."""
    blocks = [f"Id={name}\nLoadState=loaded\nFragmentPath={file}\nSourcePath={source}" for name, file, source in rows]
    return "\n\n".join(blocks) + f"\n\n====\n{packaged}\n"


SSH = ("ssh.service", "/usr/lib/systemd/system/ssh.service", "")
HELPER = ("helper.service", "/etc/systemd/system/helper.service", "")
GENERATED = "/run/systemd/generator"


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        (told(SSH), "pass", ""),
        (told(SSH, packaged="/lib/systemd/system/ssh.service"), "pass", ""),
        (told(SSH, HELPER), "fail", "helper.service (/etc/systemd/system/helper.service)"),
        (
            told(SSH, HELPER).replace("LoadState=loaded\nFragmentPath=/etc", "LoadState=masked\nFragmentPath=/etc"),
            "pass",
            "",
        ),
        (told(SSH, ("wake.timer", "/usr/local/lib/systemd/system/wake.timer", "")), "fail", "wake.timer"),
        (told(SSH, ("hedgerow-web.service", f"{GENERATED}/hedgerow-web.service", "/etc/containers/x")), "pass", ""),
        (told(SSH, ("run-1.service", "/run/systemd/transient/run-1.service", "")), "pass", ""),
        (told(SSH, ("old.service", f"{GENERATED}.late/old.service", "/etc/init.d/old")), "fail", "/etc/init.d/old"),
        (told(SSH, ("mine.service", "/etc/systemd/system/mine.service", "")), "pass", ""),
        (told(SSH, ("snap.x.service", "/etc/systemd/system/snap.x.service", "")), "fail", "snap.x.service"),
        (
            told(
                SSH,
                ("snap.x.service", "/etc/systemd/system/snap.x.service", ""),
                packaged=f"{SSH[1]}\n{services.SNAP_DAEMON}",
            ),
            "pass",
            "",
        ),
        (told(SSH, packaged=""), "error", "names nothing"),
        ("\n====\n/usr/lib/x\n", "error", "names nothing"),
    ],
)
def test_what_starts_with_the_host(said: str, status: str, words: str) -> None:
    declared = replace(DECLARED, own_units=("mine.service",))
    found = outcome(services.test_what_starts_with_the_host_is_known, {"systemctl": said}, declared)
    assert (found[0], words in found[1]) == (status, True), found

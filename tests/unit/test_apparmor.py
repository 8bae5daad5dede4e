"""AppArmor: what the module would do, and the checks, each seen to pass and to fail on what kernels say."""

from __future__ import annotations

import json

import pytest

from checks import test_apparmor as apparmor
from checks.test_containers_processes import held
from tests.unit.test_host_modules import load
from tests.unit.told import outcome

module = load("hedgerow_apparmor")

LOADED = "/usr/sbin/chronyd (enforce)\nunix-chkpwd (complain)\ncrun (unconfined)\nsbuild-apt//dpkg (complain)\n"
ANSWERS = {
    "systemd-detect-virt": (1, "none\n"),
    "parameters/enabled": "Y\n",
    "kernel/security/apparmor": LOADED,
    "exe": "/proc/1/exe /usr/lib/systemd/systemd\n/proc/2/exe \n/proc/312/exe /usr/sbin/chronyd\n",
    "attr/current": "/proc/1/attr/current:unconfined\n/proc/312/attr/current:/usr/sbin/chronyd (enforce)\n",
}


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({}, "pass", ""),
        ({"systemd-detect-virt": "systemd-nspawn\n"}, "not exercised", "shares its host's kernel"),
        ({"parameters/enabled": "N\n"}, "fail", "runs without AppArmor"),
        ({"parameters/enabled": ""}, "fail", "runs without AppArmor"),
        ({"kernel/security/apparmor": LOADED + "rsyslogd (complain)\n"}, "fail", "only complains: rsyslogd"),
        (
            {"attr/current": "/proc/312/attr/current:unconfined\n"},
            "fail",
            "runs free of its profile: /usr/sbin/chronyd",
        ),
        ({"attr/current": "/proc/312/attr/current:/usr/sbin/chronyd (complain)\n"}, "fail", "/usr/sbin/chronyd"),
        (
            {"kernel/security/apparmor": "crun (unconfined)\n", "attr/current": "/proc/312/attr/current:unconfined\n"},
            "fail",
            "/usr/sbin/chronyd",
        ),
        ({"exe": "/proc/1/exe /sbin/init\n"}, "fail", "no process is held"),
        ({"exe": ""}, "error", "tells of no process"),
    ],
)
def test_what_the_check_says(changed: dict, status: str, words: str) -> None:
    found = outcome(apparmor.test_programs_are_held_by_their_profiles, ANSWERS | changed)
    assert (found[0].replace("_", " ").replace("-", " "), words in found[1]) == (status, True), found


HEADS = """\
profile unix-chkpwd /{,usr/}{,s}bin/unix_chkpwd flags=(complain) {
/usr/sbin/chronyd flags=(attach_disconnected) {
"""


def test_what_is_packaged_to_complain_is_left_alone() -> None:
    meant = module.complaining([HEADS])
    assert meant == {"unix-chkpwd"}
    loaded = module.modes(LOADED)
    assert module.weakened(loaded, {*meant, "sbuild-apt"}) == []
    assert module.weakened(loaded | {"/usr/sbin/chronyd": "complain"}, {*meant, "sbuild-apt"}) == ["/usr/sbin/chronyd"]


def test_who_runs_free_of_a_profile_starts_anew() -> None:
    loaded = module.modes(LOADED)
    programs = {1: "/usr/lib/systemd/systemd", 312: "/usr/sbin/chronyd", 400: "/usr/bin/crun"}
    labels = {1: "unconfined", 312: "unconfined", 400: "unconfined"}
    assert module.unheld(programs, labels, loaded) == [312]
    assert module.unheld(programs, labels | {312: "/usr/sbin/chronyd (enforce)"}, loaded) == []


@pytest.mark.parametrize(
    ("label", "mode", "so"),
    [
        ("containers-default-0.62.2 (enforce)", "enforce", True),
        ("containers-default-0.62.2//&crun (mixed)", "enforce", True),
        ("crun//&containers-default-0.62.2 (mixed)", "enforce", True),
        ("containers-default-0.62.2//&crun (mixed)", "complain", False),
        ("containers-default-0.62.2 (complain)", "complain", False),
        ("crun (unconfined)", "enforce", False),
        ("crun//&other (mixed)", "enforce", False),
        ("unconfined", "enforce", False),
    ],
)
def test_whom_podmans_profile_holds(label: str, mode: str, so: bool) -> None:
    assert held(label, {f"containers-default-0.62.2 ({mode})", "crun (unconfined)", "other (enforce)"}) is so


def test_containers_that_run_free_start_anew() -> None:
    def container(pid: int, unit: str) -> dict:
        return {"State": {"Pid": pid}, "Config": {"Labels": {"PODMAN_SYSTEMD_UNIT": unit} if unit else None}}

    inspected = json.dumps([container(7, "hedgerow-web.service"), container(8, "hedgerow-x.service"), container(9, "")])
    labels = {7: "containers-default-0.62.2 (enforce)", 8: "unconfined", 9: "unconfined"}
    assert module.unheld_containers(inspected, labels) == ["hedgerow-x.service"]
    assert module.unheld_containers("", labels) == []

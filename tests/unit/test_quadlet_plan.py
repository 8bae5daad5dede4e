"""When a service is restarted, and what is told of one that does not become well."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parents[2] / "roles/posthog/module_utils/hedgerow_quadlet_plan.py"
SPEC = importlib.util.spec_from_file_location("hedgerow_quadlet_plan", SOURCE)
plan = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = plan
SPEC.loader.exec_module(plan)

UNIT = {"Id": "hedgerow-web.service", "ActiveState": "active", "SubState": "running"}
BORN = "2026-01-02T03:04:05.5Z"
BIRTH = plan.moment(BORN)


def container(**config: Any) -> dict[str, Any]:
    labels = {"PODMAN_SYSTEMD_UNIT": "hedgerow-web.service"}
    return {"Created": BORN, "Mounts": [], "State": {}, "Config": {"Labels": labels, **config}}


@pytest.mark.parametrize(
    ("unit", "found", "sources", "why"),
    [
        (UNIT, container(), {"unit file": BIRTH - 1, "secret": BIRTH - 9}, ""),
        (UNIT, container(), {"unit file": BIRTH + 1, "secret": BIRTH - 9}, "older than unit file"),
        (UNIT, container(), {"unit file": BIRTH + 1, "secret": BIRTH + 2}, "older than secret, unit file"),
        (UNIT, None, {}, "had no container"),
        ({**UNIT, "ActiveState": "failed", "SubState": "failed"}, container(), {}, "was failed"),
        ({**UNIT, "ActiveState": "activating", "SubState": "auto-restart"}, None, {}, "was activating"),
        ({**UNIT, "ActiveState": "activating", "SubState": "start-post"}, container(), {}, ""),
        ({**UNIT, "ActiveState": "", "SubState": ""}, None, {}, "was unknown"),
        (UNIT, container(Labels={}), {}, "its container was not started by its unit"),
    ],
    ids=[
        "as it should",
        "new unit",
        "new unit and secret",
        "no container",
        "failed",
        "ends again",
        "starting",
        "new",
        "replaced by hand",
    ],
)
def test_reason(unit: dict[str, str], found: dict[str, Any] | None, sources: dict[str, float], why: str) -> None:
    assert plan.reason(unit, found, sources) == why


@pytest.mark.parametrize(
    ("unit", "beside", "why"),
    [
        (UNIT, {"ActiveState": "active"}, ""),
        (UNIT, {"ActiveState": "inactive"}, "its side-car was inactive"),
        (UNIT, {"ActiveState": ""}, "its side-car was unknown"),
        ({**UNIT, "ActiveState": "activating", "SubState": "start-post"}, {"ActiveState": "inactive"}, ""),
    ],
    ids=["both run", "it ended", "new", "starting"],
)
def test_a_side_car_starts_with_its_service(unit: dict[str, str], beside: dict[str, str], why: str) -> None:
    assert plan.reason(unit, container(), {}, beside) == why


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.2Z"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000001Z"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T03:04:05Z"),
    ],
)
def test_moments_are_in_order(earlier: str, later: str) -> None:
    assert plan.moment(earlier) < plan.moment(later)


def test_secrets_are_found_in_the_command() -> None:
    words = ["podman", "run", "--secret", "hedgerow-a,type=env,target=A", "--secret", "hedgerow-b", "image"]
    assert plan.secrets_of(container(CreateCommand=words)) == ["hedgerow-a", "hedgerow-b"]


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("a.container", "a.service"),
        ("a.network", "a-network.service"),
        ("a.pod", "a-pod.service"),
        ("a.kube", "a.service"),
    ],
)
def test_unit_of(name: str, unit: str) -> None:
    assert plan.unit_of(Path("/etc/containers/systemd") / name) == unit


def test_no_secret_is_told_nor_the_password_in_an_address() -> None:
    secrets = ["plain-secret", "postgres://posthog_web:inner-secret@store/app"]
    text = "tried plain-secret, then postgres://posthog_web:inner-secret@store/app as inner-secret"
    assert plan.redacted(text, secrets) == "tried ********, then ******** as ********"


def test_the_last_words_are_the_service_s_own_and_each_once() -> None:
    journal = "\n".join(
        [
            "2026-01-02 03:04:05 +0000 UTC container start 0123456789abcdef (image=x)",
            "conmon 0123 <nwarn>: whatever",
            *["no connection; trying again"] * 40,
            "password refused",
        ]
    )
    health = {"Health": {"Log": [{"Output": "first\n"}, {"Output": "Traceback\nHTTP Error 503\n"}]}}
    told = plan.last_lines(journal, {"State": health})
    assert told.split("\n") == ["  no connection; trying again", "  password refused", "  health: HTTP Error 503"]


def test_a_service_that_said_nothing() -> None:
    assert plan.last_lines("", {}) == "  (nothing)"


def test_a_plan_is_told_line_by_line() -> None:
    made = plan.Plan(
        strangers=[Path("/etc/containers/systemd/old.container")],
        overrides=[Path("/etc/systemd/system/hedgerow-web.service.d/x.conf")],
        others=["stranger"],
        remade=[],
        restarted={"hedgerow-web": "was failed"},
        reload=True,
        ill=[],
    )
    assert made.diff["after"].splitlines() == [
        "restart hedgerow-web: was failed",
        "remove /etc/containers/systemd/old.container",
        "remove /etc/systemd/system/hedgerow-web.service.d/x.conf",
        "remove container stranger",
    ]


class Looked:
    """A host with one container of ours that runs as it should, one that nobody declared, and an unknown unit file."""

    def __init__(self, folder: Path) -> None:
        self.prefix, self.folder = "hedgerow-", folder
        for name in ("hedgerow-kafka.container", "hedgerow-log.network", "hedgerow-web.container"):
            (folder / name).touch()

    def strangers(self, declared: set[str]) -> list[Path]:
        return sorted(each for each in self.folder.iterdir() if each.name not in declared)

    def units(self, names: list[str]) -> dict[str, dict[str, str]]:
        state = {"ActiveState": "active", "SubState": "running", "LoadState": "loaded", "NeedDaemonReload": "no"}
        return {name: {"Id": name, **state} for name in names}

    def overrides(self, units: dict[str, dict[str, str]]) -> dict[Path, str]:
        return {}

    def containers(self) -> dict[str, dict[str, Any]]:
        later = {"Created": "2100-01-01T00:00:00Z", "State": {"Health": {"Status": "healthy"}}, "Mounts": []}
        labels = {"Config": {"Labels": {"PODMAN_SYSTEMD_UNIT": "hedgerow-kafka.service"}}}
        return {"hedgerow-kafka": {**later, **labels}, "somebody": {}}

    def networks(self, names: list[str]) -> dict[str, float]:
        return dict.fromkeys(names, 4e9)

    def secrets(self) -> dict[str, float]:
        return {}


@pytest.mark.parametrize(("exclusive", "gone"), [(True, ["hedgerow-web.container", "container somebody"]), (False, [])])
def test_what_is_run_first_leaves_everything_else_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exclusive: bool, gone: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ansible.module_utils.hedgerow_quadlet_plan", plan)
    where = SOURCE.parents[3] / "plugins/modules/hedgerow_quadlets.py"
    spec = importlib.util.spec_from_file_location("hedgerow_quadlets", where)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.make_plan(Looked(tmp_path), ["hedgerow-kafka"], ["hedgerow-log"], [], exclusive)
    assert [name.removeprefix(f"{tmp_path}/") for name in made.removed] == gone
    assert (made.restarted, made.remade, made.ill) == ({}, [], [])

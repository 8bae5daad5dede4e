"""Every control of a Google Cloud project passes on a hardened one, and fails where that one thing is broken."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from hedgerow import gcp_reading
from hedgerow.gcp_reading import READS, Reader, RefusedError, role
from tests.gcp.fake import answering, iam, named
from tests.gcp.fake.world import NUMBER, PROJECT
from tests.gcp_checks.conftest import CONTROLS, SHEET, asked
from tests.gcp_checks.sabotage import ALSO, BREAK


def not_passed(found: dict[str, dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Return what does not pass, and why."""
    return {name: (said["status"], said["reason"]) for name, said in found.items() if said["status"] != "pass"}


class Recording(Reader):
    """A reader that remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(Reader.of(SHEET)._session)
        self.questions: set[str] = set()

    def answer(self, question, url):
        self.questions |= {name for name, one in READS.items() if one == question}
        return super().answer(question, url)


def test_a_hardened_project_holds_every_control_and_nothing_is_asked_that_is_not_needed(cloud):
    reader = Recording()
    cloud.world.calls.clear()
    found = asked(reader=reader)
    assert not_passed(found) == {}
    assert set(found) == set(CONTROLS)
    assert len(CONTROLS) >= 35
    assert reader.questions == set(READS)
    assert {call.method for call in cloud.world.calls if call.changes} <= READING_BY_POST
    for control, said in found.items():
        assert all(said[part] for part in ("asked", "observed", "expected", "at")), control
        assert said["asked"].partition(" ")[0] in READS, said["asked"]
        assert PROJECT not in str(said), said
        assert NUMBER not in str(said), said


READING_BY_POST = {"cloudresourcemanager.projects.getIamPolicy", "iam.projects.serviceAccounts.getIamPolicy"}
"""What Google has behind a POST though it changes nothing."""


def test_every_control_has_its_sabotage():
    assert set(BREAK) == set(CONTROLS)
    assert set(ALSO) <= set(BREAK)
    assert set().union(*ALSO.values()) <= set(CONTROLS)


@pytest.fixture
def account_keys(cloud, monkeypatch):
    """The fake knows no keys of accounts; one that a sabotage has put into its rows is shown."""
    plain = iam.answer

    def answer(given):
        if ".serviceAccounts.keys." not in given.method.name:
            return plain(given)
        row = cloud.world.rows.get(f"iam-key:{given.path['name'].rpartition('/')[2]}")
        return {"keys": [row]} if row else {}

    monkeypatch.setitem(answering.SERVICES, "iam", answer)


# Each asks the whole project again: `make test` takes every fifth, `make sabotage` all.
SOME = CONTROLS if os.environ.get("HEDGEROW_SABOTAGE") == "all" else CONTROLS[::5]


@pytest.mark.parametrize("control", SOME)
def test_what_is_broken_fails_and_nothing_else(cloud, account_keys, control):
    BREAK[control](cloud)
    seen = not_passed(asked())
    assert dict.fromkeys({control} | ALSO.get(control, set()), "fail") == {
        name: status for name, (status, _) in seen.items()
    }, seen
    assert all(reason for _, reason in seen.values())


def test_the_read_only_role_is_what_the_checks_ask_and_nothing_else():
    permissions = role()["includedPermissions"]
    assert set(permissions) == {question.permission for question in READS.values()}
    assert all(one.rpartition(".")[2] in ("get", "list", "getIamPolicy") for one in permissions)
    assert {question.verb for question in READS.values() if question.verb != "GET"} == {"POST"}
    assert all(one.url.endswith(":getIamPolicy") for one in READS.values() if one.verb == "POST")


def test_a_refused_question_is_an_error_that_names_the_permission(cloud):
    class Refusing(Recording):
        def answer(self, question, url):
            if question is READS["dns.policies.list"]:
                raise RefusedError(403, f"no, {PROJECT}", disabled=False)
            return super().answer(question, url)

    found = not_passed(asked(reader=Refusing()))
    assert found == {"gcp.dns-logged": ("error", "these credentials lack dns.policies.list")}


def test_a_service_that_is_off_holds_nothing(cloud):
    cloud.world.services = cloud.world.services - {"dns.googleapis.com"}
    found = {name: status for name, (status, _) in not_passed(asked()).items()}
    assert found == {"gcp.dns-logged": "fail", "gcp.dns-signed": "not-exercised"}


def test_a_list_of_many_pages_is_read_whole(cloud, monkeypatch):
    pages = []

    def small(given, found, size):
        start = int(given.one("pageToken", "0"))
        pages.append(start)
        return found[start : start + 1], str(start + 1) if start + 1 < len(found) else None

    monkeypatch.setattr(named, "page", small)
    assert not_passed(asked()) == {}
    assert 3 in pages


def test_what_is_not_declared_is_not_exercised(cloud):
    """A public machine, no snapshot, no balancer, a name that somebody else serves: each says so instead of passing."""
    name = f"compute:projects/{PROJECT}/global/snapshots/hedgerow-acme-root-1"
    cloud.world.rows.pop(name)
    links = ("/forwardingRules/", "/backendServices/", "/securityPolicies/")
    for balancing in [one for one in cloud.world.rows if any(link in one for link in links)]:
        cloud.world.rows.pop(balancing)
    found = asked(replace(SHEET, public=True, domain="analytics.other.example", balancer=False))
    front = {control for control in CONTROLS if control.startswith(("gcp.balancer-", "gcp.armor-"))}
    assert {control for control, said in found.items() if said["status"] == "not-exercised"} == front | {
        "gcp.dns-signed",
        "gcp.machines-not-public",
        "gcp.snapshots-not-shared",
        "gcp.snapshots-own-key",
        "gcp.ssh-through-proxy",
    }
    assert {said["status"] for said in found.values()} == {"pass", "not-exercised"}


def test_nothing_passes_for_want_of_things_to_look_at(cloud):
    """What concerns the whole project and not the deployment is as it was made."""
    passed = {name for name, said in asked(replace(SHEET, deployment="nobody")).items() if said["status"] == "pass"}
    assert passed == {
        *("gcp.account-keys-renewed", "gcp.alert-keys", "gcp.alert-network", "gcp.alert-records", "gcp.alert-roles"),
        *("gcp.audit-data-access", "gcp.audit-nobody-exempt", "gcp.dns-signed", "gcp.logs-kept"),
        *("gcp.logs-not-dropped", "gcp.no-account-owns-the-project", "gcp.no-default-network"),
        *("gcp.no-project-keys", "gcp.project-not-public"),
    }


def test_an_error_without_form_is_still_said():
    refused = gcp_reading._refusal(502, "<html>Bad gateway</html>")
    assert (refused.status, str(refused), refused.disabled) == (502, "<html>Bad gateway</html>", False)

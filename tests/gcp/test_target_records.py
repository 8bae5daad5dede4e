"""Where backups and records lie, and what is written down: made, put back, kept; and the checks say so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hedgerow import repository
from hedgerow.cloud_sheet import GcpSheet, cloud_sheets
from hedgerow.declaration import Gcp, parse
from hedgerow.deployment import Deployment
from hedgerow.errors import CallError
from hedgerow.targets.gcp.records import audited, exempt
from hedgerow.targets.gcp.storage import added
from hedgerow.targets.gcp.target import GcpTarget
from tests.gcp.fake.running import Fake
from tests.gcp.fake.world import PROJECT
from tests.gcp.making import ask, bucket
from tests.gcp.project import actions, quiet, row, target, text
from tests.gcp_checks.conftest import asked

LOCKED, AUDIT = "lock: true, audit: true", "audit: true"
SET = "resourcemanager.projects.setIamPolicy"
POLICY = f"cloudresourcemanager.googleapis.com/v3/projects/{PROJECT}"
OWNER = {"role": "roles/owner", "members": ["user:jane@acme.example"]}


def failing(more: str) -> set[str]:
    """Return the controls of the project that do not pass, as `verify` asks them."""
    (sheet,) = cloud_sheets(parse(text(more)), "192.0.2.1")
    assert isinstance(sheet, GcpSheet)
    return {name for name, said in asked(sheet).items() if said["status"] not in ("pass", "not-exercised")}


def name(which: str) -> str:
    """Return a bucket's name."""
    return target().place.bucket(which)


def test_what_is_made_holds_the_controls_and_a_second_install_changes_nothing(gcp: Fake) -> None:
    target(LOCKED).provision(quiet)
    assert failing(LOCKED) == MISSING
    gcp.forget()
    target(LOCKED).provision(quiet)
    assert gcp.changing() == []
    # What was locked and switched on stays so, whatever is declared later.
    target().provision(quiet)
    assert gcp.changing() == [] and failing("") == MISSING


MISSING = {"gcp.alert-roles", "gcp.alert-network", "gcp.alert-keys", "gcp.alert-records"}
"""What fails where nobody is declared whom alerts tell."""


def test_without_a_lock_and_audit_those_controls_alone_fail_and_both_can_come_later(gcp: Fake) -> None:
    target().provision(quiet)
    assert failing("") == MISSING | {"gcp.buckets-locked", "gcp.audit-data-access"}
    assert SET not in target().policy() and SET in target(AUDIT).policy()
    target(LOCKED).provision(quiet)
    assert failing(LOCKED) == MISSING


def test_drift_of_buckets_and_records_is_shown_and_put_back(gcp: Fake) -> None:
    target(AUDIT).provision(quiet)
    google, records = target(AUDIT).google, name("records")
    open_ = {"iamConfiguration": {"publicAccessPrevention": "inherited"}, "versioning": {"enabled": False}}
    google.call("storage.buckets.patch", {"name": records}, body=open_ | {"retentionPolicy": None})
    policy = google.call("storage.buckets.getIamPolicy", {"name": records})
    eve = [{"role": "roles/storage.objectViewer", "members": ["user:auditor@acme.example"]}]
    google.call("storage.buckets.setIamPolicy", {"name": records}, body=policy | {"bindings": eve})
    google.call("logging.buckets.patch", {"name": "_Default"}, body={"retentionDays": 7}, query=mask("retentionDays"))
    sink, off = {"name": "hedgerow-acme-records"}, {"disabled": True}
    google.call("logging.sinks.patch", sink, body=off, query=mask("disabled"))
    left_out = [{"name": "eve", "filter": "severity>=DEFAULT"}]
    google.call("logging.sinks.patch", sink, body={"exclusions": left_out}, query=mask("exclusions"))
    said = google.call("cloudresourcemanager.projects.getIamPolicy")
    theirs = {"service": "bigquery.googleapis.com", "auditLogConfigs": [{"logType": "DATA_READ", **EVE}]}
    body = {"policy": {"etag": said["etag"], "auditConfigs": [theirs]}, "updateMask": "auditConfigs"}
    google.call("cloudresourcemanager.projects.setIamPolicy", body=body)
    assert {f"{one.kind}/{one.name}": set(one.differs) for one in target(AUDIT).plan() if one.action != "keep"} == {
        "bucket/records": {"iamConfiguration", "versioning", "retentionPolicy"},
        "bucket-users/records": {"bindings"},
        "log-bucket/_Default": {"retentionDays"},
        "sink/records": {"disabled", "exclusions"},
        "audit/project": {"kinds", "exempt"},
    }
    target(AUDIT).provision(quiet)
    assert set(actions(target(AUDIT)).values()) == {"keep"} and failing(AUDIT) == MISSING | {"gcp.buckets-locked"}
    # What others have put there and what harms nobody is still theirs.
    assert "user:auditor@acme.example" in str(google.call("storage.buckets.getIamPolicy", {"name": records}))
    now = google.call("cloudresourcemanager.projects.getIamPolicy")
    assert now["bindings"] == [OWNER]
    assert {"service": "bigquery.googleapis.com", "auditLogConfigs": [{"logType": "DATA_READ"}]} in now["auditConfigs"]


EVE = {"exemptedMembers": ["user:eve@acme.example"]}


def mask(field: str) -> dict[str, str]:
    """Return the query that names what is changed."""
    return {"updateMask": field}


def test_what_keeps_for_longer_is_left_so(gcp: Fake) -> None:
    target(LOCKED).provision(quiet)
    longer = {"retentionPolicy": {"retentionPeriod": str(90 * 86400)}}
    target().google.call("storage.buckets.patch", {"name": name("backup")}, body=longer)
    target().google.call(
        "logging.buckets.patch", {"name": "_Default"}, body={"retentionDays": 400}, query=mask("retentionDays")
    )
    assert set(actions(target(LOCKED)).values()) == {"keep"}


def test_destroy_keeps_what_is_under_retention_and_says_why_and_an_install_takes_it_up_again(gcp: Fake) -> None:
    target(LOCKED).provision(quiet)
    kept = {f"{one.kind}/{one.name}": one.detail for one in target(LOCKED).destroy(quiet) if one.action == "keep"}
    assert kept["bucket/records"] == "it holds records that the law keeps for six years"
    assert "35 days" in kept["bucket/backup"] and "read the records" in kept["key/records"]
    record = json.loads((Deployment("acme").root / "disposal.json").read_text())[-1]
    assert {one["name"] for one in record["kept"] if one["kind"] == "bucket"} == {"backup", "records"}
    assert row(gcp, name("records"))["retentionPolicy"]["isLocked"]
    target(LOCKED).provision(quiet)
    assert set(actions(target(LOCKED)).values()) == {"keep"} and failing(LOCKED) == MISSING | {"gcp.keys-stay"}


def test_a_bucket_of_our_name_without_our_label_stops_the_run(gcp: Fake) -> None:
    bucket(name("backup"))
    gcp.forget()
    with pytest.raises(CallError, match="it is not ours"):
        target().provision(quiet)
    assert gcp.changing() == []


def test_who_changes_a_policy_meanwhile_is_not_overwritten(gcp: Fake) -> None:
    """The etag of what was read goes back with what is written: https://cloud.google.com/iam/docs/policies#etag."""
    made = target(AUDIT)
    driver = made.drivers["audit"]
    (resource,) = [one for one in made.resources() if one.kind == "audit"]
    found = driver.find(resource)
    assert found is not None
    said = made.google.call("cloudresourcemanager.projects.getIamPolicy")
    viewer = {"role": "roles/viewer", "members": ["user:auditor@acme.example"]}
    status, _ = ask("POST", f"{POLICY}:setIamPolicy", {"policy": {**said, "bindings": [*said["bindings"], viewer]}})
    assert status == 200
    driver.change(resource, found, frozenset({"kinds"}))
    now = made.google.call("cloudresourcemanager.projects.getIamPolicy")
    assert viewer in now["bindings"] and OWNER in now["bindings"]
    assert {one["service"] for one in now["auditConfigs"]} == {"allServices"}


def config(service: str, *kinds: str, **more: Any) -> dict[str, Any]:
    """Return one row of an audit configuration."""
    return {"service": service, "auditLogConfigs": [{"logType": one, **more} for one in kinds]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [config("allServices", "A", "B")]),
        ([config("allServices", "B", "A")], [config("allServices", "B", "A")]),
        ([config("allServices", "B")], [config("allServices", "B", "A")]),
        ([config("allServices", "A", "B", **EVE)], [config("allServices", "A", "B")]),
        ([config("x", "C", **EVE)], [config("x", "C"), config("allServices", "A", "B")]),
    ],
)
def test_an_audit_configuration_gains_what_is_missing(before: list[Any], after: list[Any]) -> None:
    assert audited(before, ("A", "B")) == after
    assert exempt(after) == [] and bool(exempt(before)) == ("exempted" in str(before))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [{"role": "w", "members": ["a"]}]),
        ([{"role": "w", "members": ["a", "b"]}], [{"role": "w", "members": ["a", "b"]}]),
        ([{"role": "w", "members": ["b"]}], [{"role": "w", "members": ["b"]}, {"role": "w", "members": ["a"]}]),
    ],
)
def test_a_policy_gains_members_and_loses_none(before: list[Any], after: list[Any]) -> None:
    assert added({"etag": "1", "bindings": before}, {"w": ["a"]}) == {"etag": "1", "bindings": after}


def test_a_role_with_a_condition_is_not_the_role() -> None:
    bound = {"role": "w", "members": ["a"], "condition": {"expression": "false"}}
    assert len(added({"bindings": [bound]}, {"w": ["a"]})["bindings"]) == 2


def test_the_machine_keeps_its_backups_in_the_bucket_that_is_made_for_them(gcp: Fake) -> None:
    def own() -> GcpTarget:
        declaration = parse(text() + "backup: {to: bucket}\n")
        assert isinstance(declaration.target, Gcp)
        return GcpTarget(declaration, declaration.target, Deployment(declaration.name))

    target().provision(quiet)
    gcp.forget()
    own().provision(quiet)
    assert gcp.changing() == ["storage.buckets.patch", "storage.buckets.setIamPolicy"]
    held = row(gcp, name("backup"))
    assert {"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 35}} in held["lifecycle"]["rule"]
    assert held["versioning"]["enabled"] and int(held["retentionPolicy"]["retentionPeriod"]) == 35 * 86400
    policy = ask("GET", f"storage.googleapis.com/storage/v1/b/{name('backup')}/iam")[1]
    mine = [one["role"] for one in policy["bindings"] if f"serviceAccount:{target().place.email}" in one["members"]]
    assert "roles/storage.objectUser" in mine
    gcp.forget()
    own().provision(quiet)
    assert gcp.changing() == [] and "gcp.account-least-roles" not in failing("")
    # What the machine is told is the bucket that is there, and its own account.
    assert own().bucket() == f"gs://{held['name']}"
    said = repository.options(own().declaration, own().bucket())
    assert said["repo1-gcs-bucket"] == held["name"] and said["repo1-gcs-key-type"] == "auto"
    assert not [one for one in said if one.endswith("-key")], "no key lies on the machine"
    assert repository.place(own().declaration, own().bucket()) == f"gs://{held['name']}/acme"
    assert {one["to"][0] for one in repository.outbound(own().declaration)} == {"any", "169.254.169.254/32"}

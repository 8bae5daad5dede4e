"""The fake's other services: keys, accounts, policies, buckets, logs, names and alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import kms_v1

from tests.gcp import making
from tests.gcp.fake.running import Fake
from tests.gcp.fake.world import PROJECT
from tests.gcp.making import ask, keys

IAM = f"iam.googleapis.com/v1/projects/{PROJECT}"
LOGS = f"logging.googleapis.com/v2/projects/{PROJECT}"
DNS = f"dns.googleapis.com/dns/v1/projects/{PROJECT}"
CRM = f"cloudresourcemanager.googleapis.com/v1/projects/{PROJECT}"
USAGE = "serviceusage.googleapis.com/v1"
MONITORING = f"monitoring.googleapis.com/v3/projects/{PROJECT}"
OWNER = {"role": "roles/owner", "members": ["user:jane@acme.example"]}


def code(answer: tuple[int, Any]) -> int:
    return answer[0]


def test_a_key_encrypts_and_only_an_enabled_version_does(gcp: Fake) -> None:
    key = making.key()
    sealed = keys().encrypt(name=key, plaintext=b"words").ciphertext
    assert keys().decrypt(name=key, ciphertext=sealed).plaintext == b"words"
    with pytest.raises(exceptions.BadRequest):
        keys().decrypt(name=key, ciphertext=sealed[:-1])
    version = keys().get_crypto_key(name=key).primary
    off = kms_v1.CryptoKeyVersion(name=version.name, state=kms_v1.CryptoKeyVersion.CryptoKeyVersionState.DISABLED)
    keys().update_crypto_key_version(crypto_key_version=off, update_mask={"paths": ["state"]})
    with pytest.raises(exceptions.BadRequest, match="DISABLED"):
        keys().encrypt(name=key, plaintext=b"words")
    keys().destroy_crypto_key_version(name=version.name)
    assert keys().get_crypto_key(name=key).primary.state.name == "DESTROY_SCHEDULED"
    assert keys().restore_crypto_key_version(name=version.name).state.name == "DISABLED"


@pytest.mark.parametrize(
    ("period", "after", "fits"),
    [(90 * 86400, 90 * 86400, True), (3600, 90 * 86400, False), (90 * 86400, -3600, False), (90 * 86400, None, False)],
)
def test_a_rotation_has_a_period_of_days_and_a_time_to_come(
    gcp: Fake, period: int, after: int | None, *, fits: bool
) -> None:
    key = making.key()
    made = kms_v1.CryptoKey(name=key, rotation_period={"seconds": period})
    if after is not None:
        made.next_rotation_time = datetime.now(UTC) + timedelta(seconds=after)
    request = {"crypto_key": made, "update_mask": {"paths": ["rotation_period", "next_rotation_time"]}}
    if fits:
        assert keys().update_crypto_key(request=request).rotation_period == timedelta(seconds=period)
        return
    with pytest.raises(exceptions.BadRequest):
        keys().update_crypto_key(request=request)


def test_a_ring_s_name_is_taken_for_ever(gcp: Fake) -> None:
    making.key()
    with pytest.raises(exceptions.Conflict):
        making.key()
    status, _ = ask("DELETE", f"cloudkms.googleapis.com/v1/projects/{PROJECT}/locations/us-central1/keyRings/acme")
    assert status == 501


def test_a_policy_is_put_with_the_etag_that_was_read(gcp: Fake) -> None:
    key = making.key()
    old = keys().get_iam_policy(request={"resource": key})
    making.grant(key, making.COMPUTE_AGENT)
    with pytest.raises(exceptions.Conflict):
        keys().set_iam_policy(request={"resource": key, "policy": old})
    for stranger in ("serviceAccount:nobody@acme-analytics.iam.gserviceaccount.com", "nobody"):
        with pytest.raises(exceptions.BadRequest):
            making.grant(key, stranger)


def test_a_service_account_is_made_once_and_leaves_its_grants_behind(gcp: Fake) -> None:
    body = {"accountId": "acme-host", "serviceAccount": {"displayName": "acme"}}
    status, made = ask("POST", f"{IAM}/serviceAccounts", body)
    assert (status, made["email"]) == (200, f"acme-host@{PROJECT}.iam.gserviceaccount.com")
    assert code(ask("POST", f"{IAM}/serviceAccounts", body)) == 409
    assert code(ask("POST", f"{IAM}/serviceAccounts", {"accountId": "host"})) == 400
    member = f"serviceAccount:{made['email']}"
    policy = {"bindings": [OWNER, {"role": "roles/logging.logWriter", "members": [member]}]}
    assert code(ask("POST", f"{CRM}:setIamPolicy", {"policy": policy})) == 200
    assert code(ask("DELETE", f"{IAM}/serviceAccounts/{made['email']}")) == 200
    _, kept = ask("POST", f"{CRM}:getIamPolicy", {})
    assert f"deleted:{member}?uid={made['uniqueId']}" in str(kept)


def test_audit_logs_change_only_if_the_mask_names_them(gcp: Fake) -> None:
    audit = [{"service": "allServices", "auditLogConfigs": [{"logType": "DATA_READ"}]}]
    policy = {"bindings": [OWNER], "auditConfigs": audit}
    ask("POST", f"{CRM}:setIamPolicy", {"policy": policy})
    assert "auditConfigs" not in ask("POST", f"{CRM}:getIamPolicy", {})[1]
    ask("POST", f"{CRM}:setIamPolicy", {"policy": policy, "updateMask": "bindings,etag,auditConfigs"})
    assert ask("POST", f"{CRM}:getIamPolicy", {})[1]["auditConfigs"] == audit


def test_the_project_keeps_an_owner(gcp: Fake) -> None:
    status, _ = ask("POST", f"{CRM}:setIamPolicy", {"policy": {"bindings": []}})
    assert status == 400


def test_a_deleted_role_keeps_its_name(gcp: Fake) -> None:
    body = {
        "roleId": "acmeHost",
        "role": {"title": "acme", "includedPermissions": ["compute.disks.get"], "stage": "GA"},
    }
    assert code(ask("POST", f"{IAM}/roles", body)) == 200
    assert code(ask("DELETE", f"{IAM}/roles/acmeHost")) == 200
    status, answer = ask("POST", f"{IAM}/roles", body)
    assert (status, answer["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert code(ask("POST", f"{IAM}/roles/acmeHost:undelete", {})) == 200
    bad = {"roleId": "acmeBad", "role": {"includedPermissions": ["compute"]}}
    assert code(ask("POST", f"{IAM}/roles", bad)) == 400


def test_what_a_test_withholds_the_caller_may_not(gcp: Fake) -> None:
    gcp.withhold("compute.disks.create")
    asked = {"permissions": ["compute.disks.create", "compute.disks.get"]}
    assert ask("POST", f"{CRM}:testIamPermissions", asked)[1] == {"permissions": ["compute.disks.get"]}


def test_a_new_project_s_services_are_off_until_an_operation_has_put_them_on(gcp: Fake) -> None:
    gcp.reset(new=True, polls=2)
    networks = f"compute.googleapis.com/compute/v1/projects/{PROJECT}/global/networks"
    status, answer = ask("GET", networks)
    assert (status, answer["error"]["errors"][0]["reason"]) == (403, "accessNotConfigured")
    _, begun = ask(
        "POST", f"{USAGE}/projects/{PROJECT}/services:batchEnable", {"serviceIds": ["compute.googleapis.com"]}
    )
    steps = [ask("GET", f"{USAGE}/{begun['name']}")[1].get("done", False) for _ in range(2)]
    assert (steps, code(ask("GET", networks))) == ([False, True], 200)
    _, again = ask("POST", f"{USAGE}/projects/{PROJECT}/services/compute.googleapis.com:enable", {})
    assert again["done"] is True


def test_a_sink_writes_as_an_account_that_can_then_be_granted(gcp: Fake) -> None:
    made = making.bucket()
    body = {"name": "acme-audit", "destination": "storage.googleapis.com/acme-backup", "filter": "severity>=NOTICE"}
    status, sink = ask("POST", f"{LOGS}/sinks?uniqueWriterIdentity=true", body)
    assert (status, sink["writerIdentity"].startswith("serviceAccount:service-")) == (200, True)
    policy = made.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectCreator", "members": {sink["writerIdentity"]}})
    made.set_iam_policy(policy)
    assert code(ask("POST", f"{LOGS}/sinks", {**body, "name": "bad", "destination": "elsewhere"})) == 400
    names = [one["name"] for one in ask("GET", f"{LOGS}/sinks")[1]["sinks"]]
    assert names == ["_Default", "_Required", "acme-audit"]
    _, changed = ask("PATCH", f"{LOGS}/sinks/acme-audit?updateMask=filter", {"filter": "severity>=ERROR"})
    assert (changed["filter"], changed["destination"]) == ("severity>=ERROR", body["destination"])


def test_a_locked_log_bucket_stays_as_it_is(gcp: Fake) -> None:
    where = f"{LOGS}/locations/us-central1/buckets"
    assert code(ask("POST", f"{where}?bucketId=acme", {"retentionDays": 2190})) == 200
    assert code(ask("PATCH", f"{where}/acme?updateMask=locked", {"locked": True})) == 200
    assert code(ask("PATCH", f"{where}/acme?updateMask=retentionDays", {"retentionDays": 30})) == 400
    assert code(ask("DELETE", f"{where}/acme")) == 400
    assert code(ask("POST", f"{where}?bucketId=other", {"retentionDays": 4000})) == 400


def test_a_metric_counts_and_an_alert_calls_a_channel_that_there_is(gcp: Fake) -> None:
    _, metric = ask("POST", f"{LOGS}/metrics", {"name": "acme-changes", "filter": "severity>=ERROR"})
    assert metric["metricDescriptor"]["type"] == "logging.googleapis.com/user/acme-changes"
    email = {"type": "email", "labels": {"email_address": "ops@acme.example"}}
    assert code(ask("POST", f"{MONITORING}/notificationChannels", {"type": "email"})) == 400
    _, channel = ask("POST", f"{MONITORING}/notificationChannels", email)
    condition = {"displayName": "any", "conditionThreshold": {"filter": "x", "comparison": "COMPARISON_GT"}}
    alert = {"displayName": "acme", "combiner": "OR", "conditions": [condition]}
    missing = {**alert, "notificationChannels": [f"projects/{PROJECT}/notificationChannels/1"]}
    assert code(ask("POST", f"{MONITORING}/alertPolicies", missing)) == 404
    calling = {**alert, "notificationChannels": [channel["name"]]}
    assert code(ask("POST", f"{MONITORING}/alertPolicies", calling)) == 200
    assert code(ask("DELETE", f"monitoring.googleapis.com/v3/{channel['name']}")) == 400


def test_a_record_is_in_its_zone_and_a_zone_with_records_stays(gcp: Fake) -> None:
    zone = {
        "name": "acme",
        "dnsName": "acme.example.",
        "description": "",
        "cloudLoggingConfig": {"enableLogging": True},
    }
    assert code(ask("POST", f"{DNS}/managedZones", zone)) == 200
    record = {"name": "analytics.acme.example.", "type": "A", "ttl": 300, "rrdatas": ["203.0.113.10"]}
    sets = f"{DNS}/managedZones/acme/rrsets"
    assert code(ask("POST", sets, record)) == 200
    assert code(ask("POST", sets, record)) == 409
    assert code(ask("POST", sets, {**record, "name": "acme.other."})) == 400
    assert [one["type"] for one in ask("GET", sets)[1]["rrsets"]] == ["NS", "SOA", "A"]
    assert code(ask("DELETE", f"{DNS}/managedZones/acme")) == 400
    stale = {"deletions": [{**record, "ttl": 60}]}
    assert code(ask("POST", f"{DNS}/managedZones/acme/changes", stale)) == 412
    _, change = ask("POST", f"{DNS}/managedZones/acme/changes", {"deletions": [record]})
    assert change["status"] == "pending"
    assert ask("GET", f"{DNS}/managedZones/acme/changes/{change['id']}")[1]["status"] == "done"
    assert code(ask("DELETE", f"{DNS}/managedZones/acme")) in (200, 204)


def test_a_network_has_one_policy_of_names(gcp: Fake) -> None:
    making.network()
    link = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/global/networks/acme"
    body = {"name": "acme", "enableLogging": True, "networks": [{"networkUrl": link}]}
    assert code(ask("POST", f"{DNS}/policies", body)) == 200
    assert code(ask("POST", f"{DNS}/policies", {**body, "name": "second"})) == 400
    assert code(ask("DELETE", f"{DNS}/policies/acme")) == 400


@pytest.mark.parametrize(
    ("verb", "url"),
    [
        ("GET", f"{LOGS}/logs"),
        ("GET", f"{IAM}/workloadIdentityPools?x=1"),
        ("GET", "sqladmin.googleapis.com/v1/projects/acme/instances"),
        ("GET", f"compute.googleapis.com/compute/v1/projects/{PROJECT}/global/interconnects"),
    ],
)
def test_what_is_not_modelled_is_never_answered_well(gcp: Fake, verb: str, url: str) -> None:
    assert code(ask(verb, url)) in (400, 501)

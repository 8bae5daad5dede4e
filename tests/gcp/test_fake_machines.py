"""The fake's machines, disks and snapshots: what is changed how, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import compute_v1

from tests.gcp import making
from tests.gcp.fake.running import Fake
from tests.gcp.fake.world import PROJECT
from tests.gcp.making import REGION, ZONE, done, found, instances, reason


def test_a_protected_machine_is_not_deleted(gcp: Fake) -> None:
    making.network()
    making.subnet()
    making.machine(deletion_protection=True)
    with pytest.raises(exceptions.BadRequest) as refused:
        instances().delete(project=PROJECT, zone=ZONE, instance="acme-1")
    assert reason(refused.value) == "invalidResourceUsage"
    done(_unprotect())
    done(instances().delete(project=PROJECT, zone=ZONE, instance="acme-1"))


def _unprotect() -> Any:
    request = {"project": PROJECT, "zone": ZONE, "resource": "acme-1", "deletion_protection": False}
    return instances().set_deletion_protection(request=request)


def test_labels_need_the_fingerprint_of_the_old_ones(machine: Fake) -> None:
    def put(fingerprint: str) -> Any:
        given = compute_v1.InstancesSetLabelsRequest(labels={"keeper": "acme"}, label_fingerprint=fingerprint)
        return instances().set_labels(
            project=PROJECT, zone=ZONE, instance="acme-1", instances_set_labels_request_resource=given
        )

    with pytest.raises(exceptions.PreconditionFailed):
        put("b2xk")
    done(put(found().label_fingerprint))
    assert dict(found().labels) == {"keeper": "acme"}
    listed = instances().list(request={"project": PROJECT, "zone": ZONE, "filter": "labels.keeper=acme"})
    assert [one.name for one in listed] == ["acme-1"]


def test_metadata_needs_the_fingerprint_and_takes_no_key_twice(machine: Fake) -> None:
    def put(*items: compute_v1.Items, fingerprint: str) -> Any:
        made = compute_v1.Metadata(items=list(items), fingerprint=fingerprint)
        return instances().set_metadata(project=PROJECT, zone=ZONE, instance="acme-1", metadata_resource=made)

    one = compute_v1.Items(key="enable-oslogin", value="TRUE")
    with pytest.raises(exceptions.PreconditionFailed):
        put(one, fingerprint="b2xk")
    with pytest.raises(exceptions.BadRequest):
        put(one, one, fingerprint=found().metadata.fingerprint)
    done(put(one, fingerprint=found().metadata.fingerprint))
    assert found().metadata.items[0].value == "TRUE"


def test_secure_boot_is_changed_on_a_stopped_machine_alone(machine: Fake) -> None:
    def put() -> Any:
        made = compute_v1.ShieldedInstanceConfig(enable_secure_boot=True)
        return instances().update_shielded_instance_config(
            project=PROJECT, zone=ZONE, instance="acme-1", shielded_instance_config_resource=made
        )

    with pytest.raises(exceptions.BadRequest):
        put()
    done(instances().stop(project=PROJECT, zone=ZONE, instance="acme-1"))
    done(put())
    assert found().shielded_instance_config.enable_secure_boot and found().shielded_instance_config.enable_vtpm


def test_a_disk_is_encrypted_by_a_key_that_the_agent_may_use(gcp: Fake) -> None:
    key = making.key()
    secret = compute_v1.CustomerEncryptionKey(kms_key_name=key)
    with pytest.raises(exceptions.BadRequest, match="useToEncrypt"):
        making.disk("acme-data", disk_encryption_key=secret)
    making.grant(key, making.COMPUTE_AGENT)
    making.disk("acme-data", disk_encryption_key=secret)
    made = compute_v1.DisksClient().get(project=PROJECT, zone=ZONE, disk="acme-data")
    assert made.disk_encryption_key.kms_key_name == f"{key}/cryptoKeyVersions/1"


def test_a_disk_of_another_region_s_key_is_refused(gcp: Fake) -> None:
    key = making.key(location="europe-west3")
    making.grant(key, making.COMPUTE_AGENT)
    with pytest.raises(exceptions.BadRequest, match="same region"):
        making.disk("acme-data", disk_encryption_key=compute_v1.CustomerEncryptionKey(kms_key_name=key))


def test_a_schedule_is_attached_once_and_stays_while_it_is(gcp: Fake) -> None:
    daily = compute_v1.ResourcePolicyDailyCycle(days_in_cycle=1, start_time="04:00")
    schedule = compute_v1.ResourcePolicySnapshotSchedulePolicySchedule(daily_schedule=daily)
    retention = compute_v1.ResourcePolicySnapshotSchedulePolicyRetentionPolicy(max_retention_days=35)
    policy = compute_v1.ResourcePolicySnapshotSchedulePolicy(schedule=schedule, retention_policy=retention)
    made = compute_v1.ResourcePolicy(name="daily", snapshot_schedule_policy=policy)
    policies = compute_v1.ResourcePoliciesClient()
    done(policies.insert(project=PROJECT, region=REGION, resource_policy_resource=made))
    making.disk("acme-data")
    link = f"projects/{PROJECT}/regions/{REGION}/resourcePolicies/daily"
    add = compute_v1.DisksAddResourcePoliciesRequest(resource_policies=[link])
    disks = compute_v1.DisksClient()
    done(
        disks.add_resource_policies(
            project=PROJECT, zone=ZONE, disk="acme-data", disks_add_resource_policies_request_resource=add
        )
    )
    assert disks.get(project=PROJECT, zone=ZONE, disk="acme-data").resource_policies[0].endswith(link)
    with pytest.raises(exceptions.BadRequest):
        policies.delete(project=PROJECT, region=REGION, resource_policy="daily")
    kept = policies.get(project=PROJECT, region=REGION, resource_policy="daily").snapshot_schedule_policy
    assert kept.retention_policy.on_source_disk_delete == "KEEP_AUTO_SNAPSHOTS"


def test_a_snapshot_makes_a_disk(gcp: Fake) -> None:
    making.disk("acme-data")
    source = f"zones/{ZONE}/disks/acme-data"
    shot = compute_v1.Snapshot(name="acme-1", source_disk=source)
    done(compute_v1.SnapshotsClient().insert(project=PROJECT, snapshot_resource=shot))
    done(compute_v1.DisksClient().delete(project=PROJECT, zone=ZONE, disk="acme-data"))
    assert compute_v1.SnapshotsClient().get(project=PROJECT, snapshot="acme-1").disk_size_gb == 100
    with pytest.raises(exceptions.BadRequest, match="smaller than 100"):
        small = compute_v1.Disk(name="acme-small", size_gb=50, source_snapshot="global/snapshots/acme-1")
        compute_v1.DisksClient().insert(project=PROJECT, zone=ZONE, disk_resource=small)


def test_an_address_is_reserved_before_a_machine_has_it_and_stays(gcp: Fake) -> None:
    making.network()
    making.subnet()
    config = compute_v1.AccessConfig(nat_i_p="203.0.113.1")
    made = making.instance()
    made.network_interfaces[0].access_configs = [config]
    with pytest.raises(exceptions.BadRequest, match="natIP"):
        instances().insert(project=PROJECT, zone=ZONE, instance_resource=made)
    addresses = compute_v1.AddressesClient()
    done(addresses.insert(project=PROJECT, region=REGION, address_resource=compute_v1.Address(name="acme")))
    done(instances().insert(project=PROJECT, zone=ZONE, instance_resource=made))
    kept = addresses.get(project=PROJECT, region=REGION, address="acme")
    assert (kept.address, kept.status, kept.users[0].rpartition("/")[2]) == ("203.0.113.1", "IN_USE", "acme-1")
    with pytest.raises(exceptions.BadRequest) as refused:
        addresses.delete(project=PROJECT, region=REGION, address="acme")
    assert reason(refused.value) == "resourceInUseByAnotherResource"

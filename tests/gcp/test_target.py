"""From an empty project to everything that is declared, and back."""

from __future__ import annotations

import json

import pytest

from hedgerow.deployment import Deployment
from hedgerow.errors import CallError
from hedgerow.targets.gcp.api import methods
from tests.gcp.fake.running import Fake
from tests.gcp.fake.world import NUMBER, PROJECT
from tests.gcp.project import actions, census, quiet, row, target


def called(fake: Fake) -> set[str]:
    """Return the methods that were called, by the names that this target has for them."""
    words = [one["method"].split(".") for one in fake.calls()]
    return {".".join((one[0], *one[-2:])) for one in words}


def test_a_plan_touches_nothing_and_an_install_twice_is_one_install(gcp: Fake) -> None:
    gcp.reset(new=True)
    empty = census(gcp)
    planned = actions(target())
    assert gcp.changing() == [] and census(gcp) == empty
    assert planned.pop("services/project") == planned.pop("log-bucket/_Default") == "change"
    assert set(planned.values()) == {"create"}
    assert "USD a month" in target().cost() and "prices of 2026-10-01" in target().cost()

    gcp.forget()
    target().provision(quiet)
    assert called(gcp) <= set(methods())
    there = census(gcp)
    assert (there["compute:instances"], there["compute:disks"], there["compute:routers"]) == (1, 2, 1)

    gcp.forget()
    target().provision(quiet)
    assert gcp.changing() == [], "a second install changes nothing"
    assert set(actions(target()).values()) == {"keep"}

    the_machine_is_as_hipaa_wants_it(gcp)
    drift_is_shown_and_put_back(gcp)

    gcp.forget()
    removed = {f"{one.kind}/{one.name}": one.action for one in target().destroy(quiet)}
    assert {name for name, action in removed.items() if action == "keep"} == {
        "services/project",
        "key-ring/main",
        "key-users/data",
        "key/records",
        "key-users/records",
        "bucket/backup",
        "bucket/records",
        "bucket-users/backup",
        "bucket-users/records",
        "log-bucket/_Default",
    }
    left = census(gcp)
    assert {name: left[name] for name in left if name.startswith(("compute:", "iam:"))} == {}
    state = gcp.state()["rows"]
    versions = {name: one["state"] for name, one in state.items() if "/cryptoKeyVersions/" in name}
    assert {one for name, one in versions.items() if "/data/" in name} == {"DESTROY_SCHEDULED"}
    assert {one for name, one in versions.items() if "/records/" in name} == {"ENABLED"}
    record = json.loads((Deployment("acme").root / "disposal.json").read_text())
    assert "instance" in {one["kind"] for one in record[0]["removed"]} and "30 days" in record[0]["notes"][0]
    assert NUMBER not in json.dumps(record)

    # A key that has ended gets a new version.
    target().provision(quiet)
    assert set(actions(target()).values()) == {"keep"}


def the_machine_is_as_hipaa_wants_it(fake: Fake) -> None:
    """Look at the machine with the project's own eyes."""
    machine = row(fake, "/instances/hedgerow-acme-analytics-1")
    (card,) = machine["networkInterfaces"]
    assert "accessConfigs" not in card or card["accessConfigs"] == []
    assert machine["deletionProtection"] and not machine["canIpForward"]
    assert set(machine["shieldedInstanceConfig"].values()) == {True}
    assert machine["labels"] == {"hedgerow-deployment": "acme"}
    said = {one["key"]: one["value"] for one in machine["metadata"]["items"]}
    assert (said["block-project-ssh-keys"], said["serial-port-enable"]) == ("TRUE", "FALSE")
    assert said["ssh-keys"].startswith("hedgerow:ssh-ed25519 ") and said["enable-oslogin"] == "FALSE"
    assert said["shutdown-script"] == "#!/bin/sh\n", "one of its own, so that the project's is not run"
    for name in ("root", "data"):
        disk = row(fake, f"/disks/hedgerow-acme-{name}")
        assert "/cryptoKeys/data/" in disk["diskEncryptionKey"]["kmsKeyName"] and len(disk["resourcePolicies"]) == 1
    subnet = row(fake, "/subnetworks/hedgerow-acme-main")
    assert subnet["privateIpGoogleAccess"] and subnet["logConfig"]["enable"]
    ssh, deny = (row(fake, f"/firewalls/hedgerow-acme-in-{name}") for name in ("ssh", "deny"))
    assert ssh["sourceRanges"] == ["35.235.240.0/20"]
    assert (deny["priority"], deny["denied"], deny["logConfig"]["enable"]) == (65534, [{"IPProtocol": "all"}], True)


def drift_is_shown_and_put_back(fake: Fake) -> None:
    """Break what can be broken, see each in the plan, and put it back."""
    google, machine = target().google, {"name": "hedgerow-acme-analytics-1"}
    main, data = {"name": "hedgerow-acme-main"}, {"ring": "hedgerow-acme", "name": "data"}
    shown = google.call("compute.instances.get", machine)
    extra = [{"key": "ssh-keys", "value": "eve:ssh-ed25519 AAAA"}, {"key": "startup-script-url", "value": "gs://eve/x"}]
    print_ = {"fingerprint": shown["metadata"]["fingerprint"], "items": extra}
    google.call("compute.instances.setMetadata", machine, body=print_)
    google.call("compute.instances.setDeletionProtection", machine, query={"deletionProtection": "false"})
    opened = {"name": "External NAT", "type": "ONE_TO_ONE_NAT"}
    google.call("compute.instances.addAccessConfig", machine, body=opened, query={"networkInterface": "nic0"})
    google.call("compute.instances.setScheduling", machine, body={"automaticRestart": False})
    google.call("compute.instances.stop", machine)
    weak = {"enableSecureBoot": False}
    google.call("compute.instances.updateShieldedInstanceConfig", machine, body=weak)
    google.call("compute.subnetworks.setPrivateIpGoogleAccess", main, body={"privateIpGoogleAccess": False})
    subnet = google.call("compute.subnetworks.get", main)
    off = {"logConfig": {"enable": False}, "fingerprint": subnet["fingerprint"]}
    google.call("compute.subnetworks.patch", main, body=off)
    for name, broken in (("in-ssh", {"sourceRanges": ["0.0.0.0/0"]}), ("in-deny", {"disabled": True})):
        named = {"name": f"hedgerow-acme-{name}"}
        google.call("compute.firewalls.patch", named, body=named | broken)
    rule = {
        "name": "somebody-elses",
        "network": f"projects/{PROJECT}/global/networks/hedgerow-acme-main",
        "allowed": [{"IPProtocol": "tcp", "ports": ["5432"]}],
    }
    google.call("compute.firewalls.insert", body=rule)
    google.call("compute.routers.patch", main, body={"nats": []})
    policy = {"bindings": [{"role": "roles/cloudkms.cryptoKeyDecrypter", "members": ["user:eve@acme.example"]}]}
    google.call("cloudkms.cryptoKeys.setIamPolicy", data, body={"policy": policy})
    rotation = {"updateMask": "rotationPeriod,nextRotationTime"}
    google.call("cloudkms.cryptoKeys.patch", data, body={}, query=rotation)
    differing = {f"{one.kind}/{one.name}": set(one.differs) for one in target().plan() if one.action != "keep"}
    assert differing == {
        "instance/analytics-1": {
            "metadata",
            "deletionProtection",
            "address",
            "scheduling",
            "running",
            "shieldedInstanceConfig",
        },
        "subnet/main": {"privateIpGoogleAccess", "logConfig"},
        "firewall/in-ssh": {"sourceRanges"},
        "firewall/in-deny": {"disabled"},
        "firewall-strangers/main": {"names"},
        "router/main": {"nats"},
        "key-users/data": {"bindings"},
        "key/data": {"rotationPeriod"},
    }
    target().provision(quiet)
    assert set(actions(target()).values()) == {"keep"}
    the_machine_is_as_hipaa_wants_it(fake)
    assert row(fake, "/instances/hedgerow-acme-analytics-1")["status"] == "RUNNING"


def test_a_public_machine_has_an_address_and_no_nat(gcp: Fake) -> None:
    target("public: true").provision(quiet)
    machine = row(gcp, "/instances/hedgerow-acme-analytics-1")
    address = row(gcp, "/addresses/hedgerow-acme-host")["address"]
    assert machine["networkInterfaces"][0]["accessConfigs"][0]["natIP"] == address
    assert row(gcp, "/firewalls/hedgerow-acme-in-ssh")["sourceRanges"] == ["198.51.100.7/32"]
    assert "compute:routers" not in census(gcp)
    assert target("public: true").host().proxy == ""
    # Private from now on: the address goes, the NAT comes.
    target().provision(quiet)
    assert set(actions(target()).values()) == {"keep"}
    assert census(gcp)["compute:routers"] == 1 and "compute:addresses" not in census(gcp)


def test_what_holds_data_is_never_replaced(gcp: Fake) -> None:
    target().provision(quiet)
    gcp.forget()
    for more in ("size: large", "data_gib: 400", "cidr: 10.99.0.0/20"):
        with pytest.raises(CallError, match="would have to be replaced"):
            target(more).provision(quiet)
    assert gcp.changing() == []


THEIRS = {
    "network hedgerow-acme-main": lambda google: google.call(
        "compute.networks.insert", body={"name": "hedgerow-acme-main", "autoCreateSubnetworks": False}
    ),
    f"account hedgerow-acme@{PROJECT}": lambda google: google.call(
        "iam.serviceAccounts.create", body={"accountId": "hedgerow-acme", "serviceAccount": {"displayName": "x"}}
    ),
    "key hedgerow-acme/cryptoKeys/data": lambda google: (
        google.call("cloudkms.keyRings.create", body={}, query={"keyRingId": "hedgerow-acme"}),
        google.call(
            "cloudkms.cryptoKeys.create",
            {"ring": "hedgerow-acme"},
            body={"purpose": "ENCRYPT_DECRYPT"},
            query={"cryptoKeyId": "data"},
        ),
    ),
}


@pytest.mark.parametrize("what", THEIRS)
def test_what_bears_our_name_and_not_our_mark_is_left_alone(what: str, gcp: Fake) -> None:
    THEIRS[what](target().google)
    gcp.forget()
    with pytest.raises(CallError, match=f"there is a {what}.* and it is not ours"):
        target().provision(quiet)
    assert gcp.changing() == []

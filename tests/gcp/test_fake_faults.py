"""What a test can let go wrong in the fake, who may ask it, and what it writes down."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.cloud import compute_v1

from tests.gcp import making
from tests.gcp.fake.running import Fake
from tests.gcp.fake.world import PROJECT
from tests.gcp.making import ask, done

NETWORKS = f"compute.googleapis.com/compute/v1/projects/{PROJECT}/global/networks"
NETWORK = {"name": "acme", "autoCreateSubnetworks": False}
INSERT = "compute.networks.insert"


def there(gcp: Fake) -> bool:
    """Tell whether the network is there."""
    return f"compute:projects/{PROJECT}/global/networks/acme" in gcp.state()["rows"]


@pytest.mark.parametrize(
    ("kind", "status", "made"),
    [
        ("unavailable", 503, False),
        ("denied", 403, False),
        ("quota", 403, False),
        ("exists", 409, True),
        ("cut", 403, True),
        ("faster", 409, True),
    ],
)
def test_a_fault_strikes_once(gcp: Fake, kind: str, status: int, *, made: bool) -> None:
    gcp.fault(INSERT, kind)
    assert ask("POST", NETWORKS, NETWORK)[0] == status
    assert there(gcp) is made
    assert ask("POST", NETWORKS, NETWORK)[0] == (409 if made else 200)
    assert [one["fault"] for one in gcp.calls()] == [kind, ""]


@pytest.mark.parametrize(
    ("kind", "word"), [("quota-late", "QUOTA_EXCEEDED"), ("fails-late", "ZONE_RESOURCE_POOL_EXHAUSTED")]
)
def test_an_operation_that_fails_late_leaves_nothing(gcp: Fake, kind: str, word: str) -> None:
    making.network()
    making.subnet()
    gcp.fault("compute.instances.insert", kind)
    made = making.instance()
    operation = compute_v1.InstancesClient().insert(project=PROJECT, zone=making.ZONE, instance_resource=made)
    with pytest.raises(exceptions.GoogleAPICallError):
        done(operation)
    assert operation.error_code in (403, 503)
    assert word in str(operation._extended_operation.error)
    assert not [name for name in gcp.state()["rows"] if "/instances/" in name or "/disks/" in name]
    making.machine()


def test_a_delete_that_fails_late_leaves_everything(gcp: Fake) -> None:
    making.network()
    gcp.fault("compute.networks.delete", "fails-late")
    with pytest.raises(exceptions.GoogleAPICallError):
        done(compute_v1.NetworksClient().delete(project=PROJECT, network="acme"))
    assert there(gcp)


def test_a_lost_answer_was_done_and_the_same_request_finds_it(gcp: Fake) -> None:
    gcp.fault(INSERT, "lost")
    url = f"{NETWORKS}?requestId={uuid.uuid4()}"
    with pytest.raises(requests.exceptions.ConnectionError):
        ask("POST", url, NETWORK)
    assert there(gcp)
    assert ask("POST", url, NETWORK)[0] == 200
    assert gcp.changing() == [INSERT, INSERT]


def test_what_another_made_is_not_the_same_request(gcp: Fake) -> None:
    gcp.fault(INSERT, "exists")
    url = f"{NETWORKS}?requestId={uuid.uuid4()}"
    assert [ask("POST", url, NETWORK)[0] for _ in range(2)] == [409, 409]


def test_a_fault_waits_for_its_turn(gcp: Fake) -> None:
    gcp.fault("compute.*.insert", "unavailable", after=1, times=2)
    found = [ask("POST", NETWORKS, {**NETWORK, "name": f"acme-{number}"})[0] for number in range(4)]
    assert found == [200, 503, 503, 200]


def test_a_fault_that_cannot_be_is_said(gcp: Fake) -> None:
    gcp.fault("cloudkms.*.create", "fails-late")
    with pytest.raises(exceptions.MethodNotImplemented):
        making.key()


def test_every_call_is_written_down_and_only_some_change_anything(gcp: Fake) -> None:
    making.network()
    list(compute_v1.NetworksClient().list(project=PROJECT))
    ask("POST", f"cloudresourcemanager.googleapis.com/v1/projects/{PROJECT}:getIamPolicy", {})
    assert gcp.changing() == [INSERT]
    assert [one["method"] for one in gcp.calls() if not one["changes"]][-2:] == [
        "compute.networks.list",
        "cloudresourcemanager.projects.getIamPolicy",
    ]
    gcp.forget()
    assert gcp.calls() == []
    assert there(gcp)


@pytest.mark.parametrize("header", [None, "Bearer nothing", "Basic abc"])
def test_who_is_not_known_is_refused(gcp: Fake, header: str | None) -> None:
    headers: dict[str, Any] = {"Authorization": header} if header else {}
    assert requests.get(f"https://{NETWORKS}", headers=headers, timeout=10).status_code == 401


def test_another_project_is_refused(gcp: Fake) -> None:
    with pytest.raises(exceptions.Forbidden):
        compute_v1.NetworksClient().get(project="someone-else", network="acme")
    url = "cloudresourcemanager.googleapis.com/v1/projects/someone-else"
    assert ask("GET", url)[0] == 403


def test_a_bad_request_id_and_an_unknown_parameter_are_refused(gcp: Fake) -> None:
    for query in ("requestId=00000000-0000-0000-0000-000000000000", "colour=blue"):
        assert ask("POST", f"{NETWORKS}?{query}", NETWORK)[0] == 400
    assert not there(gcp)

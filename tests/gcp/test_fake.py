"""The fake's Compute Engine, asked by Google's own client: what it makes, and what it refuses."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import compute_v1

from tests.gcp import making
from tests.gcp.fake.running import Fake
from tests.gcp.fake.world import PROJECT
from tests.gcp.making import NETWORK, REGION, ZONE, done, found, instances, reason

COMPUTE = f"compute.googleapis.com/compute/v1/projects/{PROJECT}"


def test_a_network_with_a_machine_costs_the_fake_half_a_second_at_most(gcp: Fake) -> None:
    making.network()
    making.subnet()
    for name in ("acme-ssh", "acme-web"):
        making.rule(name)
    nat = compute_v1.RouterNat(name="acme", source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES")
    router = compute_v1.Router(name="acme", network=NETWORK, nats=[nat])
    done(compute_v1.RoutersClient().insert(project=PROJECT, region=REGION, router_resource=router))
    making.disk("acme-data")
    making.machine()
    made = found()
    assert (made.status, made.network_interfaces[0].network_i_p) == ("RUNNING", "10.20.0.2")
    assert made.disks[0].source.endswith("/disks/acme-1")
    assert made.network_interfaces[0].network.endswith(NETWORK)
    assert len(gcp.changing()) == 7
    # Some 0.7 s on a machine that does nothing else; on a busy one only the fake's own part says anything.
    assert sum(one["seconds"] for one in gcp.calls()) < 0.5


def test_what_google_fills_in_is_read_back(machine: Fake) -> None:
    making.rule("acme-ssh")
    rule = compute_v1.FirewallsClient().get(project=PROJECT, firewall="acme-ssh")
    subnet = compute_v1.SubnetworksClient().get(project=PROJECT, region=REGION, subnetwork="acme")
    made = found()
    assert (rule.direction, rule.priority, list(rule.source_ranges)) == ("INGRESS", 1000, ["0.0.0.0/0"])
    assert (subnet.gateway_address, subnet.log_config.enable) == ("10.20.0.1", False)
    assert made.shielded_instance_config.enable_vtpm and not made.shielded_instance_config.enable_secure_boot
    routes = compute_v1.RoutesClient().list(project=PROJECT)
    assert [one.dest_range for one in routes] == ["0.0.0.0/0"]


NAT_OF_NONE = {"natIpAllocateOption": "MANUAL_ONLY", "name": "acme", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS"}
REFUSED = {
    "a field that there is not": ("global/networks", {"name": "n", "colour": "blue"}, 400, "badRequest"),
    "a wrong type": ("global/networks", {"name": "n", "autoCreateSubnetworks": "no"}, 400, "invalid"),
    "a bad name": ("global/networks", {"name": "Big", "autoCreateSubnetworks": False}, 400, "invalid"),
    "a name too long": ("global/networks", {"name": "n" * 64, "autoCreateSubnetworks": False}, 400, "invalid"),
    "no name": ("global/networks", {"autoCreateSubnetworks": False}, 400, "required"),
    "a bad enum": ("global/firewalls", {"name": "f", "network": NETWORK, "direction": "UP"}, 400, "invalid"),
    "neither allowed nor denied": ("global/firewalls", {"name": "f", "network": NETWORK}, 400, "invalid"),
    "sources of an egress rule": (
        "global/firewalls",
        {
            "name": "f",
            "network": NETWORK,
            "direction": "EGRESS",
            "sourceRanges": ["10.0.0.0/8"],
            "denied": [{"IPProtocol": "all"}],
        },
        400,
        "invalid",
    ),
    "ports of ICMP": (
        "global/firewalls",
        {"name": "f", "network": NETWORK, "allowed": [{"IPProtocol": "icmp", "ports": ["1"]}]},
        400,
        "invalid",
    ),
    "a network that there is not": (
        f"regions/{REGION}/subnetworks",
        {"name": "s", "network": "global/networks/other", "ipCidrRange": "10.0.0.0/24"},
        404,
        "notFound",
    ),
    "a range that is taken": (
        f"regions/{REGION}/subnetworks",
        {"name": "s", "network": NETWORK, "ipCidrRange": "10.20.0.128/25"},
        400,
        "invalid",
    ),
    "a name that is taken": ("global/networks", {"name": "acme", "autoCreateSubnetworks": False}, 409, "alreadyExists"),
    "a NAT of no addresses": (
        f"regions/{REGION}/routers",
        {"name": "r", "network": NETWORK, "nats": [NAT_OF_NONE]},
        400,
        "invalid",
    ),
    "a label with capitals": (f"zones/{ZONE}/disks", {"name": "d", "labels": {"a": "B"}}, 400, "invalid"),
    "a number that is none": (f"zones/{ZONE}/disks", {"name": "d", "sizeGb": "many"}, 400, "invalid"),
    "a disk of no size": (f"zones/{ZONE}/disks", {"name": "d", "sizeGb": 1}, 400, "invalid"),
    "a key that there is not": (
        f"zones/{ZONE}/disks",
        {"name": "d", "diskEncryptionKey": {"kmsKeyName": "projects/x/locations/global/keyRings/a/cryptoKeys/b"}},
        400,
        "kmsPermissionDenied",
    ),
    "a schedule off the hour": (
        f"regions/{REGION}/resourcePolicies",
        {
            "name": "p",
            "snapshotSchedulePolicy": {"schedule": {"dailySchedule": {"daysInCycle": 1, "startTime": "04:30"}}},
        },
        400,
        "invalid",
    ),
    "what the fake does not model": ("global/httpHealthChecks", {"name": "h"}, 501, "notImplemented"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_google_refuses_is_refused_and_nothing_is_made(gcp: Fake, name: str) -> None:
    where, body, status, word = REFUSED[name]
    making.network()
    making.subnet()
    before = gcp.state()
    got, answer = making.ask("POST", f"{COMPUTE}/{where}", body)
    assert (got, answer["error"]["errors"][0]["reason"]) == (status, word), answer
    assert gcp.state() == before


def test_output_only_fields_are_taken_and_forgotten(gcp: Fake) -> None:
    body = {
        "name": "acme",
        "autoCreateSubnetworks": False,
        "id": "7",
        "selfLink": "elsewhere",
        "gatewayIPv4": "10.0.0.1",
    }
    status, _ = making.ask("POST", f"{COMPUTE}/global/networks", body)
    row = gcp.state()["rows"][f"compute:projects/{PROJECT}/global/networks/acme"]
    assert status == 200
    assert row["id"] != "7" and row["selfLink"].endswith(NETWORK) and "gatewayIPv4" not in row


def test_an_operation_is_done_when_it_was_asked_after(gcp: Fake) -> None:
    gcp.reset(polls=3)
    made = compute_v1.Network(name="acme", auto_create_subnetworks=False)
    begun = compute_v1.NetworksClient().insert_unary(project=PROJECT, network_resource=made)
    states = [
        compute_v1.GlobalOperationsClient().get(project=PROJECT, operation=begun.name).status.name for _ in range(3)
    ]
    assert (begun.status.name, states) == ("PENDING", ["RUNNING", "RUNNING", "DONE"])


def test_what_is_being_made_cannot_be_built_on(gcp: Fake) -> None:
    gcp.reset(polls=9)
    made = compute_v1.Network(name="acme", auto_create_subnetworks=False)
    compute_v1.NetworksClient().insert_unary(project=PROJECT, network_resource=made)
    with pytest.raises(exceptions.BadRequest) as refused:
        making.subnet()
    assert reason(refused.value) == "resourceNotReady"
    time.sleep(2.2)
    making.rule("acme-late")


def test_the_same_request_makes_one_network(gcp: Fake) -> None:
    made = compute_v1.Network(name="acme", auto_create_subnetworks=False)
    request = {"project": PROJECT, "network_resource": made, "request_id": str(uuid.uuid4())}
    first, second = (compute_v1.NetworksClient().insert_unary(request=request) for _ in range(2))
    assert first.name == second.name
    with pytest.raises(exceptions.Conflict):
        making.network()
    with pytest.raises(exceptions.BadRequest):
        compute_v1.NetworksClient().insert_unary(request={**request, "request_id": "not-one"})


IN_USE: dict[str, Callable[[], Any]] = {
    "network": lambda: compute_v1.NetworksClient().delete(project=PROJECT, network="acme"),
    "subnetwork": lambda: compute_v1.SubnetworksClient().delete(project=PROJECT, region=REGION, subnetwork="acme"),
    "disk": lambda: compute_v1.DisksClient().delete(project=PROJECT, zone=ZONE, disk="acme-1"),
}


@pytest.mark.parametrize("kind", IN_USE)
def test_what_is_in_use_stays(machine: Fake, kind: str) -> None:
    with pytest.raises(exceptions.BadRequest) as refused:
        IN_USE[kind]()
    assert reason(refused.value) == "resourceInUseByAnotherResource"
    assert f"The {kind} resource" in refused.value.message


def test_everything_goes_in_order(machine: Fake) -> None:
    done(instances().delete(project=PROJECT, zone=ZONE, instance="acme-1"))
    done(IN_USE["subnetwork"]())
    done(IN_USE["network"]())
    assert [name for name in machine.state()["rows"] if name.startswith("compute:")] == []


def test_an_old_fingerprint_changes_nothing(machine: Fake) -> None:
    subnets = compute_v1.SubnetworksClient()
    before = subnets.get(project=PROJECT, region=REGION, subnetwork="acme")
    private = compute_v1.Subnetwork(private_ip_google_access=True, fingerprint=before.fingerprint)
    done(subnets.patch(project=PROJECT, region=REGION, subnetwork="acme", subnetwork_resource=private))
    assert subnets.get(project=PROJECT, region=REGION, subnetwork="acme").private_ip_google_access
    for stale in (private, compute_v1.Subnetwork(private_ip_google_access=False)):
        with pytest.raises(exceptions.PreconditionFailed) as refused:
            subnets.patch(project=PROJECT, region=REGION, subnetwork="acme", subnetwork_resource=stale)
        assert reason(refused.value) == "conditionNotMet"


def test_images_are_found_by_family(gcp: Fake) -> None:
    images = compute_v1.ImagesClient()
    names = [
        images.get_from_family(project=project, family=family).name
        for project, family in (("debian-cloud", "debian-13"), ("ubuntu-os-cloud", "ubuntu-2404-lts-amd64"))
    ]
    assert names[0].startswith("debian-13-trixie-v") and names[1].startswith("ubuntu-2404-noble-amd64-v")
    with pytest.raises(exceptions.NotFound):
        images.get_from_family(project="debian-cloud", family="debian-99")


def test_everything_is_listed_by_place_and_in_pages(machine: Fake) -> None:
    making.machine("acme-2")
    places = dict(instances().aggregated_list(project=PROJECT))
    assert [one.name for one in places[f"zones/{ZONE}"].instances] == ["acme-1", "acme-2"]
    assert places["zones/us-east1-b"].warning.code == "NO_RESULTS_ON_PAGE"
    pages = instances().list(request={"project": PROJECT, "zone": ZONE, "max_results": 1}).pages
    assert [[one.name for one in page.items] for page in pages] == [["acme-1"], ["acme-2"]]
    with pytest.raises(exceptions.MethodNotImplemented):
        list(instances().list(request={"project": PROJECT, "zone": ZONE, "filter": "name eq acme.*"}))

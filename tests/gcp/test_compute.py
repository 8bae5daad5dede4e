"""The fake's Compute Engine, asked by Google's own client."""

from __future__ import annotations

import time
from typing import Any

from google.api_core import retry
from google.cloud import compute_v1

from tests.gcp.fake.running import Fake
from tests.gcp.fake.world import PROJECT

REGION, ZONE = "us-central1", "us-central1-a"
NETWORK, SUBNET = "global/networks/acme", f"regions/{REGION}/subnetworks/acme"
DEBIAN = "projects/debian-cloud/global/images/family/debian-13"
SOON = retry.Retry(initial=0.01, maximum=0.05)


def done(operation: Any) -> Any:
    """Wait for an operation, without the second that the client's own pace costs."""
    return operation.result(polling=SOON)


def network() -> None:
    made = compute_v1.Network(name="acme", auto_create_subnetworks=False)
    done(compute_v1.NetworksClient().insert(project=PROJECT, network_resource=made))


def subnet() -> None:
    made = compute_v1.Subnetwork(name="acme", network=NETWORK, ip_cidr_range="10.20.0.0/24")
    done(compute_v1.SubnetworksClient().insert(project=PROJECT, region=REGION, subnetwork_resource=made))


def instance(**more: Any) -> compute_v1.Instance:
    boot = compute_v1.AttachedDisk(
        boot=True,
        auto_delete=True,
        initialize_params=compute_v1.AttachedDiskInitializeParams(source_image=DEBIAN, disk_size_gb=20),
    )
    return compute_v1.Instance(
        name="acme-1",
        machine_type=f"zones/{ZONE}/machineTypes/e2-standard-4",
        disks=[boot],
        network_interfaces=[compute_v1.NetworkInterface(subnetwork=SUBNET)],
        **more,
    )


def machine(**more: Any) -> None:
    done(compute_v1.InstancesClient().insert(project=PROJECT, zone=ZONE, instance_resource=instance(**more)))


def firewall(name: str, **more: Any) -> compute_v1.Firewall:
    allowed = [compute_v1.Allowed(I_p_protocol="tcp", ports=["22"])]
    return compute_v1.Firewall(name=name, network=NETWORK, allowed=allowed, **more)


def test_a_network_with_a_machine_is_made_in_less_than_two_seconds(gcp: Fake) -> None:
    began = time.monotonic()
    network()
    subnet()
    for name in ("acme-ssh", "acme-web"):
        done(compute_v1.FirewallsClient().insert(project=PROJECT, firewall_resource=firewall(name)))
    nat = compute_v1.RouterNat(name="acme", source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES")
    router = compute_v1.Router(name="acme", network=NETWORK, nats=[nat])
    done(compute_v1.RoutersClient().insert(project=PROJECT, region=REGION, router_resource=router))
    disk = compute_v1.Disk(name="acme-data", size_gb=100, type_=f"zones/{ZONE}/diskTypes/pd-balanced")
    done(compute_v1.DisksClient().insert(project=PROJECT, zone=ZONE, disk_resource=disk))
    machine()
    took = time.monotonic() - began
    found = compute_v1.InstancesClient().get(project=PROJECT, zone=ZONE, instance="acme-1")
    assert (found.status, found.network_interfaces[0].network_i_p) == ("RUNNING", "10.20.0.2")
    assert found.disks[0].source.endswith("/disks/acme-1")
    assert found.network_interfaces[0].network.endswith(NETWORK)
    assert took < 2, took

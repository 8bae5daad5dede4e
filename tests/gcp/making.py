"""What tests of the fake make: a network, a subnet, a key, a machine, with Google's own clients."""

from __future__ import annotations

from functools import cache
from typing import Any

import google.auth
from google.api_core import exceptions, retry
from google.api_core.future import polling
from google.auth.transport.requests import AuthorizedSession
from google.cloud import compute_v1, kms_v1, storage

from tests.gcp.fake.world import NUMBER, PROJECT

REGION, ZONE = "us-central1", "us-central1-a"
NETWORK, SUBNET = "global/networks/acme", f"regions/{REGION}/subnetworks/acme"
DEBIAN = "projects/debian-cloud/global/images/family/debian-13"
COMPUTE_AGENT = f"serviceAccount:service-{NUMBER}@compute-system.iam.gserviceaccount.com"
SOON = retry.Retry(polling.RETRY_PREDICATE, initial=0.01, maximum=0.05, timeout=20)


def done(operation: Any) -> Any:
    """Wait for an operation, without the second that the client's own pace costs."""
    return operation.result(polling=SOON)


def network() -> None:
    """Make the network."""
    made = compute_v1.Network(name="acme", auto_create_subnetworks=False)
    done(compute_v1.NetworksClient().insert(project=PROJECT, network_resource=made))


def subnet(name: str = "acme", cidr: str = "10.20.0.0/24") -> None:
    """Make a subnet in it."""
    made = compute_v1.Subnetwork(name=name, network=NETWORK, ip_cidr_range=cidr)
    done(compute_v1.SubnetworksClient().insert(project=PROJECT, region=REGION, subnetwork_resource=made))


def firewall(name: str, **more: Any) -> compute_v1.Firewall:
    """Return a rule that lets SSH in."""
    allowed = [compute_v1.Allowed(I_p_protocol="tcp", ports=["22"])]
    return compute_v1.Firewall(name=name, network=NETWORK, **{"allowed": allowed, **more})


def rule(name: str, **more: Any) -> Any:
    """Make it."""
    made = firewall(name, **more)
    return done(compute_v1.FirewallsClient().insert(project=PROJECT, firewall_resource=made))


def disk(name: str, **more: Any) -> None:
    """Make a disk of 100 GB."""
    made = compute_v1.Disk(name=name, size_gb=100, type_=f"zones/{ZONE}/diskTypes/pd-balanced", **more)
    done(compute_v1.DisksClient().insert(project=PROJECT, zone=ZONE, disk_resource=made))


def instance(name: str = "acme-1", **more: Any) -> compute_v1.Instance:
    """Return a machine of Debian on the subnet."""
    first = compute_v1.AttachedDiskInitializeParams(source_image=DEBIAN, disk_size_gb=20)
    return compute_v1.Instance(
        name=name,
        machine_type=f"zones/{ZONE}/machineTypes/e2-standard-4",
        disks=[compute_v1.AttachedDisk(boot=True, auto_delete=True, initialize_params=first)],
        network_interfaces=[compute_v1.NetworkInterface(subnetwork=SUBNET)],
        **more,
    )


def machine(name: str = "acme-1", **more: Any) -> None:
    """Make it."""
    made = instance(name, **more)
    done(compute_v1.InstancesClient().insert(project=PROJECT, zone=ZONE, instance_resource=made))


@cache
def keys() -> kms_v1.KeyManagementServiceClient:
    """Return a client of KMS."""
    return kms_v1.KeyManagementServiceClient(transport="rest")


def key(name: str = "acme", location: str = REGION) -> str:
    """Make a ring and a key in it, and return the key's name."""
    ring = keys().create_key_ring(
        parent=f"projects/{PROJECT}/locations/{location}", key_ring_id=name, key_ring=kms_v1.KeyRing()
    )
    purpose = kms_v1.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT
    made = keys().create_crypto_key(parent=ring.name, crypto_key_id=name, crypto_key=kms_v1.CryptoKey(purpose=purpose))
    return str(made.name)


def grant(name: str, member: str) -> None:
    """Let somebody use a key."""
    policy = keys().get_iam_policy(request={"resource": name})
    policy.bindings.add(role="roles/cloudkms.cryptoKeyEncrypterDecrypter", members=[member])
    keys().set_iam_policy(request={"resource": name, "policy": policy})


def bucket(name: str = "acme-backup", **more: Any) -> storage.Bucket:
    """Make a bucket, with these of its properties."""
    made = storage.Client().bucket(name)
    for field, value in more.items():
        setattr(made, field, value)
    storage.Client().create_bucket(made, location="us-central1")
    return storage.Client().get_bucket(name)


@cache
def session() -> AuthorizedSession:
    """Return a session for services that are asked without a client of their own."""
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    return AuthorizedSession(credentials)


def ask(verb: str, url: str, body: Any = None) -> tuple[int, Any]:
    """Ask, and return the status and the answer."""
    answer = session().request(verb, f"https://{url}", json=body)
    return answer.status_code, answer.json() if answer.content else None


def reason(refused: exceptions.GoogleAPICallError) -> str:
    """Return the word that Google has for a refusal."""
    return str(refused.errors[0]["reason"])


def instances() -> compute_v1.InstancesClient:
    """Return a client of machines."""
    return compute_v1.InstancesClient()


def found(name: str = "acme-1") -> compute_v1.Instance:
    """Return a machine as it is."""
    return instances().get(project=PROJECT, zone=ZONE, instance=name)

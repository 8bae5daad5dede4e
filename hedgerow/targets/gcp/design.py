"""From what is declared to the resources that are wanted. Pure: a declaration and a place in, a graph out.

Names tell where everything is, so that little has to be looked up: `Ref`s stand for what Google alone decides.
"""

from __future__ import annotations

from hedgerow.targets.cloud.graph import Ref, Resource
from hedgerow.targets.gcp import design_front, design_machine, design_network, design_records, design_watching
from hedgerow.targets.gcp.place import Place, Wanted

SERVICES = "services/project"
ENABLED = (*("cloudkms", "cloudresourcemanager", "compute", "dns", "iam", "iap", "logging", "monitoring", "storage"),)
USES = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
ROTATION = "7776000s"
"""90 days (CIS Google Cloud Platform Foundation, "KMS encryption keys are rotated within a period of 90 days")."""


def resources(wanted: Wanted, place: Place) -> tuple[Resource, ...]:
    """Return every resource that any declaration could want; those that this one does not are `absent`."""
    first = [
        Resource(
            "services",
            "project",
            {"enabled": sorted(f"{name}.googleapis.com" for name in ENABLED)},
            kept="other things of the project may use them",
        ),
        *_keys(),
        Resource("account", "host", {"enabled": True}, needs=(SERVICES,), given={"email": place.email}),
    ]
    return (
        *first,
        *design_records.buckets(wanted, place),
        *design_records.records(wanted, place),
        *design_network.network(wanted, place),
        *design_machine.machine(wanted, place),
        *design_front.front(wanted, place),
        *design_watching.names(wanted, place),
        *design_watching.alerts(wanted),
    )


def _keys() -> list[Resource]:
    """Two keys: disks end with the deployment, and their key with them; records must stay readable."""
    return [
        Resource("key-ring", "main", {}, needs=(SERVICES,), kept="Google removes no ring of keys"),
        _key("data"),
        _users("data", "compute_agent"),
        _key("records", kept="without it nobody could read the records that are kept"),
        _users("records", "storage_agent", "storage.serviceAccount.get"),
    ]


def _key(name: str, kept: str = "") -> Resource:
    return Resource(
        "key",
        name,
        {"purpose": "ENCRYPT_DECRYPT", "rotationPeriod": ROTATION},
        needs=("key-ring/main",),
        fixed=frozenset({"purpose"}),
        kept=kept,
        holds_data=True,
    )


def _users(name: str, agent: str, *asking: str) -> Resource:
    """Only one of Google's own agents may use a key; `asking` is what makes the agent where it is not there yet."""
    return Resource(
        "key-users",
        name,
        {"bindings": {USES: [Ref(SERVICES, agent)]}},
        needs=(f"key/{name}",),
        given={"agents": list(asking)},
        kept="it lies on a key, and Google removes no key",
    )

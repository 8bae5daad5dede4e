"""From what is declared to the resources that are wanted. Pure: a declaration and a place in, a graph out.

Names tell where everything is, so that little has to be looked up: `Ref`s stand for what Google alone decides.
"""

from __future__ import annotations

from hedgerow.targets.cloud.graph import Ref, Resource
from hedgerow.targets.gcp import design_machine, design_network
from hedgerow.targets.gcp.place import Place, Wanted

SERVICES = "services/project"
ENABLED = ("cloudkms", "compute", "iam", "iap")
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
    return (*first, *design_network.network(wanted, place), *design_machine.machine(wanted, place))


def _keys() -> list[Resource]:
    """The key of the disks ends with the deployment, and what was on them with it."""
    return [
        Resource("key-ring", "main", {}, needs=(SERVICES,), kept="Google removes no ring of keys"),
        Resource(
            "key",
            "data",
            {"purpose": "ENCRYPT_DECRYPT", "rotationPeriod": ROTATION},
            needs=("key-ring/main",),
            fixed=frozenset({"purpose"}),
            holds_data=True,
        ),
        Resource(
            "key-users",
            "data",
            {"bindings": {USES: [Ref(SERVICES, "compute_agent")]}},
            needs=("key/data",),
            given={"agents": []},
            kept="it lies on a key, and Google removes no key",
        ),
    ]

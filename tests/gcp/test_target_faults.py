"""Something goes wrong at any call that changes something: the next run ends in the same state, and nothing is doubled.

`make test` takes a few, `make test-faults` all of them.
"""

from __future__ import annotations

import os

import pytest

from hedgerow.errors import UnreachableError
from tests.gcp.fake.running import Fake
from tests.gcp.project import actions, census, quiet, target
from tests.gcp.test_target_watching import WATCHED, zone

KEYS = "cloudkms.projects.locations.keyRings"
MADE = {
    "compute.addresses.insert",
    "compute.disks.insert",
    "compute.firewalls.insert",
    "compute.instances.insert",
    "compute.networks.insert",
    "compute.resourcePolicies.insert",
    "compute.subnetworks.insert",
    "iam.projects.serviceAccounts.create",
    "serviceusage.services.batchEnable",
    f"{KEYS}.create",
    f"{KEYS}.cryptoKeys.create",
    f"{KEYS}.cryptoKeys.setIamPolicy",
    "cloudresourcemanager.projects.setIamPolicy",
    "logging.projects.locations.buckets.patch",
    "dns.policies.create",
    "dns.changes.create",
    "logging.projects.sinks.create",
    "monitoring.projects.alertPolicies.create",
    "monitoring.projects.notificationChannels.create",
    "storage.buckets.insert",
    "storage.buckets.lockRetentionPolicy",
    "storage.buckets.setIamPolicy",
}
PRIVATE = {"compute.routers.insert"}
ENDED = {
    "compute.addresses.delete",
    "compute.disks.delete",
    "compute.firewalls.delete",
    "compute.instances.delete",
    "compute.instances.setDeletionProtection",
    "compute.networks.delete",
    "compute.resourcePolicies.delete",
    "compute.subnetworks.delete",
    "iam.projects.serviceAccounts.delete",
    f"{KEYS}.cryptoKeys.cryptoKeyVersions.destroy",
    f"{KEYS}.cryptoKeys.patch",
    "dns.policies.delete",
    "dns.policies.patch",
    "dns.changes.create",
    "logging.projects.sinks.delete",
    "monitoring.projects.alertPolicies.delete",
    "monitoring.projects.notificationChannels.delete",
}
ENDED_PRIVATE = {"compute.routers.delete"}
HEALED = ("unavailable", "lost")
"""What is tried again at once, and does not end a run."""
LATE = ("quota-late", "fails-late")
PUBLIC = f"public: true, lock: true, audit: true, {WATCHED}"
"""A declaration with everything that any can have but a NAT."""
OPERATED = ("compute.", "serviceusage.")
"""Compute and Service Usage refuse a quota with 403; the others ask to come back (429), which is done."""


def healed(name: str, kind: str) -> bool:
    """Tell whether a fault at a call is got over within the same run."""
    return kind in HEALED or (kind == "quota" and not name.startswith(OPERATED))


def cases(names: set[str], kinds: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return each kind of fault at each call; only Compute and Service Usage have operations that fail."""
    return sorted((name, kind) for name in names for kind in kinds if kind not in LATE or name.startswith(OPERATED))


MAKING = cases(MADE | PRIVATE, (*HEALED, "quota", "exists", *LATE))
ENDING = cases(ENDED | ENDED_PRIVATE, (*HEALED, "quota", *LATE))
ALL = os.environ.get("HEDGEROW_FAULTS") == "all"
SAMPLE = [("compute.instances.insert", kind) for kind in ("lost", "exists", "fails-late")]
EXPECTED: dict[str, tuple[dict[str, int], set[str]]] = {}
"""What one undisturbed install leads to, by declaration."""


def more_of(name: str) -> str:
    """Return the declaration in which a call happens: a NAT is a private machine's, an address a public one's."""
    return "" if ".routers." in name else PUBLIC


def state(fake: Fake, more: str) -> tuple[dict[str, int], set[str]]:
    """Return what is there, and what is still to be done."""
    counted = {name: number for name, number in census(fake).items() if not name.startswith("serviceusage")}
    return counted, set(actions(target(more)).values())


@pytest.mark.parametrize(("name", "kind"), MAKING if ALL else SAMPLE)
def test_an_install_that_failed_is_finished_by_the_next(name: str, kind: str, gcp: Fake) -> None:
    more = more_of(name)
    zone()
    if more not in EXPECTED:
        target(more).provision(quiet)
        EXPECTED[more] = state(gcp, more)
        gcp.reset()
        zone()
    gcp.fault(name, kind)
    if kind in HEALED:
        target(more).provision(quiet)
    else:
        try:
            target(more).provision(quiet)
        except UnreachableError as error:
            assert error.exit_code == 3 and error.fix
        target(more).provision(quiet)
    assert kind in {one["fault"] for one in gcp.calls()}, "the fault struck"
    assert state(gcp, more) == EXPECTED[more]


@pytest.mark.parametrize(("name", "kind"), ENDING if ALL else [("compute.instances.delete", "fails-late")])
def test_a_destroy_that_failed_is_finished_by_the_next(name: str, kind: str, gcp: Fake) -> None:
    more = more_of(name)
    zone()
    target(more).provision(quiet)
    gcp.fault(name, kind)
    if healed(name, kind):
        target(more).destroy(quiet)
    else:
        with pytest.raises(UnreachableError, match="could not be removed"):
            target(more).destroy(quiet)
        target(more).destroy(quiet)
    assert not [one for one in census(gcp) if one.startswith(("compute:", "iam:"))]


def test_every_call_that_changes_something_is_among_these(gcp: Fake) -> None:
    for more, made, ended in ((PUBLIC, MADE, ENDED), ("", PRIVATE, ENDED_PRIVATE)):
        gcp.reset()
        zone()
        gcp.forget()
        target(more).provision(quiet)
        assert made <= set(gcp.changing()) <= MADE | PRIVATE
        gcp.forget()
        target(more).destroy(quiet)
        assert ended <= set(gcp.changing()) <= ENDED | ENDED_PRIVATE

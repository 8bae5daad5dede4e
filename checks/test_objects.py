"""Object storage: its doors as its own host finds them; what each service may do there, asked from where it runs."""

from __future__ import annotations

import json

import pytest

from checks import in_containers
from checks.in_containers import INSIDE
from checks.on_host import program
from checks.tls import CA
from hedgerow.checking import CouldNotAsk, NotExercised
from hedgerow.sheet import Sheet

STORE = "seaweedfs"
PORT = 8333
# S3's neighbour, by which keys could be made. It is open for others where the real one runs, and shut to all of them.
OWN_PROTOCOL = 18333
BUCKETS = ("posthog", "recordings")
ALL = {"Read", "Write", "List"}
MAY: dict[str, dict[str, set[str]]] = {
    "hedgerow-web": {"posthog": ALL},
    "hedgerow-worker": {"posthog": ALL},
    "hedgerow-temporal-django-worker": {"posthog": ALL},
    "hedgerow-cymbal": {"posthog": {"Read", "Write"}},
    "hedgerow-ingestion-sessionreplay": {"recordings": {"Read", "Write"}},
    "hedgerow-recording-api": {"recordings": {"Read"}},
}
# Upstream's compose file and posthog/settings/object_storage.py.
PUBLISHED = (("any", "any"), ("object_storage_root_user", "object_storage_root_password"))
REFUSED = (401, 403)
GRANTED = (200, 204, 206, 404)


def clients(sheet: Sheet) -> str:
    """Return the question what object storage lets each of this host's services do."""
    places = {
        f"hedgerow-{service}": (address, port)
        for service, store, address, port in sheet.declared.hops
        if store == STORE
    }
    return program("keepers", json.dumps(places), f"{STORE}.{INSIDE}", CA, json.dumps(BUCKETS), json.dumps(PUBLISHED))


ASK_AHEAD = (in_containers.question, clients)


@pytest.mark.control("objects.tls-only")
def test_nothing_is_said_in_the_clear(finding, host, sheet):
    found = in_containers.answer(finding, host, sheet, STORE)
    in_containers.assert_tls_only(finding, found, {PORT, OWN_PROTOCOL})


@pytest.mark.control("objects.certificate")
def test_the_certificate_proves_the_name(finding, host, sheet):
    in_containers.assert_certificate(finding, in_containers.answer(finding, host, sheet, STORE), f"{STORE}.{INSIDE}")


@pytest.mark.control("objects.least-privilege")
def test_each_service_has_its_bucket_and_nobody_else_anything(finding, host, sheet):
    finding.expect("refused: nobody, a wrong secret, keys that upstream publishes, other services' buckets")
    if not any(store == STORE for _, store, _, _ in sheet.declared.hops):
        raise NotExercised("no service of this host uses object storage")
    found = json.loads(finding.ask(host, clients(sheet)).stdout)
    finding.observe(f"asked from {', '.join(found) or 'no container'}")
    let_in = [
        f"{name}: {who}"
        for name, each in found.items()
        for who, (status, _) in each["strangers"].items()
        if status not in (0, *REFUSED)
    ]
    asked = [
        (name, bucket, action, status)
        for name, each in found.items()
        for bucket, actions in each["may"].items()
        for action, (status, _) in actions.items()
    ]
    wide = [
        f"{name}: {action} {bucket}"
        for name, bucket, action, status in asked
        if status not in (0, *REFUSED) and action not in MAY.get(name, {}).get(bucket, set())
    ]
    finding.observe(f"let in {let_in or 'nobody'}; beyond its bucket {wide or 'nothing'}")
    assert not let_in, f"let in: {', '.join(let_in)}"
    assert not wide, f"beyond its bucket: {', '.join(wide)}"
    deaf = [f"{name}: {action} {bucket}: {status}" for name, bucket, action, status in asked if not status]
    deaf += [f"{name}: has no key" for name, each in found.items() if not each["key"]]
    if deaf or not found:
        raise CouldNotAsk(f"no answer: {'; '.join(deaf) or 'no client runs'}")
    shut = [
        f"{name}: {action} {bucket}: {status}"
        for name, bucket, action, status in asked
        if status not in GRANTED and action in MAY.get(name, {}).get(bucket, set())
    ]
    assert not shut, f"closed to a service that needs it: {', '.join(shut)}"

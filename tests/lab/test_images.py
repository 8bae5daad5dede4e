"""Images that come in one file to a host without a way out: locked from a registry, saved, loaded, run."""

from __future__ import annotations

import platform
from collections.abc import Iterator

import pytest

from hedgerow import flow, prerequisites, stand_in
from hedgerow.console import Reporter
from hedgerow.image_lock import NAME, ImageLock
from hedgerow.oci.archive import Archive
from hedgerow.oci.references import reference
from tests import registries
from tests.conftest import Lab

pytestmark = pytest.mark.lab
# New connections of the host's own to anywhere but its peers and its containers: no registry, no mirror, no names.
CUT = """
nft add table inet cut
nft 'add chain inet cut out { type filter hook output priority -300; }'
nft 'add rule inet cut out ct direction original ip daddr != { 127.0.0.0/8, 10.0.0.0/8 } counter drop'
nft 'add rule inet cut out meta nfproto ipv6 oifname != lo counter drop'
"""
TRY_TO_LEAVE = "python3 -c \"import socket; socket.create_connection(('192.0.2.1', 443), 2)\"; nft list table inet cut"
SERVICES = ("web", "worker", "capture")


@pytest.fixture
def saved(lab: Lab) -> Iterator[str]:
    """A declaration that names images by tag, whose registry is gone again; the lab is put back as it was."""
    prerequisites.provide(registries.PACKAGE, yes=True, say=print)
    declaration = lab.folder / "by-tag.yml"
    built = [reference(image.reference) for image in stand_in.images(print)]
    source = Archive(stand_in.images(print)[0].archive)
    machine = stand_in.MACHINES[platform.machine()]
    with registries.registry(lab.folder / "registry") as host:
        for image in built:
            registries.publish(host, image.repository, "1.0", source, image.digest, machine)
        images = "".join(
            f"    {image.repository.rpartition('/')[2]}: {host}/{image.repository}:1.0\n" for image in built
        )
        declaration.write_text(lab.declaration.read_text() + f"posthog:\n  images:\n{images}")
        for words in (["lock"], ["save", "--archive", str(lab.folder / "images.tar")]):
            answer = lab.installer("images", words[0], str(declaration), *words[1:])
            assert answer.code == 0, answer.err
    (lab.deployment.root / NAME).unlink()
    try:
        yield str(declaration)
    finally:
        lab.run(lab.host, "nft delete table inet cut")
        (lab.deployment.root / NAME).unlink(missing_ok=True)
        _converge(lab.work)


def _converge(work: flow.Work) -> None:
    """Render the deployment and run what concerns containers."""
    site, report = work.target.site(), Reporter(quiet=True)
    credentials, stack = flow.prepare(work, site, report)
    flow.converge_hosts(work, site, credentials, stack, report, ("--tags", "containers,posthog"))


def test_a_host_without_a_way_out_runs_what_was_saved(lab: Lab, saved: str) -> None:
    lab.run(lab.host, CUT)
    left = lab.run(lab.host, TRY_TO_LEAVE)
    assert "counter packets 0 bytes 0 drop" not in left.stdout.split("nfproto")[0], "nothing leaves the host"

    refused = lab.installer("preflight", saved)
    assert (refused.code, "images lock" in refused.out) == (2, True), "without a lock a tag is nothing to run"
    loaded = lab.installer("images", "load", saved, "--archive", str(lab.folder / "images.tar"), "--json")
    assert loaded.code == 0, loaded.err
    _converge(flow.open_work(saved))

    lock = ImageLock.read(lab.deployment.root).images
    for service in SERVICES:
        asked = f"podman inspect --format '{{{{.ImageName}}}} {{{{.State.Health.Status}}}}' hedgerow-{service}"
        row = lock["capture" if service == "capture" else "posthog"]
        assert lab.run(lab.host, asked).stdout.split() == [row.reference, "healthy"]
    found = lab.verify(["containers.images-by-digest", "posthog.healthy"])
    assert {finding.status for finding in found} == {"pass"}, found
    again = lab.converge(["containers", "posthog"])
    assert sum(host.changed for host in again.hosts.values()) == 0

"""Images that come in one file to a host without a way out, and from a mirror where they must be signed."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import pytest

from hedgerow import flow, prerequisites, proof, stand_in
from hedgerow.console import Reporter
from hedgerow.errors import ConvergeError
from hedgerow.findings import Finding
from hedgerow.image_lock import NAME, ImageLock
from hedgerow.oci.archive import Archive
from hedgerow.oci.references import reference
from hedgerow.services import load_table
from tests import registries
from tests.conftest import Lab

pytestmark = pytest.mark.lab
# New connections of the host's own to anywhere but its peers and its containers: no registry, no mirror, no names.
# After conntrack (-200), which knows what is new.
CUT = """
nft add table inet cut
nft 'add chain inet cut out { type filter hook output priority -150; }'
nft 'add rule inet cut out ct direction original ip daddr != { 127.0.0.0/8, 10.0.0.0/8 } counter drop'
nft 'add rule inet cut out meta nfproto ipv6 oifname != lo counter drop'
"""
TRY_TO_LEAVE = "python3 -c \"import socket; socket.create_connection(('192.0.2.1', 443), 2)\"; nft list table inet cut"
# A hurried administrator lets one repository in unsigned.
OPENED = """python3 - <<'END'
import json
with open("/etc/containers/policy.json", "r+") as stream:
    policy = json.load(stream)
    scopes = policy["transports"]["docker"]
    scopes[sorted(scopes)[0]] = [{"type": "insecureAcceptAnything"}]
    stream.seek(0)
    json.dump(policy, stream)
    stream.truncate()
END
"""
SAVED = ("posthog", "capture")  # of one archive; the analytics store's engine would make it ten times as large
SERVICES = ("web", "worker", "capture")


def converge(work: flow.Work) -> None:
    """Render the deployment and run what concerns images. Raises ConvergeError."""
    site, report = work.target.site(), Reporter(quiet=True)
    credentials, stack = flow.prepare(work, site, report)
    flow.converge_hosts(work, site, credentials, stack, report, ("--tags", "firewall,containers,posthog"))


def signed(work: flow.Work) -> tuple[Finding, ...]:
    """Ask the host what it asks of images."""
    report = Reporter(quiet=True)
    return proof.verify_hosts(work, work.target.site(), report, ["containers.signatures-verified"]).findings


def assert_well(lab: Lab) -> None:
    """Each service runs what the lock says, the controls hold, and there is nothing left to do."""
    lock = ImageLock.read(lab.deployment.root).images
    for service in SERVICES:
        asked = f"podman inspect --format '{{{{.ImageName}}}} {{{{.State.Health.Status}}}}' hedgerow-{service}"
        row = lock[load_table().service(service).image]
        assert lab.run(lab.host, asked).stdout.split() == [str(row.nearest), "healthy"]
    found = lab.verify(["containers.images-by-digest", "posthog.healthy"])
    assert {finding.status for finding in found} == {"pass"}, found
    again = lab.converge(["firewall", "containers", "posthog"])
    assert sum(host.changed for host in again.hosts.values()) == 0


@pytest.fixture(scope="module", autouse=True)
def as_before(lab: Lab) -> Iterator[None]:
    """Have a registry to run; afterwards the lab is what it was."""
    prerequisites.provide(registries.PACKAGE, yes=True, say=print)
    try:
        yield
    finally:
        (lab.deployment.root / NAME).unlink(missing_ok=True)
        converge(lab.work)


@pytest.fixture
def saved(lab: Lab) -> str:
    """A declaration that names images by tag, an archive of what they meant, and no registry any more."""
    declaration = lab.folder / "by-tag.yml"
    wanted = [load_table().images[key].stand_in for key in SAVED]
    images = stand_in.images(print, wanted=wanted)
    source, machine = Archive(images[0].archive), stand_in.MACHINES[platform.machine()]
    with registries.registry(lab.folder / "registry") as host:
        named = ""
        for image in (reference(each.reference) for each in images):
            registries.publish(host, image.repository, "1.0", source, image.digest, machine)
            named += f"    {image.repository.rpartition('/')[2]}: {host}/{image.repository}:1.0\n"
        declaration.write_text(f"{lab.declaration.read_text()}posthog:\n  images:\n{named}")
        for words in (["lock"], ["save", "--archive", str(lab.folder / "images.tar")]):
            answer = lab.installer("images", words[0], str(declaration), *words[1:])
            assert answer.code == 0, answer.err
    (lab.deployment.root / NAME).unlink()
    return str(declaration)


def test_a_host_without_a_way_out_runs_what_was_saved(lab: Lab, saved: str) -> None:
    """The images are in an index beside those for another platform, as upstream's are."""
    refused = lab.installer("preflight", saved)
    assert (refused.code, "images lock" in refused.out) == (2, True), "without a lock a tag is nothing to run"
    loaded = lab.installer("images", "load", saved, "--archive", str(lab.folder / "images.tar"), "--json")
    assert loaded.code == 0, loaded.err
    lab.run(lab.host, CUT)
    try:
        left = lab.run(lab.host, TRY_TO_LEAVE).stdout
        assert "counter packets 0 " not in left.partition("nfproto")[0], left
        converge(flow.open_work(saved))
        assert_well(lab)
    finally:
        lab.run(lab.host, "nft delete table inet cut")


@pytest.mark.long
def test_what_is_not_signed_in_the_mirror_does_not_run(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mirror has a private CA, which hosts know from the declaration."""
    signer = registries.Signer()
    declaration = lab.folder / "signed.yml"
    (lab.deployment.root / NAME).unlink(missing_ok=True)
    with registries.registry(tmp_path, address=lab.site.controller) as host:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        monkeypatch.setenv("NO_PROXY", lab.site.controller)
        (tmp_path / "cosign.pub").write_bytes(signer.public)
        trust = f"{{ca_file: {tmp_path}/ca.pem, signature_key: {tmp_path}/cosign.pub}}"
        declaration.write_text(f"{lab.declaration.read_text()}posthog:\n  registry: {trust}\n")
        for words in (["lock"], ["mirror", "--to", f"{host}/copies"]):
            answer = lab.installer("images", words[0], str(declaration), *words[1:])
            assert answer.code == 0, answer.err
        work = flow.open_work(str(declaration))
        with pytest.raises(ConvergeError, match="signature was required"):
            converge(work)
        for row in ImageLock.read(lab.deployment.root).images.values():
            signer.sign(row.nearest.name, row.digest)
        converge(work)
        assert_well(lab)
        assert [each.status for each in signed(work)] == ["pass"]
        lab.run(lab.host, OPENED)
        assert [each.status for each in signed(work)] == ["fail"]
        converge(work)
        assert [each.status for each in signed(work)] == ["pass"]

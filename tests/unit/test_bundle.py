"""A bundle is what was signed, to the last byte; and nothing in it is a secret."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from hedgerow import inventory, render
from hedgerow.bundle import (
    MANIFEST,
    NAMESPACE,
    SIGNATURE,
    BundleError,
    archive,
    contents,
    manifest,
    sbom,
    sealing,
    signing,
)
from hedgerow.cli import main
from hedgerow.deployment import REPOSITORY, Deployment, write_file
from hedgerow.errors import CallError
from hedgerow.evidence import json_
from hedgerow.image_lock import ImageLock, Locked
from hedgerow.pki import new_authority
from hedgerow.secrets import Vault, complete, leaves
from tests.unit.test_evidence import EVIDENCE
from tests.unit.test_render import DECLARED, rendered

MADE = "2026-03-01T10:00:00Z"
FILES = {"evidence/findings.json": b'{"a": 1}\n' * 40, "deployment/site.yml": b"- hosts: all\n", "sbom.cdx.json": b"{}"}
WANTED = {"posthog.owner_password": "password", "posthog.secret_key": "secret_key", "posthog.salt": "salt"}


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Deployment("acme")


@pytest.fixture
def installed(deployment: Deployment) -> Deployment:
    """A deployment as an install leaves it: rendered, with secrets, a CA, a journal and evidence."""
    write_file(deployment.declaration, DECLARED["prepared"])
    render.write(deployment.root, rendered("prepared"))
    authority = new_authority("acme", datetime.now(UTC))
    tree = {**complete({}, WANTED), "tls": {"edge": authority.key}}
    vault = Vault.of(deployment)
    vault.write(deployment.secrets, tree)
    write_file(deployment.authority / "ca.crt", authority.certificate)
    write_file(deployment.authority / "ca.key.vault", vault.encrypt(authority.key))
    write_file(deployment.logs / "ansible.log", tree["posthog"]["owner_password"])
    deployment.record("install", "done")
    run = deployment.evidence / "latest"
    write_file(run / "findings.json", json_.render(EVIDENCE))
    return deployment


def make(deployment: Deployment, name: str, files: dict[str, bytes] = FILES, key: Path | None = None) -> bytes:
    place = deployment.root.parent / name
    sealing.make(deployment, files, MADE, place, key)
    return place.read_bytes()


def prove(deployment: Deployment, content: bytes, after: bytes | None = None) -> sealing.Proven:
    return sealing.prove(content, deployment.allowed_signers.read_text(), deployment.name, after)


def test_the_same_files_give_the_same_bytes() -> None:
    assert archive.pack(FILES) == archive.pack(dict(reversed(FILES.items())))
    assert archive.unpack(archive.pack(FILES)) == FILES


def test_a_bundle_is_proven(deployment: Deployment) -> None:
    found = prove(deployment, make(deployment, "one.tar.gz"))
    assert (found.manifest.number, found.manifest.previous, found.files) == (1, "none", 3)
    assert "ED25519" in found.signer
    assert deployment.signing_key.stat().st_mode & 0o777 == 0o600
    assert not deployment.signing_key.is_relative_to(deployment.root)


def test_no_byte_can_be_flipped(deployment: Deployment) -> None:
    """Every single one of them, by one bit and wholly."""
    content = make(deployment, "one.tar.gz")
    trusted = deployment.allowed_signers.read_text()
    for place in range(len(content)):
        for mask in (1 << (place % 8), 0xFF):
            flipped = bytearray(content)
            flipped[place] ^= mask
            with pytest.raises(BundleError):
                sealing.prove(bytes(flipped), trusted, "acme")


@pytest.mark.parametrize("content", [b"", b"\x1f", b"x" * 4000], ids=["nothing", "one byte", "another file"])
def test_what_is_no_bundle_is_refused(deployment: Deployment, content: bytes) -> None:
    make(deployment, "one.tar.gz")
    with pytest.raises(BundleError):
        prove(deployment, content)


def test_neither_cut_off_nor_made_longer(deployment: Deployment) -> None:
    content = make(deployment, "one.tar.gz")
    for changed in (content[:-1], content[: len(content) // 2], content + b"\0", content + content):
        with pytest.raises(BundleError):
            prove(deployment, changed)


@pytest.mark.parametrize("name", [*FILES, MANIFEST, SIGNATURE])
def test_who_packs_a_changed_file_again_is_found_out(deployment: Deployment, name: str) -> None:
    """The archive's own sum fits then; what was signed does not."""
    files = archive.unpack(make(deployment, "one.tar.gz"))
    # Those of the manifest and its signature ask ssh-keygen, which takes its time.
    for at in range(0, len(files[name]), 7 if name in (MANIFEST, SIGNATURE) else 1):
        changed = bytearray(files[name])
        changed[at] ^= 1
        repacked = archive.pack({**files, name: bytes(changed)})
        with pytest.raises(BundleError):
            prove(deployment, repacked)


def test_a_removed_and_an_added_file_are_named(deployment: Deployment) -> None:
    files = archive.unpack(make(deployment, "one.tar.gz"))
    without = {name: content for name, content in files.items() if name != "sbom.cdx.json"}
    with pytest.raises(BundleError, match=r"sbom\.cdx\.json was removed"):
        prove(deployment, archive.pack(without))
    with pytest.raises(BundleError, match=r"evidence/more\.html was added"):
        prove(deployment, archive.pack({**files, "evidence/more.html": b""}))
    with pytest.raises(BundleError, match="no signed MANIFEST"):
        prove(deployment, archive.pack({name: files[name] for name in files if name != SIGNATURE}))


def test_a_manifest_made_to_fit_is_not_signed(deployment: Deployment) -> None:
    files = archive.unpack(make(deployment, "one.tar.gz"))
    files["evidence/findings.json"] = b"all is well\n"
    stated = replace(manifest.read(files[MANIFEST]), sums=manifest.sums_of(files))
    with pytest.raises(BundleError, match="not signed by a key that is trusted"):
        prove(deployment, archive.pack({**files, MANIFEST: stated.text()}))


def test_another_key_another_name_and_another_purpose_are_refused(deployment: Deployment, tmp_path: Path) -> None:
    content = make(deployment, "one.tar.gz")
    make(Deployment("other"), "other.tar.gz")
    strange = Deployment("other").allowed_signers.read_text().replace("other ", "acme ")
    with pytest.raises(BundleError, match="not signed by a key that is trusted"):
        sealing.prove(content, strange, "acme")
    with pytest.raises(BundleError, match="not signed by a key that is trusted"):
        sealing.prove(content, deployment.allowed_signers.read_text(), "somebody")
    files = archive.unpack(content)
    (tmp_path / "m").write_bytes(files[MANIFEST])
    words = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", str(deployment.signing_key), str(tmp_path / "m")]
    subprocess.run(words, check=True, capture_output=True, timeout=20)
    with pytest.raises(BundleError, match="not signed by a key that is trusted"):
        prove(deployment, archive.pack({**files, SIGNATURE: (tmp_path / "m.sig").read_bytes()}))


def test_the_operators_own_key_signs(deployment: Deployment, tmp_path: Path) -> None:
    own = tmp_path / "id_ecdsa"
    words = ["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(own)]
    subprocess.run(words, check=True, timeout=20)
    content = make(deployment, "one.tar.gz", key=own)
    assert "ECDSA" in prove(deployment, content).signer
    assert not deployment.signing_key.exists()
    with pytest.raises(CallError, match="no signing key"):
        make(deployment, "two.tar.gz", key=tmp_path / "nowhere")


def test_a_lost_key_is_not_silently_another(deployment: Deployment) -> None:
    make(deployment, "one.tar.gz")
    deployment.signing_key.unlink()
    with pytest.raises(CallError, match="no signing key"):
        make(deployment, "two.tar.gz")


def test_bundles_are_a_chain(deployment: Deployment) -> None:
    one, two, three = (make(deployment, f"{name}.tar.gz", {**FILES, "x": name.encode()}) for name in ("1", "2", "3"))
    assert [prove(deployment, each).manifest.number for each in (one, two, three)] == [1, 2, 3]
    assert prove(deployment, two, one).manifest.previous == prove(deployment, one).manifest.sum
    prove(deployment, three, two)
    for later, earlier in ((three, one), (one, two), (two, two)):
        with pytest.raises(BundleError, match="does not follow"):
            prove(deployment, later, earlier)
    deployment.bundles.unlink()
    (deployment.root.parent / "1.tar.gz").unlink()
    again = make(deployment, "1.tar.gz", {**FILES, "x": b"other"})
    with pytest.raises(BundleError, match="does not follow"):
        prove(deployment, two, again)


def test_a_chain_that_cannot_be_read_is_not_begun_anew(deployment: Deployment) -> None:
    make(deployment, "one.tar.gz")
    deployment.bundles.write_text(deployment.bundles.read_text()[:20])
    with pytest.raises(CallError, match="is damaged"):
        make(deployment, "two.tar.gz")


def test_a_bundle_is_never_overwritten(deployment: Deployment) -> None:
    make(deployment, "one.tar.gz")
    with pytest.raises(CallError, match="is there already"):
        make(deployment, "one.tar.gz")


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../b", "a//b", "./a", "a b", ""])
def test_no_file_leads_out_of_the_folder(name: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in a bundle"):
        archive.pack({name: b""})


def test_the_whole_way_by_the_command_line(installed: Deployment, tmp_path: Path, capsys) -> None:
    one, two = tmp_path / "one.tar.gz", tmp_path / "two.tar.gz"
    assert main(["report", "acme", "--bundle", str(one)]) == 0
    assert main(["report", "acme", "--bundle", str(two), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["number"] == 2
    assert main(["report", "acme", "--verify-bundle", str(two), "--after", str(one), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["number"] == 2
    assert main(["report", "acme", "--verify-bundle", str(one), "--after", str(two)]) == 1
    assert "does not follow" in capsys.readouterr().err
    public = tmp_path / "acme.pub"
    public.write_text(signing.public_half(installed.signing_key) + "\n")
    assert main(["report", "--verify-bundle", str(one), "--key", str(public)]) == 0
    assert main(["report", "--verify-bundle", str(one)]) == 2
    assert main(["report"]) == 2
    installed.forget()
    assert main(["report", "acme", "--verify-bundle", str(one)]) == 0, "what was signed can be proven afterwards"


def test_a_bundle_holds_the_evidence_and_the_deployment_and_no_secret(installed: Deployment, tmp_path: Path) -> None:
    place = tmp_path / "one.tar.gz"
    assert main(["report", "acme", "--bundle", str(place), "--quiet"]) == 0
    files = archive.unpack(place.read_bytes())
    assert {
        "evidence/findings.json",
        "evidence/report.html",
        "evidence/junit.xml",
        "deployment/deploy.yml",
        "deployment/site.yml",
        "deployment/authority/ca.crt",
        "deployment/roles/ssh/tasks/main.yml",
        "journal.jsonl",
        "sbom.cdx.json",
    } <= set(files)
    everything = b"\n".join(files.values())
    tree = Vault.of(installed).read(installed.secrets)
    secrets = list(leaves(tree))
    assert len(secrets) == 4
    for secret in secrets:
        for line in secret.splitlines():
            assert line.startswith("-----") or line.encode() not in everything
    assert b"PRIVATE KEY-----\n" not in everything
    assert installed.key_file.read_bytes().strip() not in everything
    left_out = (
        "deployment/group_vars/all/secrets.yml",
        "deployment/authority/ca.key.vault",
        "deployment/logs/ansible.log",
    )
    assert not set(left_out) & set(files)


@pytest.mark.parametrize("part", ["owner_password", "a line of the key"])
def test_a_secret_that_came_into_a_file_stops_the_bundle(installed: Deployment, part: str) -> None:
    tree = Vault.of(installed).read(installed.secrets)
    leaked = tree["posthog"]["owner_password"] if part == "owner_password" else tree["tls"]["edge"].splitlines()[2]
    with pytest.raises(BundleError, match=r"evidence/findings\.json holds a secret") as refused:
        make(installed, "one.tar.gz", {"evidence/findings.json": f"observed: {leaked}".encode()})
    assert leaked not in str(refused.value)
    assert not (installed.root.parent / "one.tar.gz").exists()


def test_a_certificate_shows_the_public_half_of_its_key_and_no_secret(installed: Deployment) -> None:
    """Where its lines are broken as the key's are, one of them stands in both."""
    key = Vault.of(installed).read(installed.secrets)["tls"]["edge"]
    private, also_private, *public = (line for line in key.splitlines() if not line.startswith("-----"))
    make(installed, "one.tar.gz", {"deployment/authority/edge.crt": public[-1].encode()})
    for line in (private, also_private):
        with pytest.raises(BundleError, match="holds a secret"):
            make(installed, "two.tar.gz", {"deployment/authority/edge.crt": line.encode()})


def test_without_the_key_of_the_vault_nothing_is_claimed(installed: Deployment) -> None:
    installed.key_file.unlink()
    with pytest.raises(CallError, match="vault key"):
        make(installed, "one.tar.gz")
    assert contents.rendered(installed)["deployment/site.yml"]


POSTHOG = "docker.io/posthog/posthog"
LOCK = ImageLock({"posthog": Locked(f"{POSTHOG}@sha256:{'a' * 64}", f"{POSTHOG}:1", MADE)})


SUDO = inventory.Package("debian 13", "sudo", "1.9.16p2-3", "amd64")


@pytest.mark.parametrize(("case", "stand_in"), [("lab", True), ("two-hosts", False)])
def test_the_bill_of_materials_is_cyclonedx_and_names_what_runs(case: str, stand_in: bool) -> None:
    files = {f"deployment/{name}": text.encode() for name, text in rendered(case).items()}
    installed = {
        "one": (SUDO,),
        "two": (SUDO, inventory.Package("ubuntu 24.04", "libssl3t64", "3.0.13-0ubuntu3", "amd64")),
    }
    parts = sbom.Parts(sbom.images(files, LOCK), sbom.packages(), installed, ["three"])
    text = sbom.document("acme", MADE, "2026-11", parts).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found = {each["name"]: each for each in json.loads(text)["components"]}
    assert found["docker.io/posthog/posthog"]["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert {"ansible-core", "pydantic"} <= found.keys()
    assert found["sudo"]["purl"] == "pkg:deb/debian/sudo@1.9.16p2-3?arch=amd64&distro=debian-13"
    assert found["sudo"]["properties"] == [{"name": "hedgerow:runs-on", "value": "one, two"}]
    assert found["libssl3t64"]["purl"].startswith("pkg:deb/ubuntu/")
    assert "packages of three, which did not answer" in text
    running = {name for name in found if "/" in name and name != "docker.io/posthog/posthog"}
    for name in running:
        assert any("stand-in" in row["name"] for row in found[name]["properties"]) is stand_in, name
    in_files = {match[1] for match in re.finditer(r"image: (\S+)@sha256", b"\n".join(files.values()).decode())}
    assert in_files
    assert in_files <= running
    assert "what images hold" in text, "it says what it lacks"
    assert text == sbom.document("acme", MADE, "2026-11", parts).decode()


def test_the_command_of_the_readme_proves_a_bundle_without_us(deployment: Deployment, tmp_path: Path) -> None:
    text = (REPOSITORY / "README.md").read_text()
    line = next(line.strip() for line in text.splitlines() if "ssh-keygen -Y verify" in line)
    make(deployment, "acme-1.tar.gz")
    shutil.move(deployment.root.parent / "acme-1.tar.gz", tmp_path)
    shutil.copy(deployment.allowed_signers, tmp_path)

    def run() -> int:
        shutil.rmtree(tmp_path / "proof", ignore_errors=True)
        done = subprocess.run(["sh", "-ec", line], cwd=tmp_path, capture_output=True, timeout=20, check=False)
        return done.returncode

    assert NAMESPACE in line
    assert run() == 0
    files = archive.unpack((tmp_path / "acme-1.tar.gz").read_bytes())
    for changed in ("deployment/site.yml", MANIFEST):
        (tmp_path / "acme-1.tar.gz").write_bytes(archive.pack({**files, changed: files[changed] + b"#\n"}))
        assert run() != 0, changed

"""The registry client against a real registry: what is resolved, what is refused, and in which words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hedgerow import prerequisites
from hedgerow.errors import CallError, HedgerowError, UnreachableError
from hedgerow.oci import content, logins
from hedgerow.oci.content import Descriptor
from hedgerow.oci.references import Reference, place, reference
from hedgerow.oci.registry import Repository
from tests import registries
from tests.registries import Small, Tokens

DIGEST = "sha256:" + "a" * 64


@pytest.fixture(scope="module", autouse=True)
def package() -> None:
    prerequisites.provide(registries.PACKAGE, yes=True, say=print)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[str]:
    with registries.registry(folder) as running:
        yield running


def repository(host: str, name: str = "acme/web", **given) -> Repository:
    return Repository(Reference(host, name, "1"), environment=given.pop("environment", {}), **given)


@pytest.mark.parametrize("image", [Small("index"), Small("single", ()), Small("docker", docker=True)])
def test_a_tag_is_resolved_to_the_digest_of_what_it_names(host: str, image: Small) -> None:
    """Of an index it is the index's digest, not one platform's: every host finds its own in it."""
    digest = image.push(host, "acme/web", "1")
    found = repository(host).resolve("1")
    assert found.descriptor.digest == digest == f"sha256:{hashlib.sha256(found.content).hexdigest()}"
    whole = content.tree(repository(host), digest)
    assert whole.top == found.descriptor
    assert {each.descriptor.digest for each in whole.documents} == {each.descriptor.digest for each in image.documents}
    for blob in whole.blobs:
        assert b"".join(repository(host).blob(blob)) == image.content[blob.digest]


def test_what_is_not_there_is_said(host: str) -> None:
    Small("here").push(host, "acme/web", "1")
    for ask in (lambda: repository(host).resolve("gone"), lambda: repository(host, "acme/gone").resolve("1")):
        with pytest.raises(CallError, match=r"has no .*acme.*(MANIFEST_UNKNOWN|NAME_UNKNOWN)") as refused:
            ask()
        assert "Name an image" in refused.value.fix
    assert not repository(host).has("blobs", DIGEST)


@pytest.mark.parametrize("kind", ["blob", "manifest"])
def test_a_byte_that_changed_in_a_registry_is_refused(tmp_path: Path, kind: str) -> None:
    image = Small("to be changed")
    with registries.registry(tmp_path) as host:
        image.push(host, "acme/web", "1")
        blob = image.documents[0].blobs[1]
        digest = blob.digest if kind == "blob" else image.digest
        path = tmp_path / "data/docker/registry/v2/blobs/sha256" / digest[7:9] / digest[7:] / "data"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with pytest.raises(HedgerowError) as refused:
            if kind == "blob":
                list(repository(host).blob(blob))
            else:
                repository(host).document(digest)
    assert isinstance(refused.value, UnreachableError)


def test_a_blob_of_another_size_is_refused(host: str) -> None:
    image = Small("sizes")
    image.push(host, "acme/web", "1")
    blob = image.documents[0].blobs[1]
    with pytest.raises(UnreachableError, match="longer than its 3 bytes"):
        list(repository(host).blob(Descriptor("", blob.digest, 3)))


def test_a_registry_that_is_not_there_is_said() -> None:
    with pytest.raises(UnreachableError, match=r"could not be reached: .*refused") as refused:
        repository(f"127.0.0.1:{registries.free_port()}").resolve("1")
    assert "REQUESTS_CA_BUNDLE" in refused.value.fix


def test_a_registry_with_passwords(tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text(registries.HTPASSWD)
    auth = {"htpasswd": {"realm": "acme", "path": str(tmp_path / "htpasswd")}}
    with registries.registry(tmp_path / "store", auth) as host:
        known = registries.logins(tmp_path / "auth.json", host)
        image = Small("private")
        digest = image.push(host, "acme/web", "1", known)
        assert repository(host, environment=known).document(digest).descriptor.digest == digest
        wrong = registries.logins(tmp_path / "wrong.json", host, "no-password")
        for environment in ({}, wrong):
            with pytest.raises(UnreachableError, match=r"refused .*acme/web.*: 401") as refused:
                repository(host, environment={"HOME": str(tmp_path), **environment}).document(digest)
            assert f"podman login {host}" in refused.value.fix
            assert "no-password" not in str(refused.value)


def test_a_registry_with_tokens(tmp_path: Path) -> None:
    """The password goes to the token service alone, and a token is asked for just this repository and these actions."""
    service = Tokens(tmp_path / "tokens")
    with registries.registry(tmp_path / "store", service.auth) as host, service.serving():
        known = registries.logins(tmp_path / "auth.json", host)
        digest = Small("by token").push(host, "acme/web", "1", known)
        assert set(service.asked) == {("reg", "repository:acme/web:pull,push")}
        service.asked.clear()
        reader = repository(host, environment=known)
        whole = content.tree(reader, digest)
        list(reader.blob(whole.blobs[0]))
        assert service.asked == [("reg", "repository:acme/web:pull")]
        with pytest.raises(UnreachableError, match="401"):
            repository(host, environment={"HOME": str(tmp_path)}).document(digest)


def test_a_login_never_goes_to_a_token_service_in_the_clear(tmp_path: Path) -> None:
    service = Tokens(tmp_path / "tokens")
    auth = service.auth
    auth["token"]["realm"] = "http://tokens.acme.example/token"
    with registries.registry(tmp_path / "store", auth) as host:
        known = registries.logins(tmp_path / "auth.json", host)
        with pytest.raises(UnreachableError, match="not encrypted"):
            repository(host, environment=known).resolve("1")


def test_logins_are_read_where_podman_and_docker_write_them(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    registries.logins(tmp_path / ".docker" / "config.json", "https://index.docker.io/v1/")
    home = {"HOME": str(tmp_path)}
    assert logins.login("docker.io", home) == (registries.USER, registries.PASSWORD)
    assert logins.login("registry.acme.example", home) is None
    (tmp_path / "bad.json").write_text('{"auths": {"r.example": {"auth": "!"}}}')
    with pytest.raises(CallError, match=r"bad\.json cannot be read as a file of registry logins"):
        logins.login("r.example", {"REGISTRY_AUTH_FILE": str(tmp_path / "bad.json")})


@pytest.mark.parametrize(
    ("text", "name", "port"),
    [
        ("docker.io/posthog/posthog:latest", "docker.io/posthog/posthog", 443),
        (f"registry.acme.example:5000/a/b-c@{DIGEST}", "registry.acme.example:5000/a/b-c", 5000),
        ("posthog:latest", None, 0),
        ("docker.io/posthog/posthog", None, 0),
        (f"docker.io/posthog/posthog:1@{DIGEST}", None, 0),
        ("docker.io/Posthog/posthog:1", None, 0),
        ("docker.io/../posthog:1", None, 0),
    ],
)
def test_names_of_images(text: str, name: str | None, port: int) -> None:
    if name is None:
        with pytest.raises(CallError, match="is no image"):
            reference(text)
    else:
        assert (reference(text).name, reference(text).port, str(reference(text))) == (name, port, text)


def test_a_mirror_keeps_the_whole_path() -> None:
    copies = [
        place(to).copy_of(reference(f"ghcr.io/posthog/posthog/capture@{DIGEST}")).name
        for to in ("r.example", "r.example/", "r.example:5000/a/b")
    ]
    below = "posthog/posthog/capture"
    assert copies == [f"r.example/{below}", f"r.example/{below}", f"r.example:5000/a/b/{below}"]
    for wrong in ("", "https://r.example/a", "r.example/A", "acme"):
        with pytest.raises(CallError, match="no place in a registry"):
            place(wrong)

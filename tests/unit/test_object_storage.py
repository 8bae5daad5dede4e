"""Object storage of the operator's own: SeaweedFS is gone, and its users alone are told of another and let through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hedgerow.budget import disk
from hedgerow.credentials import ensure
from hedgerow.declaration import Declaration, DeclarationError, load, parse
from hedgerow.deployment import Deployment
from hedgerow.hosts import Host
from hedgerow.images import table_of
from hedgerow.object_storage import SECRET, outside_store
from hedgerow.preflight import load_of
from hedgerow.secrets import Vault
from hedgerow.stack import LockedImage, Stack

HOST = (Host("only", "192.0.2.10", "192.0.2.10", "debian"),)
PLAIN = "name: acme\ndomain: analytics.acme.example\ntarget: {kind: lab}\n"
GIVEN = {
    "endpoint": "https://s3.acme.example:9000",
    "address": "192.0.2.50",
    "region": "eu-central-1",
    "bucket": "acme-posthog",
    "recordings_bucket": "acme-recordings",
    "access_key_id": "AKIA{0}",
    "secret_key_file": "secret.txt",
}
USERS = {"10.90.0.10/32", "10.90.0.11/32", "10.90.0.20/32", "10.90.5.21/32"}


def text(**changed: str) -> str:
    lines = "".join(f'  {name}: "{value}"\n' for name, value in {**GIVEN, **changed}.items())
    return f"{PLAIN}object_storage:\n{lines}"


def stack(declaration: Declaration) -> Stack:
    table = table_of(declaration)
    images = {key: LockedImage(f"{image.stand_in}@sha256:{'a' * 64}") for key, image in table.images.items()}
    return Stack(table, declaration.domain, HOST, images, stand_in=True, outside=outside_store(declaration))


@pytest.fixture
def made() -> Stack:
    return stack(parse(text()))


def row(made: Stack, name: str) -> dict[str, Any]:
    return next(each for each in made.posthog_services(HOST[0]) if each["name"] == name)


def test_ours_does_not_run_and_nothing_leads_to_it(made: Stack) -> None:
    assert "seaweedfs" not in made.services
    assert "seaweedfs" not in made.table.images
    assert not [name for name in made.wanted if name.startswith("objects.")]
    assert not [route for route in made.edge_routes if route["to"] == "seaweedfs"]
    assert "8333" not in str(made.needs(HOST[0]))
    assert "object storage" not in disk(HOST[0], made.table, load_of(parse(text()).capacity))


def test_its_users_are_told_where_it_is_and_as_whom(made: Stack) -> None:
    web, recorder = row(made, "web"), row(made, "ingestion-sessionreplay")
    assert {name: value for name, value in web["environment"].items() if name.startswith("OBJECT_STORAGE")} == {
        "OBJECT_STORAGE_ENABLED": "true",
        "OBJECT_STORAGE_ENDPOINT": "https://s3.acme.example:9000",
        "OBJECT_STORAGE_PUBLIC_ENDPOINT": "https://s3.acme.example:9000",
        "OBJECT_STORAGE_REGION": "eu-central-1",
        "OBJECT_STORAGE_BUCKET": "acme-posthog",
        "OBJECT_STORAGE_ACCESS_KEY_ID": "AKIA{0}",
    }
    assert "AWS_CA_BUNDLE" not in web["environment"], "its certificate is not of our authority"
    assert recorder["environment"]["SESSION_RECORDING_V2_S3_BUCKET"] == "acme-recordings"
    assert not [name for name in recorder["environment"] if name.startswith("OBJECT_STORAGE")]
    assert recorder["hosts"]["s3.acme.example"] == "192.0.2.50"
    assert "s3.acme.example" not in str(row(made, "capture"))
    key = web["secrets"]["OBJECT_STORAGE_SECRET_ACCESS_KEY"]
    assert made.posthog_secrets(HOST[0])[key] == "{{ vault.brought.object_storage_key }}"


def test_only_its_users_get_through_the_firewall(made: Stack) -> None:
    (rule,) = made.outside_ways(HOST[0])
    assert (rule["to"], rule["ports"], rule["passed_on"]) == (["192.0.2.50/32"], [9000], False)
    assert {*rule["from"]} == USERS
    assert stack(parse(PLAIN)).outside_ways(HOST[0]) == []


def test_the_secret_goes_from_its_file_into_the_vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    deployment = Deployment("acme")
    for value in ("first", "changed"):
        file = tmp_path / "key"
        file.write_text(value)
        ensure(deployment, {}, {}, brought={SECRET: file})
        assert Vault.of(deployment).read(deployment.secrets)["brought"] == {SECRET: value}
    assert "changed" not in deployment.secrets.read_text()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"endpoint": "http://s3.acme.example"}, "is not https"),
        ({"endpoint": "https://s3.acme.example/bucket"}, "is not https"),
        ({"endpoint": "https://jane:x@s3.acme.example"}, "carries a user"),
        ({"endpoint": "https://s3.acme.example:99999"}, "is not https"),
        ({"address": "s3.acme.example"}, "is not an IP address"),
    ],
)
def test_a_store_that_would_not_be_safe_or_found_is_refused(changed: dict[str, str], words: str) -> None:
    with pytest.raises(DeclarationError, match=words):
        parse(text(**changed))


@pytest.mark.parametrize(("content", "words"), [(None, "no such file"), ("", "one word"), ("two words", "one word")])
def test_a_secret_file_that_cannot_serve_is_refused(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "secret.txt").write_text(content)
    path = tmp_path / "deploy.yml"
    path.write_text(text())
    with pytest.raises(DeclarationError, match=words):
        load(path)

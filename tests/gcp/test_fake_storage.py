"""The fake's Cloud Storage: what must be kept, who may read it, and which key it needs."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud import storage

from tests.gcp import making
from tests.gcp.fake.running import Fake
from tests.gcp.fake.world import NUMBER, PROJECT
from tests.gcp.making import ask


def test_a_locked_retention_policy_only_grows(gcp: Fake) -> None:
    made = making.bucket(retention_period=86400)
    made.lock_retention_policy()
    for period in (3600, None):
        made.retention_period = period
        with pytest.raises(exceptions.Forbidden):
            made.patch()
    made.reload()
    made.retention_period = 2 * 86400
    made.patch()
    kept = storage.Client().get_bucket("acme-backup")
    assert (kept.retention_period, kept.retention_policy_locked) == (2 * 86400, True)


def test_what_must_be_kept_is_neither_deleted_nor_overwritten(gcp: Fake) -> None:
    made = making.bucket(retention_period=86400)
    made.blob("day/one").upload_from_string(b"words")
    assert made.blob("day/one").download_as_bytes() == b"words"
    with pytest.raises(exceptions.Forbidden):
        made.blob("day/one").delete()
    with pytest.raises(exceptions.Forbidden):
        made.blob("day/one").upload_from_string(b"other")
    with pytest.raises(exceptions.Conflict):
        made.delete()


def test_versions_are_kept_and_a_deleted_object_is_one(gcp: Fake) -> None:
    made = making.bucket(versioning_enabled=True)
    made.blob("one").upload_from_string(b"first")
    made.blob("one").upload_from_string(b"second")
    made.blob("one").delete()
    assert list(made.list_blobs()) == []
    assert [one.download_as_bytes() for one in made.list_blobs(versions=True)] == [b"first", b"second"]
    with pytest.raises(exceptions.Conflict):
        made.delete()


def test_a_bucket_s_key_needs_the_agent_s_grant_and_the_same_place(gcp: Fake) -> None:
    key = making.key()
    with pytest.raises(exceptions.BadRequest):
        making.grant(key, f"serviceAccount:service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com")
    agent = storage.Client().get_service_account_email()
    with pytest.raises(exceptions.Forbidden):
        making.bucket(default_kms_key_name=key)
    making.grant(key, f"serviceAccount:{agent}")
    assert making.bucket(default_kms_key_name=key).default_kms_key_name == key
    other = making.key(location="europe-west3")
    making.grant(other, f"serviceAccount:{agent}")
    with pytest.raises(exceptions.BadRequest):
        making.bucket("acme-other", default_kms_key_name=other)


def test_nobody_is_let_into_a_bucket_that_prevents_it(gcp: Fake) -> None:
    made = storage.Client().bucket("acme-backup")
    made.iam_configuration.uniform_bucket_level_access_enabled = True
    made.iam_configuration.public_access_prevention = "enforced"
    storage.Client().create_bucket(made, location="us-central1")
    policy = made.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"allUsers"}})
    with pytest.raises(exceptions.PreconditionFailed):
        made.set_iam_policy(policy)
    policy.bindings[-1]["members"] = {"user:jane@acme.example"}
    made.set_iam_policy(policy)
    assert "user:jane@acme.example" in str(made.get_iam_policy().bindings)


@pytest.mark.parametrize("name", ["Acme", "ab", "goog-acme", "my-google-bucket"])
def test_a_bucket_s_name_keeps_google_s_rules(gcp: Fake, name: str) -> None:
    status, _ = ask("POST", f"storage.googleapis.com/storage/v1/b?project={PROJECT}", {"name": name})
    assert status == 400

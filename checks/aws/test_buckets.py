"""The deployment's buckets: closed, encrypted, kept, and watched."""

from __future__ import annotations

from typing import Any

import pytest

from checks.aws.found import access_logs, buckets, judge, listed, ours, principals, statements, trails
from checks.judging import is_true

NO_BLOCK = "NoSuchPublicAccessBlockConfiguration"
BLOCK = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _block(aws, switch: str) -> dict[str, Any]:
    return {
        name: aws.ask("s3.get_public_access_block", NO_BLOCK, Bucket=name)
        .get("PublicAccessBlockConfiguration", {})
        .get(switch, False)
        for name in buckets(aws)
    }


@pytest.mark.control("aws.buckets-block-acls")
def test_no_public_acl_is_taken(aws, finding):
    finding.expect("BlockPublicAcls on")
    judge(finding, _block(aws, "BlockPublicAcls"), is_true, "bucket")


@pytest.mark.control("aws.buckets-ignore-acls")
def test_no_public_acl_counts(aws, finding):
    finding.expect("IgnorePublicAcls on")
    judge(finding, _block(aws, "IgnorePublicAcls"), is_true, "bucket")


@pytest.mark.control("aws.buckets-block-policies")
def test_no_public_policy_is_taken(aws, finding):
    finding.expect("BlockPublicPolicy on")
    judge(finding, _block(aws, "BlockPublicPolicy"), is_true, "bucket")


@pytest.mark.control("aws.buckets-restrict-public")
def test_no_public_policy_counts(aws, finding):
    finding.expect("RestrictPublicBuckets on")
    judge(finding, _block(aws, "RestrictPublicBuckets"), is_true, "bucket")


@pytest.mark.control("aws.account-blocks-public-buckets")
def test_no_bucket_of_the_account_can_be_public(aws, finding):
    finding.expect(f"{', '.join(BLOCK)} on for the account")
    said = aws.ask("s3control.get_public_access_block", NO_BLOCK, AccountId=aws.account)
    switches = said.get("PublicAccessBlockConfiguration", {})
    judge(finding, {switch: switches.get(switch, False) for switch in BLOCK}, is_true, "account-wide switch")


@pytest.mark.control("aws.buckets-without-acls")
def test_acls_are_off(aws, finding):
    finding.expect("BucketOwnerEnforced")
    seen = {}
    for name in buckets(aws):
        said = aws.ask("s3.get_bucket_ownership_controls", "OwnershipControlsNotFoundError", Bucket=name)
        rules = said.get("OwnershipControls", {}).get("Rules", [])
        seen[name] = rules[0]["ObjectOwnership"] if rules else None
    judge(finding, seen, lambda said: said == "BucketOwnerEnforced", "bucket")


@pytest.mark.control("aws.buckets-versioned")
def test_what_is_overwritten_is_kept(aws, finding):
    finding.expect("versioning Enabled")
    seen = {name: aws.ask("s3.get_bucket_versioning", Bucket=name).get("Status") for name in buckets(aws)}
    judge(finding, seen, lambda said: said == "Enabled", "bucket")


@pytest.mark.control("aws.buckets-own-key")
def test_every_bucket_is_under_our_key(aws, finding):
    """But where S3 delivers access logs: it writes them under its own key only (Amazon S3 User Guide, server access
    logging). A bucket with anything else in it does not pass for one."""
    finding.expect(
        "aws:kms with a key of the deployment's; AES256 where S3 writes its own access logs and nothing else"
    )
    only_logs = access_logs(aws) - {row["S3BucketName"] for row in trails(aws)}
    seen = {}
    for name in buckets(aws):
        said = aws.ask("s3.get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError", Bucket=name)
        rules = said.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
        how = rules[0]["ApplyServerSideEncryptionByDefault"] if rules else {}
        algorithm = how.get("SSEAlgorithm")
        mine = algorithm == "aws:kms" and ours(aws, how.get("KMSMasterKeyID"))
        allowed = mine or (algorithm == "AES256" and name in only_logs)
        seen[name] = "as it must be" if allowed else f"{algorithm} with {'our' if mine else 'another'} key"
    judge(finding, seen, lambda said: said == "as it must be", "bucket")


@pytest.mark.control("aws.buckets-tls-only")
def test_every_bucket_refuses_clear_text(aws, finding):
    finding.expect("a Deny for everybody and everything where aws:SecureTransport is false")
    seen = {}
    for name in buckets(aws):
        policy = aws.ask("s3.get_bucket_policy", "NoSuchBucketPolicy", Bucket=name).get("Policy")
        seen[name] = any(_denies_clear_text(row, name) for row in statements(policy))
    judge(finding, seen, is_true, "bucket")


def _denies_clear_text(row: dict[str, Any], bucket: str) -> bool:
    secure = row.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    resources = {one.rpartition(":")[2] for one in listed(row.get("Resource"))}
    return (
        row["Effect"] == "Deny"
        and "*" in principals(row)
        and bool({"*", "s3:*"} & set(listed(row.get("Action"))))
        and [str(one).lower() for one in listed(secure)] == ["false"]
        and set(row["Condition"]) == {"Bool"}
        and (resources == {"*"} or {bucket, f"{bucket}/*"} <= resources)
    )


def _locks(aws) -> dict[str, dict[str, Any]]:
    """The retention that each bucket gives by default; S3 can deliver its access logs into no bucket that has one."""
    return {
        name: aws.ask("s3.get_object_lock_configuration", "ObjectLockConfigurationNotFoundError", Bucket=name)
        .get("ObjectLockConfiguration", {})
        .get("Rule", {})
        .get("DefaultRetention", {})
        for name in sorted(set(buckets(aws)) - access_logs(aws))
    }


@pytest.mark.control("aws.buckets-locked")
def test_what_is_kept_cannot_be_removed(aws, finding):
    finding.expect("object lock with a default retention, mode COMPLIANCE or GOVERNANCE")
    seen = {name: lock.get("Mode") for name, lock in _locks(aws).items()}
    judge(finding, seen, lambda said: said in ("COMPLIANCE", "GOVERNANCE"), "bucket")


@pytest.mark.control("aws.buckets-locked-for-long")
def test_what_is_kept_is_kept_for_long_enough(aws, finding):
    days, records = aws.sheet.lock_days, aws.sheet.record_days
    finding.expect(f"a retention of {days} days or more, {records} where the trail goes")
    trail = {row["S3BucketName"] for row in trails(aws)}
    seen = {}
    for name, lock in _locks(aws).items():
        kept = lock.get("Days", 0) or lock.get("Years", 0) * 365
        seen[name] = f"{kept} days, {'enough' if kept >= (records if name in trail else days) else 'too few'}"
    judge(finding, seen, lambda said: said.endswith("enough"), "bucket")


@pytest.mark.control("aws.buckets-access-logged")
def test_who_reads_a_bucket_is_written_down(aws, finding):
    finding.expect("access logging on, but in the bucket where these logs go")
    seen = {
        name: "LoggingEnabled" in aws.ask("s3.get_bucket_logging", Bucket=name)
        for name in sorted(set(buckets(aws)) - access_logs(aws))
    }
    judge(finding, seen, is_true, "bucket")


@pytest.mark.control("aws.buckets-lifecycle")
def test_every_bucket_has_an_end_for_what_is_old(aws, finding):
    finding.expect("a lifecycle rule that is Enabled")
    seen = {}
    for name in buckets(aws):
        said = aws.ask("s3.get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration", Bucket=name)
        seen[name] = any(rule["Status"] == "Enabled" for rule in said.get("Rules", []))
    judge(finding, seen, is_true, "bucket")

"""The deployment's buckets: closed, encrypted, kept."""

from __future__ import annotations

import pytest

from checks.gcp.found import buckets, by_name, judge, open_to_everybody, ours, record_buckets
from checks.judging import is_empty, is_true

DAY = 86400


@pytest.mark.control("gcp.buckets-uniform")
def test_acls_are_off(gcp, finding):
    finding.expect("uniform bucket-level access")
    seen = by_name(
        buckets(gcp),
        lambda row: row.get("iamConfiguration", {}).get("uniformBucketLevelAccess", {}).get("enabled"),
    )
    judge(gcp, finding, seen, is_true, "bucket")


@pytest.mark.control("gcp.buckets-never-public")
def test_no_bucket_can_be_made_public(gcp, finding):
    """ "inherited" holds for as long as somebody above says so, and does not tell whether anybody does."""
    finding.expect("public access prevention enforced")
    seen = by_name(buckets(gcp), lambda row: row.get("iamConfiguration", {}).get("publicAccessPrevention"))
    judge(gcp, finding, seen, lambda said: said == "enforced", "bucket")


@pytest.mark.control("gcp.buckets-not-public")
def test_no_bucket_serves_whoever_asks(gcp, finding):
    finding.expect("no role for everybody")
    seen = by_name(buckets(gcp), lambda row: open_to_everybody(gcp.ask("storage.buckets.getIamPolicy", row["name"])))
    judge(gcp, finding, seen, is_empty, "bucket")


@pytest.mark.control("gcp.buckets-versioned")
def test_what_is_overwritten_is_kept(gcp, finding):
    finding.expect("versioning on")
    judge(gcp, finding, by_name(buckets(gcp), lambda row: row.get("versioning", {}).get("enabled")), is_true, "bucket")


@pytest.mark.control("gcp.buckets-kept")
def test_nothing_is_removed_before_its_time(gcp, finding):
    finding.expect(f"a retention of {gcp.sheet.lock_days} days, of {gcp.sheet.record_days} where records lie")
    records = record_buckets(gcp)

    def short(row) -> list[str]:
        days = int(row.get("retentionPolicy", {}).get("retentionPeriod", 0)) / DAY
        least = gcp.sheet.record_days if row["name"] in records else gcp.sheet.lock_days
        return [] if days >= least else [f"{days:g} of {least} days"]

    judge(gcp, finding, by_name(buckets(gcp), short), is_empty, "bucket")


@pytest.mark.control("gcp.buckets-locked")
def test_nobody_shortens_what_is_kept(gcp, finding):
    finding.expect("the retention policy locked")
    seen = by_name(buckets(gcp), lambda row: row.get("retentionPolicy", {}).get("isLocked"))
    judge(gcp, finding, seen, is_true, "bucket")


@pytest.mark.control("gcp.buckets-own-key")
def test_every_bucket_is_under_our_key(gcp, finding):
    finding.expect("a default key, and one of the deployment's")
    seen = by_name(buckets(gcp), lambda row: ours(gcp, row.get("encryption", {}).get("defaultKmsKeyName")))
    judge(gcp, finding, seen, is_true, "bucket")


@pytest.mark.control("gcp.buckets-in-region")
def test_no_bucket_lies_elsewhere(gcp, finding):
    finding.expect(f"each in {gcp.sheet.region}")
    seen = by_name(buckets(gcp), lambda row: row.get("location", "").lower())
    judge(gcp, finding, seen, lambda said: said == gcp.sheet.region, "bucket")
